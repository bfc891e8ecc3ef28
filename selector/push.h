/*
 * push.h - PRED.PUT and EMB.PUT: reading and checking what a trainer pushes, before any of it is written.
 */
#pragma once

#include "protocol/request.h"
#include "store/column.h"
#include "store/project.h"

enum {
    PUSH_PARTS_MAX = 4,
    PUSH_WIDTH_MAX = 16384, /* of embeddings */
    PUSH_DRAWS_MIN = 2,
    PUSH_DRAWS_MAX = 64,
    PUSH_DRAWS_WIDTH_MAX = 65536, /* draws x classes: no wider than the widest row of probabilities */
};

/* One column of a push, checked and ready to be written. */
struct push_part {
    struct column_id id;
    const char *field; /* of the request */
    enum array_dtype dtype;
    size_t width;
    const uint8_t *rows;
    const uint8_t *classes; /* of top-k, else NULL */
    void *converted_rows;   /* owned: where `rows` had to be computed */
    void *converted_classes;
};

struct push {
    struct project project;
    uint32_t *slots; /* [count], owned */
    size_t count;
    int64_t version; /* 0 for EMB.PUT */
    bool activate;
    bool active; /* the version is the active one already */
    struct push_part parts[PUSH_PARTS_MAX];
    size_t part_count;
};

/*
 * Reads and checks the request against one snapshot of the state and the vectors as they are in `vectors`, to which earlier
 * pushes of the same transaction belong. False with request->error filled. Partner, in both cases: push_deinit. Neither must be
 * moved while in use.
 */
bool push_read(struct push *push, struct request *request, struct txn *state, struct txn *vectors);
void push_deinit(struct push *push);

/* Writes the parts. */
void push_write(const struct push *push, struct txn *vectors);
