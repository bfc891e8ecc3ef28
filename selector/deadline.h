/*
 * deadline.h - when leases end: a heap in memory, rebuilt from the store at start.
 *
 * An entry is a hint: whether the lease still lives is asked of the store when its time comes, so answered and extended leases
 * need no removal. Belongs to the engine's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline {
    int64_t time_ms;
    uint64_t fence;
    uint32_t project;
    uint32_t slot;
};

struct deadlines {
    struct deadline *heap;
    size_t count;
    size_t room;
};

void deadlines_deinit(struct deadlines *deadlines);

/* False out of memory. */
bool deadlines_add(struct deadlines *deadlines, struct deadline deadline);

/* The earliest; NULL where there is none. Valid until the next call. */
const struct deadline *deadlines_first(const struct deadlines *deadlines);
void deadlines_remove_first(struct deadlines *deadlines);
