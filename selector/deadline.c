#include "selector/deadline.h"

#include <stdlib.h>

void deadlines_deinit(struct deadlines *deadlines)
{
    free(deadlines->heap);
    *deadlines = (struct deadlines){0};
}

bool deadlines_add(struct deadlines *deadlines, struct deadline deadline)
{
    if (deadlines->count == deadlines->room) {
        const size_t room = deadlines->room ? 2 * deadlines->room : 256;
        struct deadline *heap = realloc(deadlines->heap, room * sizeof *heap);
        if (!heap)
            return false;
        deadlines->heap = heap;
        deadlines->room = room;
    }
    size_t at = deadlines->count++;
    for (; at > 0 && deadlines->heap[(at - 1) / 2].time_ms > deadline.time_ms; at = (at - 1) / 2)
        deadlines->heap[at] = deadlines->heap[(at - 1) / 2];
    deadlines->heap[at] = deadline;
    return true;
}

const struct deadline *deadlines_first(const struct deadlines *deadlines)
{
    return deadlines->count > 0 ? &deadlines->heap[0] : NULL;
}

void deadlines_remove_first(struct deadlines *deadlines)
{
    if (deadlines->count == 0)
        return;
    const struct deadline last = deadlines->heap[--deadlines->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= deadlines->count)
            break;
        if (child + 1 < deadlines->count && deadlines->heap[child + 1].time_ms < deadlines->heap[child].time_ms)
            child++;
        if (deadlines->heap[child].time_ms >= last.time_ms)
            break;
        deadlines->heap[at] = deadlines->heap[child];
        at = child;
    }
    if (deadlines->count > 0)
        deadlines->heap[at] = last;
}
