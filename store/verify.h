/*
 * verify.h - recounts everything from the records: states, counters, money, leases, labels, events, columns.
 */
#pragma once

#include "protocol/request.h"
#include "store/project.h"

enum { VERIFY_PROBLEMS_MAX = 100 };

struct verification {
    struct writer problems; /* an open list of str */
    size_t problem_count;
    uint64_t projects;
    uint64_t samples;
    uint64_t items;
    uint64_t leases;
    uint64_t labels;
    uint64_t entries;
    uint64_t events;
    uint64_t rows;
};

/* Partner: verification_deinit. */
void verification_init(struct verification *verification);
void verification_deinit(struct verification *verification);

/*
 * Verifies one project, or all where its name is empty, over one snapshot of each environment. True where it could be done: the
 * store is clean if problem_count is 0. False with not_found or internal in `error`.
 */
bool store_verify(struct store *store, struct text project, struct verification *verification, struct protocol_error *error);

/* Adds `clean`, `problems` and `checked` to the open map. To be called once. */
void verification_write(struct verification *verification, struct writer *writer);
