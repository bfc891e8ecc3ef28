/*
 * operation.h - the operations a peer may ask for. docs/protocol.md is their definition.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What an operation needs: OPERATION_WRITE changes the state, BULK writes vectors first, READ only looks, LONG computes. */
enum operation_kind { OPERATION_WRITE, OPERATION_BULK, OPERATION_READ, OPERATION_LONG };

/* The project field is: */
enum operation_scope { SCOPE_PROJECT, SCOPE_OPTIONAL, SCOPE_DAEMON };

#define OPERATIONS(X)                                                                                                          \
    X(PROJECT_CREATE, "PROJECT.CREATE", WRITE, PROJECT)                                                                        \
    X(PROJECT_SET, "PROJECT.SET", WRITE, PROJECT)                                                                              \
    X(PROJECT_GET, "PROJECT.GET", READ, PROJECT)                                                                               \
    X(PROJECT_LIST, "PROJECT.LIST", READ, DAEMON)                                                                              \
    X(SAMPLE_PUT, "SAMPLE.PUT", WRITE, PROJECT)                                                                                \
    X(SAMPLE_GET, "SAMPLE.GET", READ, PROJECT)                                                                                 \
    X(SAMPLE_DROP, "SAMPLE.DROP", WRITE, PROJECT)                                                                              \
    X(EMB_PUT, "EMB.PUT", BULK, PROJECT)                                                                                       \
    X(MODEL_BEGIN, "MODEL.BEGIN", WRITE, PROJECT)                                                                              \
    X(MODEL_ACTIVATE, "MODEL.ACTIVATE", WRITE, PROJECT)                                                                        \
    X(MODEL_DROP, "MODEL.DROP", WRITE, PROJECT)                                                                                \
    X(PRED_PUT, "PRED.PUT", BULK, PROJECT)                                                                                     \
    X(EVAL_PUT, "EVAL.PUT", WRITE, PROJECT)                                                                                    \
    X(PLAN, "PLAN", LONG, PROJECT)                                                                                             \
    X(BATCH_COMMIT, "BATCH.COMMIT", LONG, PROJECT)                                                                             \
    X(BATCH_GET, "BATCH.GET", READ, PROJECT)                                                                                   \
    X(BATCH_CANCEL, "BATCH.CANCEL", WRITE, PROJECT)                                                                            \
    X(EXPLAIN, "EXPLAIN", READ, PROJECT)                                                                                       \
    X(REPLAY, "REPLAY", LONG, PROJECT)                                                                                         \
    X(LEASE, "LEASE", WRITE, PROJECT)                                                                                          \
    X(TOUCH, "TOUCH", WRITE, PROJECT)                                                                                          \
    X(SUBMIT, "SUBMIT", WRITE, PROJECT)                                                                                        \
    X(SKIP, "SKIP", WRITE, PROJECT)                                                                                            \
    X(RELEASE, "RELEASE", WRITE, PROJECT)                                                                                      \
    X(LABEL_IMPORT, "LABEL.IMPORT", WRITE, PROJECT)                                                                            \
    X(LABELS_SINCE, "LABELS.SINCE", READ, PROJECT)                                                                             \
    X(BUDGET_GRANT, "BUDGET.GRANT", WRITE, PROJECT)                                                                            \
    X(BUDGET_GET, "BUDGET.GET", READ, PROJECT)                                                                                 \
    X(LEDGER_SINCE, "LEDGER.SINCE", READ, PROJECT)                                                                             \
    X(EVENTS_SINCE, "EVENTS.SINCE", READ, PROJECT)                                                                             \
    X(STATUS, "STATUS", READ, OPTIONAL)                                                                                        \
    X(VERIFY, "VERIFY", LONG, OPTIONAL)                                                                                        \
    X(SNAPSHOT, "SNAPSHOT", LONG, DAEMON)                                                                                      \
    X(PLANNER_CANCEL, "PLANNER.CANCEL", READ, DAEMON)                                                                          \
    X(CONFIG, "CONFIG", READ, DAEMON)                                                                                          \
    X(DRAIN, "DRAIN", WRITE, DAEMON)

enum operation {
#define X(code, name, kind, scope) OPERATION_##code,
    OPERATIONS(X)
#undef X
        OPERATION_COUNT
};

const char *operation_name(enum operation operation);
enum operation_kind operation_kind(enum operation operation);
enum operation_scope operation_scope(enum operation operation);

/* False where there is no operation of that name. `name` needs no NUL. */
bool operation_parse(const char *name, size_t size, enum operation *operation);
