#include "selector/kernel/kcenter.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/heap.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TILE = 64,         /* points refreshed by one matrix product */
    CENTERS_MAX = 256, /* centres in one matrix product */
    BATCH_MIN = 32,    /* points refreshed when the top of the heap is stale, doubled while it stays so */
    BATCH_FULL = 1024, /* a batch above this and the next share of all points is a pass over all of them */
    FULL_SHARE = 64,
    IN_HEAP = 2,    /* flag in `taken` */
    DIRECT_MAX = 3, /* so few centres are measured without a product */
    MEAN_TILE = 4096,
    CENTERS_FIRST = 32, /* centres of the first pass, over all points */
};

struct kernel_kcenter {
    struct kernel_team *team;
    const struct kernel_rows *rows;
    const uint32_t *slots;
    size_t count;
    size_t width;
    double *bound;  /* [count] squared distance to the nearest of the first seen[i] centres */
    uint32_t *seen; /* [count] */
    uint8_t *taken; /* [count] */
    struct kernel_heap heap;
    float *centers; /* [center_count x width] */
    float *norm2;   /* [center_count] squared lengths */
    size_t center_count;
    size_t center_room;
    uint32_t *batch; /* [count] points of the running refresh */
    size_t batch_count;
    size_t batch_wanted;  /* points that the last choice took, to begin the next with a share of them */
    size_t centers_limit; /* of the running refresh: centres looked at a point */
    float *scratch;       /* for each worker: rows of a tile, products */
    size_t scratch_size;
    double slack; /* error bound of a distance by matrix product, as a share of both squared lengths */
};

