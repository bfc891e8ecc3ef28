/*
 * plan.h - a selection on its way from the planner to the engine, and what is recorded of it for REPLAY.
 */
#pragma once

#include "selector/strategy/select.h"
#include "store/batch.h"
#include "store/column.h"

/* How a column looked when it was read: rows from `high` on, and pushes after `rewrites`, came later. */
struct plan_column {
    uint64_t high; /* 0: the column did not exist */
    uint64_t rewrites;
};

/*
 * Everything the selection depended on, recorded with its batch. Followed by class_weights doubles, by the samples' states
 * (enum select_state, one byte each), and by the slots of the plan that were not taken (`dropped` of them, u32), because the
 * state had moved on.
 */
struct plan_inputs {
    uint64_t samples;
    uint64_t label_seq;       /* newest label then */
    uint64_t columns_changed; /* counters.columns_changed then */
    int64_t model_version;
    struct plan_column probabilities;
    struct plan_column topk;
    struct plan_column utility;
    struct plan_column embeddings;
    char space[SPACE_NAME_MAX + 8]; /* NUL-terminated; empty: none */
    int64_t budget;
    uint64_t count;
    uint64_t spares;
    uint64_t seed;
    double control_share;
    double tag_weight[PROJECT_TAGS_MAX];
    uint64_t tags_excluded;
    uint64_t references_max;
    struct select_share shares[PROJECT_SHARES_MAX];
    struct select_parameters parameters;
    uint32_t share_count;
    uint32_t strategy;
    uint32_t overlap;
    uint32_t group_max;
    uint32_t type;          /* as in struct batch */
    uint32_t duplicates;    /* enum select_filter_mode */
    uint32_t junk;          /* likewise */
    uint32_t class_weights; /* classes there were; 0: none, or recorded before they all were */
    uint32_t include_count; /* first items of the batch that were asked for by name */
    uint32_t dropped;
};

/* A plan: the first `picks` items are the batch, the others spares. */
struct plan {
    struct plan_inputs inputs;
    const double *class_weights; /* [inputs.class_weights] */
    const uint8_t *states;       /* [inputs.samples] */
    const struct item *items;    /* [item_count] */
    uint32_t picks;
    uint32_t item_count;
    int64_t budget; /* micro-dollars that the whole batch may cost; INT64_MAX: no bound */
    bool partial;
    bool recorded; /* inputs are worth recording: false for the caller's own list */
    struct select_stats stats;
    uint32_t control_items;
    uint32_t share_items;
    struct protocol_error error; /* instead of a plan: why there is none */
};

/* Writes a plan as one frame, and reads it again; the second borrows from the frame. */
bool plan_pack(const struct plan *plan, msgpack_sbuffer *frame);
bool plan_unpack(struct plan *plan, const void *frame, size_t size);

/* The recorded inputs of a batch. */
void plan_record(struct txn *txn, uint32_t project, uint32_t batch, const struct plan *plan, const uint32_t *dropped,
    uint32_t dropped_count);

/* Forgets the inputs of the batch that is PLAN_RECORDS_MAX before this one. */
void plan_forget(struct txn *txn, uint32_t project, uint32_t batch);

enum { PLAN_RECORDS_MAX = 16 };

struct plan_recorded {
    struct plan_inputs inputs;
    const double *class_weights; /* unaligned bytes are copied: owned */
    const uint8_t *states;       /* borrowed */
    const uint8_t *dropped;      /* u32 each, borrowed */
};

/* False where nothing is recorded. Partner: free((void *)recorded->class_weights). */
bool plan_recall(struct txn *txn, uint32_t project, uint32_t batch, struct plan_recorded *recorded);

/* One English line of what put the item into its batch. */
void plan_describe(const struct item *item, enum select_strategy strategy, char *text, size_t size);

/* Adds the map `stats` to a reply. */
void plan_write_stats(struct writer *reply, const struct plan *plan);
