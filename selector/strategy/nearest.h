/*
 * nearest.h - nearest neighbours within a list of rows, exact or approximate by its length. Private to strategy/.
 */
#pragma once

#include "selector/kernel/neighbors.h"
#include "selector/strategy/select.h"

struct select_nearest {
    struct kernel_team *team;
    const struct kernel_rows *rows;
    const uint32_t *slots; /* [count] rows that are present */
    size_t count;
    enum select_neighbors_mode mode;
    double recall_wanted; /* 0: 0.95 */
    uint64_t seed;
};

/*
 * Fills `found` for the rows slots[queries[0..query_count)], each once, or for all of the list where `queries` is NULL. Output:
 * *recall, 1 where exact, else as measured on a sample of the queries.
 */
enum kernel_status select_nearest_find(const struct select_nearest *nearest, const uint32_t *queries, size_t query_count,
    struct kernel_neighbors *found, double *recall);