struct kernel_kcenter *kernel_kcenter_new(
    struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count)
{
    struct kernel_kcenter *kcenter = calloc(1, sizeof *kcenter);
    if (kcenter == NULL)
        return NULL;
    kcenter->team = team;
    kcenter->rows = rows;
    kcenter->slots = slots;
    kcenter->count = count;
    kcenter->width = rows->width;
    /* Any order of summing `width` products errs by at most width x 2^-24 of the lengths' product; twice that covers the rest.
     */
    kcenter->slack = ((double)rows->width + 32) * 0x1p-23;
    kcenter->scratch_size = TILE * rows->width + (size_t)TILE * CENTERS_MAX;
    kcenter->bound = malloc((count + 1) * sizeof *kcenter->bound);
    kcenter->seen = calloc(count + 1, sizeof *kcenter->seen);
    kcenter->taken = calloc(count + 1, sizeof *kcenter->taken);
    kcenter->heap.items = malloc((count + 1) * sizeof *kcenter->heap.items);
    kcenter->batch = malloc((count + 1) * sizeof *kcenter->batch);
    kcenter->scratch = malloc(kernel_team_size(team) * kcenter->scratch_size * sizeof *kcenter->scratch);
    kcenter->heap.keys = kcenter->bound;
    if (kcenter->bound == NULL || kcenter->seen == NULL || kcenter->taken == NULL || kcenter->heap.items == NULL ||
        kcenter->batch == NULL || kcenter->scratch == NULL) {
        kernel_kcenter_free(&kcenter);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        kcenter->bound[i] = INFINITY;
    return kcenter;
}

void kernel_kcenter_free(struct kernel_kcenter **pointer)
{
    struct kernel_kcenter *kcenter = *pointer;
    if (kcenter == NULL)
        return;
    free(kcenter->bound);
    free(kcenter->seen);
    free(kcenter->taken);
    free(kcenter->heap.items);
    free(kcenter->batch);
    free(kcenter->scratch);
    free(kcenter->centers);
    free(kcenter->norm2);
    free(kcenter);
    *pointer = NULL;
}

enum kernel_status kernel_kcenter_add(struct kernel_kcenter *kcenter, uint32_t slot)
{
    if (kcenter->center_count == kcenter->center_room) {
        size_t room = kcenter->center_room == 0 ? 64 : 2 * kcenter->center_room;
        float *norm2 = realloc(kcenter->norm2, room * sizeof *norm2);
        if (norm2 == NULL)
            return KERNEL_NO_MEMORY;
        kcenter->norm2 = norm2;
        float *centers = realloc(kcenter->centers, room * kcenter->width * sizeof *centers);
        if (centers == NULL)
            return KERNEL_NO_MEMORY;
        kcenter->centers = centers;
        kcenter->center_room = room;
    }
    float *center = kcenter->centers + kcenter->center_count * kcenter->width;
    kernel_gather(kcenter->rows, &slot, 1, NULL, center);
    kcenter->norm2[kcenter->center_count++] = kernel_norm2(center, kcenter->width);
    return KERNEL_OK;
}

/*
 * Lowers `bound` to the distance to the nearest of `count` centres. The nearest by product is measured first, so that few
 * others are left that could be nearer. A comparison with NaN (lengths that overflow) counts as "could be".
 */
static double nearest(
    const struct kernel_kcenter *kcenter, const float *x, size_t first, size_t count, const float *products, double bound)
{
    const float *norm2 = kcenter->norm2 + first;
    size_t width = kcenter->width;
    double x_norm2 = (double)kernel_norm2(x, width);
    double keep = 1 - kcenter->slack;
    size_t best = 0;
    double best_low = INFINITY;
    for (size_t j = 0; j < count; j++) {
        double low = keep * (x_norm2 + (double)norm2[j]) - 2 * (double)products[j];
        if (!(low >= best_low)) {
            best_low = low;
            best = j;
        }
    }
    if (best_low >= bound)
        return bound;
    const float *centers = kcenter->centers + first * width;
    double distance2 = (double)kernel_distance2(x, centers + best * width, width);
    bound = distance2 < bound ? distance2 : bound;
    for (size_t j = 0; j < count; j++) {
        double low = keep * (x_norm2 + (double)norm2[j]) - 2 * (double)products[j];
        if (low >= bound || j == best)
            continue;
        distance2 = (double)kernel_distance2(x, centers + j * width, width);
        bound = distance2 < bound ? distance2 : bound;
    }
    return bound;
}

static double nearest_direct(const struct kernel_kcenter *kcenter, const float *x, size_t first, size_t count, double bound)
{
    for (size_t j = first; j < first + count; j++) {
        double distance2 = (double)kernel_distance2(x, kcenter->centers + j * kcenter->width, kcenter->width);
        bound = distance2 < bound ? distance2 : bound;
    }
    return bound;
}

/* Brings up to TILE points of the batch up to date, as far as centers_limit goes. */
static void refresh_tile(void *context, size_t tile, unsigned worker)
{
    struct kernel_kcenter *kcenter = context;
    size_t width = kcenter->width;
    size_t from = tile * TILE;
    size_t m = kcenter->batch_count - from < TILE ? kcenter->batch_count - from : TILE;
    float *x = kcenter->scratch + worker * kcenter->scratch_size;
    float *products = x + TILE * width;
    uint32_t slots[TILE] = {0};
    for (size_t i = 0; i < m; i++)
        slots[i] = kcenter->slots[kcenter->batch[from + i]];
    kernel_gather(kcenter->rows, slots, m, NULL, x);

    size_t first = kcenter->center_count;
    for (size_t i = 0; i < m; i++) {
        uint32_t seen = kcenter->seen[kcenter->batch[from + i]];
        first = seen < first ? seen : first;
    }
    size_t end =
        kcenter->center_count - first < kcenter->centers_limit ? kcenter->center_count : first + kcenter->centers_limit;
    size_t k = end - first;
    if (k > DIRECT_MAX)
        kernel_gemm_nt(m, k, width, x, width, kcenter->centers + first * width, width, products, k);
    for (size_t i = 0; i < m; i++) {
        uint32_t point = kcenter->batch[from + i];
        size_t skip = kcenter->seen[point] - first;
        if (skip >= k)
            continue;
        if (k > DIRECT_MAX)
            kcenter->bound[point] =
                nearest(kcenter, x + i * width, first + skip, k - skip, products + i * k + skip, kcenter->bound[point]);
        else
            kcenter->bound[point] = nearest_direct(kcenter, x + i * width, first + skip, k - skip, kcenter->bound[point]);
        kcenter->seen[point] = (uint32_t)end;
    }
}

static bool refresh(struct kernel_kcenter *kcenter, size_t centers_limit)
{
    kcenter->centers_limit = centers_limit;
    return kernel_team_run(kcenter->team, (kcenter->batch_count + TILE - 1) / TILE, refresh_tile, kcenter);
}

/* Orders the batch by rising `seen`, so that a tile's points need the same centres; a counting sort being too much for so few
 * distinct values in so short a list. */
static void batch_sort(struct kernel_kcenter *kcenter)
{
    uint32_t *batch = kcenter->batch;
    for (size_t gap = kcenter->batch_count / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < kcenter->batch_count; i++) {
            uint32_t point = batch[i];
            size_t j = i;
            for (; j >= gap && kcenter->seen[batch[j - gap]] > kcenter->seen[point]; j -= gap)
                batch[j] = batch[j - gap];
            batch[j] = point;
        }
    }
}

/* Refreshes every stale point in the heap, in the order of memory. For the first pass, and where nearly all points are needed.
 */
static bool refresh_all(struct kernel_kcenter *kcenter, size_t centers_limit)
{
    struct kernel_heap *heap = &kcenter->heap;
    kcenter->batch_count = 0;
    for (size_t i = 0; i < heap->count; i++)
        kcenter->taken[heap->items[i]] |= IN_HEAP;
    for (size_t i = 0; i < kcenter->count; i++) {
        if ((kcenter->taken[i] & IN_HEAP) && kcenter->seen[i] < kcenter->center_count)
            kcenter->batch[kcenter->batch_count++] = (uint32_t)i;
        kcenter->taken[i] &= (uint8_t)~IN_HEAP;
    }
    bool done = refresh(kcenter, centers_limit);
    kernel_heap_build(heap);
    return done;
}

