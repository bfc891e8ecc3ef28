/*
 * project.h - a project: its settings, its counters, and the names that it interns as small numbers.
 */
#pragma once

#include "protocol/error.h"
#include "protocol/reader.h"
#include "store/store.h"

enum {
    PROJECT_NAME_MAX = 64,
    PROJECT_TYPES_MAX = 16,
    PROJECT_SHARES_MAX = 16,
    PROJECT_TAGS_MAX = 64, /* a sample's tags are one 64-bit set */
    PROJECT_CLASSES_MAX = 65535,
    PROJECT_OVERLAP_MAX = 15,
    PROJECT_SKIPS_MAX = 15,
    SPACE_NAME_MAX = 64,
};

enum sample_state {
    SAMPLE_POOL,
    SAMPLE_RESERVED,
    SAMPLE_LEASED,
    SAMPLE_LABELED,
    SAMPLE_REJECTED,
    SAMPLE_DROPPED,
    SAMPLE_STATES,
};

/* The state's word on the wire; static. */
const char *sample_state_name(enum sample_state state);

/* The kinds of events, with their words on the wire. */
#define EVENT_KINDS(X)                                                                                                         \
    X(BATCH_PUBLISHED, "batch.published")                                                                                      \
    X(BATCH_CANCELED, "batch.canceled")                                                                                        \
    X(BATCH_DONE, "batch.done")                                                                                                \
    X(ITEM_RELEASED, "item.released")                                                                                          \
    X(ITEM_REJECTED, "item.rejected")                                                                                          \
    X(LABEL_ACCEPTED, "label.accepted")                                                                                        \
    X(LABEL_IMPORTED, "label.imported")                                                                                        \
    X(MODEL_ACTIVATED, "model.activated")                                                                                      \
    X(EVALUATION_RECEIVED, "evaluation.received")                                                                              \
    X(BUDGET_GRANTED, "budget.granted")                                                                                        \
    X(BUDGET_LOW, "budget.low")                                                                                                \
    X(BUDGET_EXHAUSTED, "budget.exhausted")                                                                                    \
    X(CONFIG_CHANGED, "config.changed")

enum event_kind {
#define X(code, name) EVENT_##code,
    EVENT_KINDS(X)
#undef X
        EVENT_KIND_COUNT
};

enum { EVENT_KINDS_ROOM = 32 }; /* in the stored record, so that kinds can be added without a new format */

/* What PROJECT.CREATE and PROJECT.SET fix; docs/protocol.md explains each. The class names are interned, not here. */
struct settings {
    int64_t price_microusd;
    uint64_t seed;
    int64_t lease_ms;
    int64_t budget_low_microusd;
    double control_share;
    uint64_t excluded_tags;
    uint32_t classes;
    uint32_t overlap;
    uint32_t skip_limit;
    uint32_t group_max;
    uint32_t replenish_depth;
    uint32_t replenish_low;
    uint32_t keep_models;
    uint32_t share_count;
    uint32_t type_count;
    uint8_t replenish_strategy; /* enum select_strategy */
    uint8_t pay_none_of_these;
    uint8_t keep_duplicates;
    uint8_t keep_junk;
    char space[SPACE_NAME_MAX + 8]; /* NUL-terminated; empty: the first one pushed */
    struct {
        double share;   /* at least */
        double maximum; /* at most */
        uint32_t index; /* of the class or tag */
        uint32_t is_class;
    } shares[PROJECT_SHARES_MAX];
    struct {
        int64_t price_microusd;
        char name[64]; /* NUL-terminated */
    } types[PROJECT_TYPES_MAX];
};

/* The names a project interns. */
enum name_kind { NAME_CLASS, NAME_WORKER, NAME_GROUP, NAME_TAG, NAME_KINDS };

/* Kept in step with the records in the same transaction; VERIFY recounts them. */
struct counters {
    int64_t created_ms;
    /* Money: granted = available + reserved + spent, at every committed state. */
    int64_t granted_microusd;
    int64_t available_microusd;
    int64_t reserved_microusd;
    int64_t spent_microusd;
    uint64_t states[8];       /* samples by enum sample_state */
    uint64_t samples;         /* registered ones; the next slot */
    uint64_t waiting;         /* entries of QUEUE */
    uint64_t leases;          /* entries of LEASES */
    uint64_t batches;         /* the newest batch's number */
    uint64_t fence;           /* the newest lease's number */
    uint64_t labels;          /* the newest label's sequence number */
    uint64_t labels_settled;  /* accepted or imported, not late */
    uint64_t labels_accepted; /* from leases, in time */
    uint64_t labels_paid;
    uint64_t labels_late;
    uint64_t entries;                      /* the ledger's newest sequence number */
    uint64_t events;                       /* the newest event's sequence number */
    uint64_t last_event[EVENT_KINDS_ROOM]; /* the newest sequence number of each kind */
    uint64_t kept_replies;
    int64_t model_version;    /* active; 0: none */
    uint64_t names[8];        /* interned, by enum name_kind */
    uint64_t columns_changed; /* counts changes of prices, groups and tags of known samples: REPLAY compares it */
    uint64_t is_low;          /* 1 while available is below budget_low_microusd */
};

/* A project in memory. The engine keeps them open; readers load them anew for each snapshot. */
struct project {
    uint32_t number;
    struct text name; /* points into name_bytes */
    char name_bytes[PROJECT_NAME_MAX];
    struct settings settings;
    struct counters counters;
};

/* Loads a project by name; false where there is none. A loaded project must not be moved. */
bool project_load(struct txn *txn, struct text name, struct project *project);

/* Fails with not_found where there is no such project. */
bool project_find(struct txn *txn, struct text name, struct project *project, struct protocol_error *error);

/* Registers a project whose name, settings and created_ms are filled in. Sets its number. */
void project_create(struct txn *txn, struct project *project);

void project_put_settings(struct txn *txn, const struct project *project);
void project_put_counters(struct txn *txn, const struct project *project);

/* Calls `visit` for each project in order of name until it answers false. */
void project_each(struct txn *txn, bool (*visit)(void *context, struct text name, uint32_t number), void *context);

/* The number of an interned name; false where it isn't interned. Classes are numbered by their index, the other kinds from 1.
 */
bool name_find(struct txn *txn, const struct project *project, enum name_kind kind, struct text name, uint32_t *number);

/* The number of a name, interned now if it was not. */
uint32_t name_intern(struct txn *txn, struct project *project, enum name_kind kind, struct text name);

/* The name of a number, valid until the next write; empty where there is none. */
struct text name_text(struct txn *txn, uint32_t project, enum name_kind kind, uint32_t number);

/* Settled labels of a class. */
uint64_t tally_get(struct txn *txn, uint32_t project, uint32_t class_index);
void tally_add(struct txn *txn, uint32_t project, int32_t class_index, int64_t change);
