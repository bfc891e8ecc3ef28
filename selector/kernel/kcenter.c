#include "selector/kernel/kcenter.h"

#include "selector/kernel/frontier.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CENTERS_MAX = 256, /* centres that a point is compared with before others are looked at again */
    BATCH_MIN = 32,    /* points refreshed when the top of the heap is stale, doubled while it stays so */
    BATCH_FULL = 1024, /* a batch above this and the next share of all points is a pass over all of them */
    FULL_SHARE = 16,
    IN_HEAP = 2, /* flag in `taken` */
    MEAN_TILE = 4096,
    POLL_EVERY = 4096,
    CENTERS_FIRST = 32, /* centres of the first pass, over all points */
};

struct kernel_kcenter {
    struct kernel_frontier frontier;
    struct kernel_lazy lazy; /* by frontier.bound */
    size_t outliers;
    uint32_t *aside;     /* [outliers] the farthest ones while a choice is made */
    size_t batch_wanted; /* points that the last choice took, to begin the next with a share of them */
};

struct kernel_kcenter *kernel_kcenter_new(
    struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count)
{
    struct kernel_kcenter *kcenter = calloc(1, sizeof *kcenter);
    if (kcenter == NULL)
        return NULL;
    bool ready = kernel_frontier_init(&kcenter->frontier, team, rows, NULL, slots, count);
    if (!ready || !kernel_lazy_init(&kcenter->lazy, kcenter->frontier.bound, count))
        kernel_kcenter_free(&kcenter);
    return kcenter;
}

void kernel_kcenter_free(struct kernel_kcenter **pointer)
{
    struct kernel_kcenter *kcenter = *pointer;
    if (kcenter == NULL)
        return;
    kernel_frontier_deinit(&kcenter->frontier);
    kernel_lazy_deinit(&kcenter->lazy);
    free(kcenter->aside);
    free(kcenter);
    *pointer = NULL;
}

bool kernel_kcenter_set_aside(struct kernel_kcenter *kcenter, size_t outliers)
{
    uint32_t *aside = realloc(kcenter->aside, (outliers + 1) * sizeof *aside);
    if (aside == NULL)
        return false;
    kcenter->aside = aside;
    kcenter->outliers = outliers;
    return true;
}

enum kernel_status kernel_kcenter_add(struct kernel_kcenter *kcenter, uint32_t slot)
{
    return kernel_frontier_add(&kcenter->frontier, slot);
}

static bool stale(const void *self, uint32_t index)
{
    const struct kernel_kcenter *kcenter = self;
    return kcenter->frontier.seen[index] < kcenter->frontier.centers.count;
}

/* Refreshes every stale point in the heap, in the order of memory. For the first pass, and where nearly all points are needed.
 */
static bool refresh_all(struct kernel_kcenter *kcenter, size_t centers_limit)
{
    struct kernel_lazy *lazy = &kcenter->lazy;
    lazy->batch_count = 0;
    for (size_t i = 0; i < lazy->heap.count; i++)
        lazy->taken[lazy->heap.items[i]] |= IN_HEAP;
    for (size_t i = 0; i < lazy->count; i++) {
        if ((lazy->taken[i] & IN_HEAP) && stale(kcenter, (uint32_t)i))
            lazy->batch[lazy->batch_count++] = (uint32_t)i;
        lazy->taken[i] &= (uint8_t)~IN_HEAP;
    }
    bool done = kernel_frontier_refresh(&kcenter->frontier, lazy->batch, lazy->batch_count, centers_limit);
    kernel_heap_build(&lazy->heap);
    return done;
}

void kernel_kcenter_rewind(struct kernel_kcenter *kcenter, kernel_accept_fn *accept, void *context)
{
    kernel_lazy_rewind(&kcenter->lazy, accept, context);
}

/* --- the first centre --------------------------------------------------------------------------------------------------- */

/* The search for the candidate nearest to the mean: sums by tile, then the nearest by tile, both joined in the order of tiles.
 */
struct mean_search {
    struct kernel_kcenter *kcenter;
    double *sums;       /* [tiles x width] */
    float *mean;        /* [width] */
    float *rows;        /* [workers x width] */
    double *distances2; /* [count] */
};

static void mean_sum_tile(void *context, size_t tile, unsigned worker)
{
    struct mean_search *search = context;
    const struct kernel_kcenter *kcenter = search->kcenter;
    float *row = search->rows + worker * kcenter->frontier.centers.width;
    double *sum = search->sums + tile * kcenter->frontier.centers.width;
    for (size_t i = tile * MEAN_TILE; i < kcenter->frontier.count && i < (tile + 1) * MEAN_TILE; i++) {
        kernel_gather(kcenter->frontier.centers.rows, &kcenter->frontier.slots[i], 1, NULL, row);
        for (size_t j = 0; j < kcenter->frontier.centers.width; j++)
            sum[j] += (double)row[j];
    }
}

static void mean_distance_tile(void *context, size_t tile, unsigned worker)
{
    struct mean_search *search = context;
    const struct kernel_kcenter *kcenter = search->kcenter;
    float *row = search->rows + worker * kcenter->frontier.centers.width;
    for (size_t i = tile * MEAN_TILE; i < kcenter->frontier.count && i < (tile + 1) * MEAN_TILE; i++) {
        kernel_gather(kcenter->frontier.centers.rows, &kcenter->frontier.slots[i], 1, NULL, row);
        search->distances2[i] = (double)kernel_distance2(row, search->mean, kcenter->frontier.centers.width);
    }
}

