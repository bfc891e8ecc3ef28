/*
 * sample.h - samples: the record that every state change goes through, and where a sample's key and URI are.
 */
#pragma once

#include "store/project.h"

enum { SAMPLE_URI_MAX = 2048, SAMPLE_NO_PRICE = -1 };

/* Flags of a sample. */
enum {
    SAMPLE_NONE_OF_THESE = 1, /* rejected by the answer "none of these": evidence about its neighbourhood */
};

struct sample {
    uint8_t state; /* enum sample_state */
    uint8_t flags;
    uint8_t skips;          /* of its current item */
    uint8_t answers;        /* settled ones of its current item */
    uint32_t group;         /* interned; 0: none */
    int64_t price_microusd; /* SAMPLE_NO_PRICE: the project's */
    uint64_t tags;          /* bit t: carries tag t */
    uint32_t batch;         /* its newest batch; 0: never in one */
    uint32_t rank;          /* in that batch */
    uint64_t fence;         /* number of the lease that holds it; 0: none */
    int64_t deadline_ms;    /* of that lease */
    uint32_t worker;        /* who holds it */
    uint32_t lost_worker;   /* who held the newest lost lease */
    uint64_t lost_fence;    /* number of that lease; 0: none */
    uint64_t last_label;    /* sequence number of the newest label record, late ones included; 0: none */
    int32_t label;          /* class of the newest settled label; -1: none */
    uint32_t labels;        /* settled ones, ever */
};
_Static_assert(sizeof(struct sample) == 80, "a stored record");

bool sample_get(struct txn *txn, uint32_t project, uint32_t slot, struct sample *sample);
void sample_put(struct txn *txn, uint32_t project, uint32_t slot, const struct sample *sample);

/* Moves the sample to a state and keeps the project's counts in step. The caller puts the sample. */
void sample_move(struct project *project, struct sample *sample, enum sample_state state);

bool sample_find(struct txn *txn, uint32_t project, struct text key, uint32_t *slot);

/* Where a sample comes from. The texts are valid until the next write. */
struct source {
    struct text key;
    struct text uri;
};

struct source source_get(struct txn *txn, uint32_t project, uint32_t slot);
void source_put(struct txn *txn, uint32_t project, uint32_t slot, struct text key, struct text uri);

/* Registers a new key under the project's next slot. The caller puts the sample. */
uint32_t sample_register(struct txn *txn, struct project *project, struct text key, struct text uri);

/* What one label of the sample costs in a batch of the project's default type. */
int64_t sample_price(const struct project *project, const struct sample *sample);

/*
 * The slots that `names` mean, in order, in `slots` (room for names->count, or `count` with SAMPLES_FROM). Fails with not_found
 * on an unknown sample and with bad_request on one named twice; changes nothing.
 */
bool samples_resolve(struct txn *txn, const struct project *project, const struct sample_names *names, size_t count,
    uint32_t *slots, struct protocol_error *error);

/* Fails with bad_request on `field` where a slot stands twice. */
bool slots_differ(const uint32_t *slots, size_t count, const char *field, struct protocol_error *error);
