/*
 * apply.h - what each request does to the state. One function an operation, called by the engine inside its write transaction.
 *
 * A function reads its fields, checks everything, and only then writes. It answers false with request->error filled where the
 * request is refused; a refusal after a write makes the engine undo and repeat the whole group without it, which is right but
 * slow. Failures of the store are sticky in the transaction and need no answer.
 */
#pragma once

#include "protocol/request.h"
#include "selector/deadline.h"
#include "selector/plan.h"
#include "store/label.h"
#include "store/lease.h"
#include "store/model.h"
#include "store/reply.h"

/* The model versions whose columns are to be deleted once the transaction is committed. */
struct purges {
    struct {
        uint32_t project;
        int64_t version;
    } * list;
    size_t count;
    size_t room;
};

/* What the functions work on. */
struct applying {
    struct change *change;
    struct deadlines *deadlines;
    struct purges *purges;
    bool *draining;
};

typedef bool apply_fn(struct applying *applying, struct request *request, struct writer *reply);

apply_fn apply_project_create;
apply_fn apply_project_set;
apply_fn apply_sample_put;
apply_fn apply_sample_drop;
apply_fn apply_model_begin;
apply_fn apply_model_activate;
apply_fn apply_model_drop;
apply_fn apply_eval_put;
apply_fn apply_batch_cancel;
apply_fn apply_lease;
apply_fn apply_touch;
apply_fn apply_submit;
apply_fn apply_skip;
apply_fn apply_release;
apply_fn apply_label_import;
apply_fn apply_budget_grant;
apply_fn apply_drain;

/* A peer's BATCH.COMMIT, with the plan that the planner made of it. */
bool apply_batch_commit(struct applying *applying, struct request *request, const struct plan *plan, struct writer *reply);

/*
 * A batch in continuous mode. Nobody asked: that money is short is published, that the policy can't be followed is logged. True
 * where another attempt under the same circumstances may end otherwise: this one was stopped, or the commit may still fail.
 */
bool apply_replenish(struct applying *applying, struct text project, const struct plan *plan);

/* A peer's PRED.PUT whose rows are written: makes its model version the active one. */
bool apply_pred_activate(struct applying *applying, struct request *request, struct writer *reply);

/* Gives back a leased sample whose deadline has passed, if it is still held under that lease. */
void apply_expiry(struct applying *applying, const struct deadline *deadline);

/* Reads the request's project, to be changed; NULL with the error filled. */
struct project *apply_find_project(struct applying *applying, struct request *request);

/* A label's class as index or name: field of the request, or element of a list. False with the error filled. */
bool apply_read_class(struct applying *applying, const struct project *project, const msgpack_object *value, const char *field,
    int32_t *class_index, struct protocol_error *error);