static enum kernel_status mean_distances(struct mean_search *search, size_t tiles)
{
    struct kernel_kcenter *kcenter = search->kcenter;
    if (!kernel_team_run(kcenter->frontier.team, tiles, mean_sum_tile, search))
        return KERNEL_STOPPED;
    for (size_t j = 0; j < kcenter->frontier.centers.width; j++) {
        double sum = 0;
        for (size_t tile = 0; tile < tiles; tile++)
            sum += search->sums[tile * kcenter->frontier.centers.width + j];
        search->mean[j] = (float)(sum / (double)kcenter->frontier.count);
    }
    return kernel_team_run(kcenter->frontier.team, tiles, mean_distance_tile, search) ? KERNEL_OK : KERNEL_STOPPED;
}

static enum kernel_status nearest_to_mean(
    struct kernel_kcenter *kcenter, kernel_accept_fn *accept, void *context, uint32_t *index)
{
    size_t tiles = (kcenter->frontier.count + MEAN_TILE - 1) / MEAN_TILE;
    struct mean_search search = {
        .kcenter = kcenter,
        .sums = calloc(tiles * kcenter->frontier.centers.width + 1, sizeof *search.sums),
        .mean = malloc((kcenter->frontier.centers.width + 1) * sizeof *search.mean),
        .rows = malloc(kernel_team_size(kcenter->frontier.team) * kcenter->frontier.centers.width * sizeof *search.rows),
        .distances2 = malloc((kcenter->frontier.count + 1) * sizeof *search.distances2),
    };
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (search.sums == NULL || search.mean == NULL || search.rows == NULL || search.distances2 == NULL)
        goto done;
    status = mean_distances(&search, tiles);
    if (status != KERNEL_OK)
        goto done;
    status = KERNEL_END;
    for (size_t i = 0; i < kcenter->frontier.count; i++) {
        if (kcenter->lazy.taken[i] || (accept != NULL && !accept(context, (uint32_t)i)))
            continue;
        if (status == KERNEL_END || search.distances2[i] < search.distances2[*index])
            *index = (uint32_t)i;
        status = KERNEL_OK;
    }
done:
    free(search.sums);
    free(search.mean);
    free(search.rows);
    free(search.distances2);
    return status;
}

/* Takes `index` out of the heap, wherever it stands. */
static void heap_remove(struct kernel_heap *heap, uint32_t index)
{
    for (size_t i = 0; i < heap->count; i++) {
        if (heap->items[i] == index) {
            heap->items[i] = heap->items[--heap->count];
            kernel_heap_build(heap);
            return;
        }
    }
}

/* Refreshes up to `size` stale points from the top of the heap and puts them back. */
static bool refresh_top(struct kernel_kcenter *kcenter, size_t size, kernel_accept_fn *accept, void *context)
{
    struct kernel_lazy *lazy = &kcenter->lazy;
    kernel_lazy_pop_stale(lazy, size, stale, kcenter, accept, context);
    kcenter->batch_wanted += lazy->batch_count;
    kernel_frontier_sort(&kcenter->frontier, lazy->batch, lazy->batch_count);
    bool done = kernel_frontier_refresh(&kcenter->frontier, lazy->batch, lazy->batch_count, CENTERS_MAX);
    kernel_lazy_push_batch(lazy);
    return done;
}

/* Takes the farthest candidate out of the heap; `batch` points are brought up to date at first. */
static enum kernel_status farthest(
    struct kernel_kcenter *kcenter, size_t batch, kernel_accept_fn *accept, void *context, uint32_t *index)
{
    uint32_t top;
    while (kernel_lazy_top(&kcenter->lazy, accept, context, &top)) {
        size_t count = kcenter->lazy.heap.count;
        if (!stale(kcenter, top)) {
            *index = kernel_heap_pop(&kcenter->lazy.heap);
            return KERNEL_OK;
        }
        /* A full pass says nothing of how many points were needed: the next choice tries with few again. */
        bool first_pass = kcenter->frontier.seen[top] == 0;
        bool full = batch > BATCH_FULL && batch > count / FULL_SHARE;
        bool done = first_pass || full ? refresh_all(kcenter, first_pass ? CENTERS_FIRST : CENTERS_MAX)
                                       : refresh_top(kcenter, batch, accept, context);
        if (!done)
            return KERNEL_STOPPED;
        batch = batch <= count ? 2 * batch : batch;
    }
    return KERNEL_END;
}

enum kernel_status kernel_kcenter_next(
    struct kernel_kcenter *kcenter, kernel_accept_fn *accept, void *context, uint32_t *index, double *distance2)
{
    enum kernel_status status = KERNEL_OK;
    if (kcenter->frontier.centers.count == 0) {
        status = nearest_to_mean(kcenter, accept, context, index);
        *distance2 = INFINITY;
        if (status == KERNEL_OK)
            heap_remove(&kcenter->lazy.heap, *index);
        return status;
    }
    size_t batch = kcenter->batch_wanted / 8 > BATCH_MIN ? kcenter->batch_wanted / 8 : BATCH_MIN;
    kcenter->batch_wanted = 0;
    size_t aside = 0;
    while (aside < kcenter->outliers && status == KERNEL_OK) {
        status = farthest(kcenter, batch, accept, context, &kcenter->aside[aside]);
        if (status == KERNEL_OK && ++aside % POLL_EVERY == 0 && kernel_team_stopped(kcenter->frontier.team))
            status = KERNEL_STOPPED;
    }
    if (status == KERNEL_OK)
        status = farthest(kcenter, batch, accept, context, index);
    while (aside > 0)
        kernel_heap_push(&kcenter->lazy.heap, kcenter->aside[--aside]);
    if (status == KERNEL_OK)
        *distance2 = kcenter->frontier.bound[*index];
    return status;
}

enum kernel_status kernel_kcenter_take(struct kernel_kcenter *kcenter, uint32_t index)
{
    kcenter->lazy.taken[index] = 1;
    return kernel_kcenter_add(kcenter, kcenter->frontier.slots[index]);
}
