#include "selector/kernel/components.h"

#include "selector/kernel/ball_pairs.h"

#include <stdlib.h>

/*
 * A forest that all threads join trees of (Anderson and Woll, "Wait-free parallel algorithms for the union-find problem", STOC
 * 1991). A root is the lowest of its tree, so the roots do not depend on the order of joining.
 */
struct forest {
    const struct kernel_sketch *sketch;
    _Atomic uint32_t *parents; /* [count] */
};

static uint32_t root_of(const struct forest *forest, uint32_t i)
{
    for (;;) {
        uint32_t parent = atomic_load_explicit(&forest->parents[i], memory_order_relaxed);
        if (parent == i)
            return i;
        uint32_t above = atomic_load_explicit(&forest->parents[parent], memory_order_relaxed);
        /* Halves the path; where another thread was first, that is as good. */
        atomic_compare_exchange_weak_explicit(&forest->parents[i], &parent, above, memory_order_relaxed, memory_order_relaxed);
        i = above;
    }
}

static bool joined(void *context, uint32_t a, uint32_t b)
{
    const struct forest *forest = context;
    return root_of(forest, forest->sketch->places[a]) == root_of(forest, forest->sketch->places[b]);
}

static bool join(void *context, uint32_t a, uint32_t b)
{
    const struct forest *forest = context;
    uint32_t low = forest->sketch->places[a];
    uint32_t high = forest->sketch->places[b];
    for (;;) {
        uint32_t x = root_of(forest, low);
        uint32_t y = root_of(forest, high);
        low = x < y ? x : y;
        high = x < y ? y : x;
        uint32_t expected = high;
        if (low == high || atomic_compare_exchange_strong_explicit(
                               &forest->parents[high], &expected, low, memory_order_relaxed, memory_order_relaxed))
            return true;
    }
}

enum kernel_status kernel_components(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots,
    size_t count, float radius2, uint64_t seed, uint32_t *first, atomic_size_t *done)
{
    struct kernel_sketch sketch = {0};
    struct forest forest = {&sketch, malloc((count + 1) * sizeof *forest.parents)};
    struct kernel_ball_pairs pairs = {
        .team = team, .sketch = &sketch, .radius2 = radius2, .known = joined, .add = join, .context = &forest, .done = done};
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (forest.parents == NULL)
        return status;
    for (uint32_t i = 0; i < count; i++)
        atomic_init(&forest.parents[i], i);
    status = kernel_sketch_init(&sketch, team, rows, slots, count, KERNEL_SKETCH_PAIRS, seed);
    if (status == KERNEL_OK)
        status = kernel_ball_pairs_find(&pairs);
    for (uint32_t i = 0; status == KERNEL_OK && i < count; i++)
        first[i] = root_of(&forest, i);
    kernel_sketch_deinit(&sketch);
    free(forest.parents);
    return status;
}
