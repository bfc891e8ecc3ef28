#include "selector/kernel/frontier.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/hits.h"
#include "selector/kernel/projection.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TILE = 64,           /* points refreshed by one matrix product */
    CENTERS_MAX = 256,   /* centres in one matrix product */
    DIRECT_MAX = 3,      /* so few centres are measured without a product */
    PROJECT_FROM = 64,   /* centres from which on a projection pays for the pass that makes it */
    MEASURED_SHARE = 3,  /* above this share of pairs left to measure, whole rows' products are cheaper */
    PROJECTION_REST = 4, /* refreshes until it is tried again then */
    POLL_EVERY = 1024,   /* centres */
};

/* What a worker computes in. */
struct scratch {
    float *rows;              /* [TILE x width] */
    float *residuals;         /* [TILE x classes] */
    float *products;          /* [TILE x CENTERS_MAX] */
    float *residual_products; /* [TILE x CENTERS_MAX], none without a residual */
};

static struct scratch scratch_of(const struct kernel_frontier *frontier, unsigned worker)
{
    struct scratch scratch = {.rows = frontier->scratch + worker * frontier->scratch_size};
    scratch.residuals = scratch.rows + TILE * frontier->centers.width;
    scratch.products = scratch.residuals + TILE * frontier->centers.classes;
    scratch.residual_products = scratch.products + (size_t)TILE * CENTERS_MAX;
    return scratch;
}