void kernel_kcenter_rewind(struct kernel_kcenter *kcenter, kernel_accept_fn *accept, void *context)
{
    kcenter->heap.count = 0;
    for (size_t i = 0; i < kcenter->count; i++) {
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
    float *row = search->rows + worker * kcenter->width;
    double *sum = search->sums + tile * kcenter->width;
    for (size_t i = tile * MEAN_TILE; i < kcenter->count && i < (tile + 1) * MEAN_TILE; i++) {
        kernel_gather(kcenter->rows, &kcenter->slots[i], 1, NULL, row);
        for (size_t j = 0; j < kcenter->width; j++)
            sum[j] += (double)row[j];
    }
}

static void mean_distance_tile(void *context, size_t tile, unsigned worker)
{
    struct mean_search *search = context;
    const struct kernel_kcenter *kcenter = search->kcenter;
    float *row = search->rows + worker * kcenter->width;
    for (size_t i = tile * MEAN_TILE; i < kcenter->count && i < (tile + 1) * MEAN_TILE; i++) {
        kernel_gather(kcenter->rows, &kcenter->slots[i], 1, NULL, row);
        search->distances2[i] = (double)kernel_distance2(row, search->mean, kcenter->width);
    }
}

static enum kernel_status mean_distances(struct mean_search *search, size_t tiles)
{
    struct kernel_kcenter *kcenter = search->kcenter;
    if (!kernel_team_run(kcenter->team, tiles, mean_sum_tile, search))
        return KERNEL_STOPPED;
    for (size_t j = 0; j < kcenter->width; j++) {
        double sum = 0;
        for (size_t tile = 0; tile < tiles; tile++)
            sum += search->sums[tile * kcenter->width + j];
        search->mean[j] = (float)(sum / (double)kcenter->count);
    }
    return kernel_team_run(kcenter->team, tiles, mean_distance_tile, search) ? KERNEL_OK : KERNEL_STOPPED;
}

static enum kernel_status nearest_to_mean(
    struct kernel_kcenter *kcenter, kernel_accept_fn *accept, void *context, uint32_t *index)
{
    size_t tiles = (kcenter->count + MEAN_TILE - 1) / MEAN_TILE;
    struct mean_search search = {
        .kcenter = kcenter,
        .sums = calloc(tiles * kcenter->width + 1, sizeof *search.sums),
        .mean = malloc((kcenter->width + 1) * sizeof *search.mean),
        .rows = malloc(kernel_team_size(kcenter->team) * kcenter->width * sizeof *search.rows),
        .distances2 = malloc((kcenter->count + 1) * sizeof *search.distances2),
    };
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (search.sums == NULL || search.mean == NULL || search.rows == NULL || search.distances2 == NULL)
        goto done;
    status = mean_distances(&search, tiles);
    if (status != KERNEL_OK)
        goto done;
    status = KERNEL_END;
    for (size_t i = 0; i < kcenter->count; i++) {
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
    while (heap->count > 0 && kcenter->batch_count < size && kcenter->seen[heap->items[0]] < kcenter->center_count) {
        uint32_t point = kernel_heap_pop(heap);
        if (accept == NULL || accept(context, point))
            kcenter->batch[kcenter->batch_count++] = point;
    }
    batch_sort(kcenter);
    bool done = refresh(kcenter, CENTERS_MAX);
    for (size_t i = 0; i < kcenter->batch_count; i++)
        kernel_heap_push(heap, kcenter->batch[i]);
    return done;
}

enum kernel_status kernel_kcenter_next(
    struct kernel_kcenter *kcenter, kernel_accept_fn *accept, void *context, uint32_t *index, double *distance2)
{
    struct kernel_heap *heap = &kcenter->heap;
    if (kcenter->center_count == 0) {
        enum kernel_status status = nearest_to_mean(kcenter, accept, context, index);
        *distance2 = INFINITY;
        if (status == KERNEL_OK)
            heap_remove(heap, *index);
        return status;
    }
    size_t batch = kcenter->batch_wanted / 8 > BATCH_MIN ? kcenter->batch_wanted / 8 : BATCH_MIN;
    kcenter->batch_wanted = 0;
    while (heap->count > 0) {
        uint32_t top = heap->items[0];
        if (accept != NULL && !accept(context, top)) {
            kernel_heap_pop(heap);
            continue;
        }
        if (kcenter->seen[top] == kcenter->center_count) {
            *index = kernel_heap_pop(heap);
            *distance2 = kcenter->bound[top];
            return KERNEL_OK;
        }
        bool first_pass = kcenter->seen[top] == 0;
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

enum kernel_status kernel_kcenter_take(struct kernel_kcenter *kcenter, uint32_t index)
{
    kcenter->taken[index] = 1;
    return kernel_kcenter_add(kcenter, kcenter->slots[index]);
}
