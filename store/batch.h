/*
 * batch.h - batches, their items, and the queue of items that wait for a worker.
 */
#pragma once

#include "store/ledger.h"
#include "store/sample.h"

enum batch_state { BATCH_OPEN, BATCH_DONE, BATCH_CANCELED };

struct batch {
    int64_t created_ms;
    int64_t cost_microusd; /* reserved when it was committed */
    int64_t model_version; /* that it was selected with; 0: none */
    uint64_t seed;
    uint32_t items;
    uint32_t open; /* items that have not ended */
    uint32_t labeled;
    uint32_t rejected;
    uint32_t canceled;
    uint32_t type;    /* 0: the project's default, else 1 + index in settings.types */
    uint8_t strategy; /* enum select_strategy */
    uint8_t state;    /* enum batch_state */
    uint8_t overlap;  /* answers bought for an item */
    uint8_t unused[5];
};
_Static_assert(sizeof(struct batch) == 64, "a stored record");

/* The name of a batch's annotation type; empty for the project's default. */
const char *batch_type_name(const struct project *project, uint32_t type);

/* The arm's word on the wire; static. */
const char *item_arm_name(uint8_t arm);

/* How an item ended. */
enum item_end { ITEM_OPEN, ITEM_LABELED, ITEM_REJECTED, ITEM_CANCELED };

/* Of enum select_arm, which store/ does not know, what is asked for by name; and how many arms there are. */
enum { ITEM_ARM_INCLUDE = 3, ITEM_ARMS = 4 };

struct item {
    uint32_t slot;
    int32_t predicted;      /* class; -1: none */
    int64_t price_microusd; /* of one answer, fixed when the batch was committed */
    double probability;
    double uncertainty;
    double class_weight;
    double slice_weight;
    double gain;
    double utility;
    uint8_t arm; /* enum select_arm */
    uint8_t end; /* enum item_end */
    uint8_t unused[6];
};
_Static_assert(sizeof(struct item) == 72, "a stored record");

/* An item that nobody holds. Stored without the unused end of `workers`. */
struct waiting {
    uint32_t slot;
    uint32_t worker_count;
    uint32_t workers[PROJECT_OVERLAP_MAX + PROJECT_SKIPS_MAX]; /* who answered or skipped it: it isn't given to them again */
};

bool batch_get(struct txn *txn, uint32_t project, uint32_t number, struct batch *batch);
void batch_put(struct txn *txn, uint32_t project, uint32_t number, const struct batch *batch);

bool item_get(struct txn *txn, uint32_t project, uint32_t batch, uint32_t rank, struct item *item);
void item_put(struct txn *txn, uint32_t project, uint32_t batch, uint32_t rank, const struct item *item);

/* The queue, in the order of batches and ranks; counters.waiting is kept in step. */
void queue_put(struct change *change, struct project *project, uint32_t batch, uint32_t rank, const struct waiting *waiting);
bool queue_take(struct change *change, struct project *project, uint32_t batch, uint32_t rank);

/* Reads a stored `struct waiting`; false where it is malformed. */
bool waiting_read(struct value value, struct waiting *waiting);
size_t waiting_size(const struct waiting *waiting);

/* Has the worker had it? */
bool waiting_has(const struct waiting *waiting, uint32_t worker);

/*
 * Ends an item of a batch: counts it, and marks the batch done after its last, with its event. `answers` of its overlap were
 * charged: the money for the others is released.
 */
void item_finish(
    struct change *change, struct project *project, uint32_t batch, uint32_t rank, enum item_end end, uint32_t answers);