bool kernel_frontier_init(struct kernel_frontier *frontier, struct kernel_team *team, const struct kernel_rows *rows,
    const struct kernel_residual *residual, const uint32_t *slots, size_t count)
{
    *frontier = (struct kernel_frontier){.team = team, .slots = slots, .count = count};
    kernel_centers_init(&frontier->centers, rows, NULL, residual);
    size_t floats = frontier->centers.width + frontier->centers.classes;
    frontier->scratch_size = TILE * floats + (size_t)TILE * CENTERS_MAX * (residual != NULL ? 2 : 1);
    frontier->bound = malloc((count + 1) * sizeof *frontier->bound);
    frontier->seen = calloc(count + 1, sizeof *frontier->seen);
    frontier->scratch = malloc(kernel_team_size(team) * frontier->scratch_size * sizeof *frontier->scratch);
    frontier->measured = calloc(kernel_team_size(team), 2 * sizeof *frontier->measured);
    if (frontier->bound == NULL || frontier->seen == NULL || frontier->scratch == NULL || frontier->measured == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        frontier->bound[i] = INFINITY;
    return true;
}

void kernel_frontier_deinit(struct kernel_frontier *frontier)
{
    free(frontier->bound);
    free(frontier->seen);
    free(frontier->scratch);
    free(frontier->measured);
    kernel_centers_deinit(&frontier->centers);
    kernel_projection_free(&frontier->projection);
    *frontier = (struct kernel_frontier){0};
}

/* --- points and centres as floats --------------------------------------------------------------------------------------- */

/* Reads up to TILE points, one after another. */
static void gather(const struct kernel_frontier *frontier, const uint32_t *slots, size_t count, const struct scratch *scratch)
{
    kernel_gather(frontier->centers.rows, slots, count, NULL, scratch->rows);
    if (frontier->centers.residual != NULL)
        kernel_residuals_gather(frontier->centers.residual, slots, count, scratch->residuals);
}

/* The row of a point: where it lies, if that can be read as floats, else a copy at `room`. */
static const float *row_of(const struct kernel_frontier *frontier, uint32_t point, float *room)
{
    return kernel_row_floats(frontier->centers.rows, frontier->slots[point], room);
}

enum kernel_status kernel_frontier_add(struct kernel_frontier *frontier, uint32_t slot)
{
    struct kernel_centers *centers = &frontier->centers;
    if (!kernel_centers_add(centers, slot))
        return KERNEL_NO_MEMORY;
    if (frontier->projection != NULL)
        return kernel_projection_add(frontier->projection, centers->values + (centers->count - 1) * centers->width, 1);
    return centers->count % POLL_EVERY == 0 && kernel_team_stopped(frontier->team) ? KERNEL_STOPPED : KERNEL_OK;
}

/* --- distances ---------------------------------------------------------------------------------------------------------- */

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double nearest_direct(
    const struct kernel_frontier *frontier, const struct kernel_point *view, size_t first, size_t count, double bound)
{
    for (size_t j = first; j < first + count; j++)
        bound = least(kernel_centers_distance2(&frontier->centers, view, j), bound);
    return bound;
}

/*
 * Of the centres list[0..listed), counted from `first`, measures the one with the least bound, and puts it at the front: then
 * few others are left that could be nearer.
 */
static void measure_best(struct kernel_frontier *frontier, uint32_t point, const struct kernel_point *view, size_t first,
    const float *bounds, uint32_t *list, size_t listed)
{
    for (size_t i = 1; i < listed; i++) {
        if (bounds[list[i]] < bounds[list[0]]) {
            uint32_t best = list[i];
            list[i] = list[0];
            list[0] = best;
        }
    }
    frontier->bound[point] = least(kernel_centers_distance2(&frontier->centers, view, first + list[0]), frontier->bound[point]);
}

/* Measures those of the others whose bound is not above the cut. Returns how many. */
static size_t measure_others(struct kernel_frontier *frontier, uint32_t point, const struct kernel_point *view, size_t first,
    const float *bounds, const uint32_t *list, size_t listed, float cut)
{
    size_t measured = 0;
    for (size_t i = 1; i < listed; i++) {
        if (bounds[list[i]] > cut)
            continue;
        frontier->bound[point] =
            least(kernel_centers_distance2(&frontier->centers, view, first + list[i]), frontier->bound[point]);
        measured++;
    }
    return measured;
}

/* Lowers a point's distance to that of the nearest of `count` centres from number `first` on, by its products with them, which
 * are used up. */
static void lower_whole(struct kernel_frontier *frontier, uint32_t point, const struct kernel_point *view, size_t first,
    size_t count, float *products, const float *residual_products)
{
    const struct kernel_centers *centers = &frontier->centers;
    uint32_t list[CENTERS_MAX];
    kernel_centers_bound(centers, view, first, count, products, residual_products);
    size_t listed = kernel_hits(products, count, kernel_centers_cut(centers, view, frontier->bound[point]), list);
    if (listed == 0)
        return;
    measure_best(frontier, point, view, first, products, list, listed);
    measure_others(
        frontier, point, view, first, products, list, listed, kernel_centers_cut(centers, view, frontier->bound[point]));
}

/* --- refreshes ---------------------------------------------------------------------------------------------------------- */

/* The points of one tile, and the centres first..end-1 that they are compared with. */
struct tile {
    const uint32_t *points;
    size_t count;
    size_t first;
    size_t end;
};

static struct tile tile_of(const struct kernel_frontier *frontier, size_t number)
{
    struct tile tile = {.points = frontier->batch + number * TILE, .first = frontier->centers.count};
    size_t left = frontier->batch_count - number * TILE;
    tile.count = left < TILE ? left : TILE;
    for (size_t i = 0; i < tile.count; i++) {
        uint32_t seen = frontier->seen[tile.points[i]];
        tile.first = seen < tile.first ? seen : tile.first;
    }
    size_t unseen = frontier->centers.count - tile.first;
    tile.end = tile.first + (unseen < frontier->centers_limit ? unseen : frontier->centers_limit);
    return tile;
}

/* Which of the centres at..end-1 a point has yet to see: from *skip on. False: none. */
static bool unseen(const struct kernel_frontier *frontier, uint32_t point, size_t at, size_t end, size_t *skip)
{
    size_t seen = frontier->seen[point];
    *skip = seen > at ? seen - at : 0;
    return seen < end;
}

static void refresh_block(
    struct kernel_frontier *frontier, const struct tile *tile, const struct scratch *scratch, size_t at, size_t end)
{
    size_t width = frontier->centers.width;
    size_t classes = frontier->centers.classes;
    size_t k = end - at;
    if (k > DIRECT_MAX) {
        kernel_gemm_nt(
            tile->count, k, width, scratch->rows, width, frontier->centers.values + at * width, width, scratch->products, k);
        if (frontier->centers.residual != NULL)
            kernel_gemm_nt(tile->count, k, classes, scratch->residuals, classes, frontier->centers.residuals + at * classes,
                classes, scratch->residual_products, k);
    }
    for (size_t i = 0; i < tile->count; i++) {
        uint32_t point = tile->points[i];
        size_t skip;
        if (!unseen(frontier, point, at, end, &skip))
            continue;
        struct kernel_point view =
            kernel_point_of(&frontier->centers, scratch->rows + i * width, scratch->residuals + i * classes);
        if (k > DIRECT_MAX)
            lower_whole(frontier, point, &view, at + skip, k - skip, scratch->products + i * k + skip,
                frontier->centers.residual != NULL ? scratch->residual_products + i * k + skip : NULL);
        else
            frontier->bound[point] = nearest_direct(frontier, &view, at + skip, k - skip, frontier->bound[point]);
        frontier->seen[point] = (uint32_t)end;
    }
}

static void refresh_tile(void *context, size_t number, unsigned worker)
{
    struct kernel_frontier *frontier = context;
    struct tile tile = tile_of(frontier, number);
    struct scratch scratch = scratch_of(frontier, worker);
    uint32_t slots[TILE] = {0};
    for (size_t i = 0; i < tile.count; i++)
        slots[i] = frontier->slots[tile.points[i]];
    gather(frontier, slots, tile.count, &scratch);
    for (size_t at = tile.first; at < tile.end && !kernel_team_poll(frontier->team, worker); at += CENTERS_MAX)
        refresh_block(frontier, &tile, &scratch, at, tile.end - at < CENTERS_MAX ? tile.end : at + CENTERS_MAX);
}

/* --- refreshes by projection -------------------------------------------------------------------------------------------- */

/* As lower_whole, by the products of projected points. `room` is for the point's row. Returns how many were measured. */
static size_t lower_projected(
    struct kernel_frontier *frontier, uint32_t point, size_t first, size_t count, const float *products, float *room)
{
    uint32_t list[CENTERS_MAX];
    float cut = kernel_projection_cut(frontier->projection, point, frontier->bound[point]);
    size_t listed = kernel_hits(products, count, cut, list);
    if (listed == 0)
        return 0;
    struct kernel_point view = {.row = row_of(frontier, point, room)};
    measure_best(frontier, point, &view, first, products, list, listed);
    cut = kernel_projection_cut(frontier->projection, point, frontier->bound[point]);
    return 1 + measure_others(frontier, point, &view, first, products, list, listed, cut);
}

static void refresh_tile_projected(void *context, size_t number, unsigned worker)
{
    struct kernel_frontier *frontier = context;
    struct tile tile = tile_of(frontier, number);
    struct scratch scratch = scratch_of(frontier, worker);
    size_t width = kernel_projection_width(frontier->projection);
    float *points = scratch.rows;
    float *room = scratch.rows + TILE * width;
    for (size_t i = 0; i < tile.count; i++)
        memcpy(points + i * width, kernel_projection_point(frontier->projection, tile.points[i]), width * sizeof *points);
    for (size_t at = tile.first; at < tile.end && !kernel_team_poll(frontier->team, worker); at += CENTERS_MAX) {
        size_t end = tile.end - at < CENTERS_MAX ? tile.end : at + CENTERS_MAX;
        size_t k = end - at;
        kernel_gemm_nt(tile.count, k, width, points, width, kernel_projection_center(frontier->projection, at), width,
            scratch.products, k);
        for (size_t i = 0; i < tile.count; i++) {
            uint32_t point = tile.points[i];
            size_t skip;
            if (!unseen(frontier, point, at, end, &skip))
                continue;
            frontier->measured[2 * worker] +=
                lower_projected(frontier, point, at + skip, k - skip, scratch.products + i * k + skip, room);
            frontier->measured[2 * worker + 1] += k - skip;
            frontier->seen[point] = (uint32_t)end;
        }
    }
}

/* Makes the projection once there are enough centres. Without memory for it the work is done by whole rows. */
static bool project(struct kernel_frontier *frontier)
{
    if (frontier->projection_tried || frontier->centers.count < PROJECT_FROM)
        return true;
    frontier->projection_tried = true;
    if (frontier->centers.residual != NULL || !kernel_projection_pays(frontier->centers.width))
        return true;
    enum kernel_status status =
        kernel_projection_new(frontier->team, frontier->centers.rows, frontier->slots, frontier->count, &frontier->projection);
    if (frontier->projection != NULL)
        status = kernel_projection_add(frontier->projection, frontier->centers.values, frontier->centers.count);
    if (status != KERNEL_OK)
        kernel_projection_free(&frontier->projection);
    return status != KERNEL_STOPPED;
}

/* Puts the projection aside for a while where it left too many pairs to measure. */
static void judge_projection(struct kernel_frontier *frontier)
{
    size_t measured = 0;
    size_t pairs = 0;
    for (unsigned worker = 0; worker < kernel_team_size(frontier->team); worker++) {
        measured += frontier->measured[2 * worker];
        pairs += frontier->measured[2 * worker + 1];
        frontier->measured[2 * worker] = frontier->measured[2 * worker + 1] = 0;
    }
    if (measured * MEASURED_SHARE > pairs)
        frontier->projection_rest = PROJECTION_REST;
}

bool kernel_frontier_refresh(struct kernel_frontier *frontier, const uint32_t *batch, size_t count, size_t limit)
{
    if (!project(frontier))
        return false;
    frontier->batch = batch;
    frontier->batch_count = count;
    frontier->centers_limit = limit;
    size_t tiles = (count + TILE - 1) / TILE;
    if (frontier->projection != NULL && frontier->projection_rest == 0) {
        bool done = kernel_team_run(frontier->team, tiles, refresh_tile_projected, frontier);
        judge_projection(frontier);
        return done;
    }
    if (frontier->projection_rest > 0)
        frontier->projection_rest--;
    return kernel_team_run(frontier->team, tiles, refresh_tile, frontier);
}

/* Shell's sort: a counting sort is too much for so few distinct values in so short a list. */
void kernel_frontier_sort(const struct kernel_frontier *frontier, uint32_t *batch, size_t count)
{
    for (size_t gap = count / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < count; i++) {
            uint32_t point = batch[i];
            size_t j = i;
            for (; j >= gap && frontier->seen[batch[j - gap]] > frontier->seen[point]; j -= gap)
                batch[j] = batch[j - gap];
            batch[j] = point;
        }
    }
}

