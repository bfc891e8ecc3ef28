#include "selector/kernel/kcenter.h"

#include "selector/kernel/frontier.h"
#include "selector/kernel/heap.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CENTERS_MAX = 256, /* centres that a point is compared with before others are looked at again */
    BATCH_MIN = 32,    /* points refreshed when the top of the heap is stale, doubled while it stays so */
    BATCH_FULL = 1024, /* a batch above this and the next share of all points is a pass over all of them */
    FULL_SHARE = 64,
    IN_HEAP = 2, /* flag in `taken` */
    MEAN_TILE = 4096,
    POLL_EVERY = 4096,
    CENTERS_FIRST = 32, /* centres of the first pass, over all points */
};

struct kernel_kcenter {
    struct kernel_frontier frontier;
    uint8_t *taken;          /* [count] */
    struct kernel_heap heap; /* by frontier.bound */
    uint32_t *batch;         /* [count] points of the running refresh */
    size_t batch_count;
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
    kcenter->taken = calloc(count + 1, sizeof *kcenter->taken);
    kcenter->heap.items = malloc((count + 1) * sizeof *kcenter->heap.items);
    kcenter->batch = malloc((count + 1) * sizeof *kcenter->batch);
    if (!kernel_frontier_init(&kcenter->frontier, team, rows, NULL, slots, count) || kcenter->taken == NULL ||
        kcenter->heap.items == NULL || kcenter->batch == NULL) {
        kernel_kcenter_free(&kcenter);
        return NULL;
    }
    kcenter->heap.keys = kcenter->frontier.bound;
    return kcenter;
}

void kernel_kcenter_free(struct kernel_kcenter **pointer)
{
    struct kernel_kcenter *kcenter = *pointer;
    if (kcenter == NULL)
        return;
    kernel_frontier_deinit(&kcenter->frontier);
    free(kcenter->taken);
    free(kcenter->heap.items);
    free(kcenter->batch);
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

/* Refreshes every stale point in the heap, in the order of memory. For the first pass, and where nearly all points are needed.
 */
static bool refresh_all(struct kernel_kcenter *kcenter, size_t centers_limit)
{
    struct kernel_heap *heap = &kcenter->heap;
    kcenter->batch_count = 0;
    for (size_t i = 0; i < heap->count; i++)
        kcenter->taken[heap->items[i]] |= IN_HEAP;
    for (size_t i = 0; i < kcenter->frontier.count; i++) {
        if ((kcenter->taken[i] & IN_HEAP) && kcenter->frontier.seen[i] < kcenter->frontier.centers.count)
            kcenter->batch[kcenter->batch_count++] = (uint32_t)i;
        kcenter->taken[i] &= (uint8_t)~IN_HEAP;
    }
    bool done = kernel_frontier_refresh(&kcenter->frontier, kcenter->batch, kcenter->batch_count, centers_limit);
    kernel_heap_build(heap);
    return done;
}

void kernel_kcenter_rewind(struct kernel_kcenter *kcenter, kernel_accept_fn *accept, void *context)
{
    kcenter->heap.count = 0;
    for (size_t i = 0; i < kcenter->frontier.count; i++) {
        if (!kcenter->taken[i] && (accept == NULL || accept(context, (uint32_t)i)))
            kcenter->heap.items[kcenter->heap.count++] = (uint32_t)i;
    }
    kernel_heap_build(&kcenter->heap);
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
        if (kcenter->taken[i] || (accept != NULL && !accept(context, (uint32_t)i)))
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
    struct kernel_heap *heap = &kcenter->heap;
    kcenter->batch_count = 0;
    while (heap->count > 0 && kcenter->batch_count < size &&
           kcenter->frontier.seen[heap->items[0]] < kcenter->frontier.centers.count) {
        uint32_t point = kernel_heap_pop(heap);
        if (accept == NULL || accept(context, point))
            kcenter->batch[kcenter->batch_count++] = point;
    }
    kernel_frontier_sort(&kcenter->frontier, kcenter->batch, kcenter->batch_count);
    bool done = kernel_frontier_refresh(&kcenter->frontier, kcenter->batch, kcenter->batch_count, CENTERS_MAX);
    for (size_t i = 0; i < kcenter->batch_count; i++)
        kernel_heap_push(heap, kcenter->batch[i]);
    return done;
}

/* Takes the farthest candidate out of the heap; `batch` points are brought up to date at first. */
static enum kernel_status farthest(
    struct kernel_kcenter *kcenter, size_t batch, kernel_accept_fn *accept, void *context, uint32_t *index)
{
    struct kernel_heap *heap = &kcenter->heap;
    while (heap->count > 0) {
        uint32_t top = heap->items[0];
        if (accept != NULL && !accept(context, top)) {
            kernel_heap_pop(heap);
            continue;
        }
        if (kcenter->frontier.seen[top] == kcenter->frontier.centers.count) {
            *index = kernel_heap_pop(heap);
            return KERNEL_OK;
        }
        bool first_pass = kcenter->frontier.seen[top] == 0;
        bool full = batch > BATCH_FULL && batch > heap->count / FULL_SHARE;
        bool done = first_pass || full ? refresh_all(kcenter, first_pass ? CENTERS_FIRST : CENTERS_MAX)
                                       : refresh_top(kcenter, batch, accept, context);
        if (!done)
            return KERNEL_STOPPED;
        /* A full pass says nothing of how many points were needed: the next choice tries with few again. */
        kcenter->batch_wanted += full || first_pass ? 0 : kcenter->batch_count;
        batch = batch <= heap->count ? 2 * batch : batch;
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
            heap_remove(&kcenter->heap, *index);
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
        kernel_heap_push(&kcenter->heap, kcenter->aside[--aside]);
    if (status == KERNEL_OK)
        *distance2 = kcenter->frontier.bound[*index];
    return status;
}

enum kernel_status kernel_kcenter_take(struct kernel_kcenter *kcenter, uint32_t index)
{
    kcenter->taken[index] = 1;
    return kernel_kcenter_add(kcenter, kcenter->frontier.slots[index]);
}
