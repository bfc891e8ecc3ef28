/*
 * label.h - what was answered: an append-only log; each sample's records are chained from its newest.
 */
#pragma once

#include "store/batch.h"

enum label_kind {
    LABEL_ACCEPTED, /* in time, under its lease */
    LABEL_IMPORTED,
    LABEL_LATE, /* after its lease was lost: kept, neither paid nor counted */
};

enum { LABEL_VALUE_MAX = 65536, LABEL_NO_CLASS = -1 };

struct label {
    uint64_t previous; /* sequence number of the sample's label before it; 0: none */
    uint64_t fence;    /* of the lease it answers; 0: imported */
    int64_t time_ms;
    int64_t charged_microusd;
    uint32_t slot;
    uint32_t batch;      /* 0: imported */
    uint32_t worker;     /* or the import's source */
    int32_t class_index; /* LABEL_NO_CLASS: only a value */
    uint32_t kind;       /* enum label_kind */
    uint32_t finished;   /* 1: it was the last answer its item needed */
};
_Static_assert(sizeof(struct label) == 56, "a stored record");

/* Reads a record; `value`, optional output, is its further bytes, valid until the next write. */
bool label_get(struct txn *txn, uint32_t project, uint64_t sequence, struct label *label, struct value *value);

/* Appends a label of the sample, chains and counts it (its `previous` and `time_ms` are filled in here). Returns its number.
 * The caller puts the sample. */
uint64_t label_append(
    struct change *change, struct project *project, struct sample *sample, struct label label, struct text value);

/* The sample's label that answers a given lease; 0 where there is none among its newest. */
uint64_t label_of_lease(struct txn *txn, uint32_t project, const struct sample *sample, uint64_t fence, struct label *label);

/* Copies a stored record out of a cursor's data; `value` as for label_get. False where it is malformed. */
bool label_read(struct value stored, struct label *label, struct value *value);