void kernel_frontier_measure(struct kernel_frontier *frontier, uint32_t point)
{
    struct scratch scratch = scratch_of(frontier, 0);
    if (frontier->centers.residual != NULL)
        kernel_residuals_gather(frontier->centers.residual, &frontier->slots[point], 1, scratch.residuals);
    struct kernel_point view = kernel_point_of(&frontier->centers, row_of(frontier, point, scratch.rows), scratch.residuals);
    size_t seen = frontier->seen[point];
    frontier->bound[point] = nearest_direct(frontier, &view, seen, frontier->centers.count - seen, frontier->bound[point]);
    frontier->seen[point] = (uint32_t)frontier->centers.count;
}

/* --- lengths ------------------------------------------------------------------------------------------------------------ */

struct lengths {
    const struct kernel_frontier *frontier;
    double *lengths2;
};

static void lengths_tile(void *context, size_t number, unsigned worker)
{
    const struct lengths *lengths = context;
    const struct kernel_frontier *frontier = lengths->frontier;
    struct scratch scratch = scratch_of(frontier, worker);
    size_t from = number * TILE;
    size_t count = frontier->count - from < TILE ? frontier->count - from : TILE;
    gather(frontier, frontier->slots + from, count, &scratch);
    for (size_t i = 0; i < count; i++) {
        struct kernel_point view = kernel_point_of(
            &frontier->centers, scratch.rows + i * frontier->centers.width, scratch.residuals + i * frontier->centers.classes);
        lengths->lengths2[from + i] = view.norm2 * view.residual_norm2;
    }
}

bool kernel_frontier_lengths(struct kernel_frontier *frontier, double *lengths2)
{
    struct lengths lengths = {frontier, lengths2};
    return kernel_team_run(frontier->team, (frontier->count + TILE - 1) / TILE, lengths_tile, &lengths);
}
