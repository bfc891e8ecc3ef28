/*
 * model.h - model versions and their evaluations. Predictions themselves are columns.
 */
#pragma once

#include "store/change.h"

enum model_state {
    MODEL_STAGED,
    MODEL_ACTIVE,
    MODEL_RETAINED,
    MODEL_DROPPED, /* newer than the active one: its number must not come back, as its columns are still to be deleted */
};

struct model {
    int64_t begun_ms;
    int64_t activated_ms; /* 0: not yet */
    uint32_t state;       /* enum model_state */
    uint32_t unused;
};
_Static_assert(sizeof(struct model) == 24, "a stored record");

/* False where there is none, or it was dropped. */
bool model_get(struct txn *txn, uint32_t project, int64_t version, struct model *model);
bool model_is_dropped(struct txn *txn, uint32_t project, int64_t version);

/*
 * Fails with conflict where the version was dropped. Its number is spent: its columns may not be deleted yet, and what was
 * chosen by the one model must not seem to be chosen by another.
 */
bool model_check_not_dropped(struct txn *txn, uint32_t project, int64_t version, struct protocol_error *error);

void model_put(struct txn *txn, uint32_t project, int64_t version, const struct model *model);
bool model_delete(struct txn *txn, uint32_t project, int64_t version);

/* The oldest known versions, dropped ones too, rising, into `versions`; returns how many there are, at most `room`. */
size_t model_list(struct txn *txn, uint32_t project, int64_t *versions, size_t room);

struct evaluation {
    int64_t time_ms;
    int64_t spent_microusd; /* when it was received */
    uint64_t labels;        /* settled ones then */
    uint64_t trained_on;    /* labels in the version's training set, as the loop said; 0: it didn't */
};
_Static_assert(sizeof(struct evaluation) == 32, "a stored record");

/* Puts an evaluation with its fields, a msgpack map. */
void evaluation_put(
    struct txn *txn, uint32_t project, int64_t version, const struct evaluation *evaluation, struct text fields);

/* The newest by model version; false where there is none. `fields` is valid until the next write. */
bool evaluation_newest(struct txn *txn, uint32_t project, int64_t *version, struct evaluation *evaluation, struct text *fields);

/* Reads a stored evaluation; false where it is malformed. */
bool evaluation_read(struct value stored, struct evaluation *evaluation, struct text *fields);
