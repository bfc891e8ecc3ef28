#include "selector/kernel/frontier.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/projection.h"
#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum {
    TILE = 64,           /* points refreshed by one matrix product */
    CENTERS_MAX = 256,   /* centres in one matrix product */
    DIRECT_MAX = 3,      /* so few centres are measured without a product */
    PROJECT_FROM = 64,   /* centres from which on a projection pays for the pass that makes it */
    MEASURED_SHARE = 3,  /* above this share of pairs left to measure, whole rows' products are cheaper */
    PROJECTION_REST = 4, /* refreshes until it is tried again then */
};

/* One point as floats. */
struct view {
    const float *row;
    const float *residual; /* NULL: none */
    double norm2;
    double residual_norm2; /* 1 where there is none */
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
    scratch.residuals = scratch.rows + TILE * frontier->width;
    scratch.products = scratch.residuals + TILE * frontier->classes;
    scratch.residual_products = scratch.products + (size_t)TILE * CENTERS_MAX;
    return scratch;
}

bool kernel_frontier_init(struct kernel_frontier *frontier, struct kernel_team *team, const struct kernel_rows *rows,
    const struct kernel_residual *residual, const uint32_t *slots, size_t count)
{
    *frontier = (struct kernel_frontier){
        .team = team, .rows = rows, .residual = residual, .slots = slots, .count = count, .width = rows->width};
    if (residual != NULL)
        frontier->classes = residual->probabilities->width;
    /* Any order of summing `width` products errs by at most width x 2^-24 of the lengths' product; the rest of this covers the
     * other steps. */
    frontier->slack = ((double)(frontier->width + frontier->classes) + 64) * 0x1p-24;
    frontier->scratch_size =
        TILE * (frontier->width + frontier->classes) + (size_t)TILE * CENTERS_MAX * (residual != NULL ? 2 : 1);
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
    free(frontier->centers);
    free(frontier->residuals);
    free(frontier->norm2);
    free(frontier->residual_norm2);
    kernel_projection_free(&frontier->projection);
    *frontier = (struct kernel_frontier){0};
}

/* --- points and centres as floats --------------------------------------------------------------------------------------- */

/* p - y of `count` samples, one after another. */
static void gather_residuals(const struct kernel_residual *residual, const uint32_t *slots, size_t count, float *to)
{
    size_t classes = residual->probabilities->width;
    kernel_gather(residual->probabilities, slots, count, NULL, to);
    for (size_t i = 0; i < count; i++, to += classes) {
        size_t first = 0;
        if (kernel_row(residual->probabilities, slots[i]) == NULL)
            continue;
        for (size_t c = 0; c < classes; c++) {
            first = to[c] > to[first] ? c : first;
            if (residual->multi_label && to[c] >= 0.5F)
                to[c] -= 1;
        }
        if (!residual->multi_label)
            to[first] -= 1;
    }
}

static struct view view_of(const struct kernel_frontier *frontier, const float *row, const float *residual)
{
    struct view view = {.row = row, .norm2 = (double)kernel_norm2(row, frontier->width), .residual_norm2 = 1};
    if (frontier->residual != NULL) {
        view.residual = residual;
        view.residual_norm2 = (double)kernel_norm2(residual, frontier->classes);
    }
    return view;
}

/* Reads `count` points, which may be those of a tile; view i is then of rows + i x width. */
static void gather(const struct kernel_frontier *frontier, const uint32_t *slots, size_t count, const struct scratch *scratch)
{
    kernel_gather(frontier->rows, slots, count, NULL, scratch->rows);
    if (frontier->residual != NULL)
        gather_residuals(frontier->residual, slots, count, scratch->residuals);
}

/* The row of a point: where it lies, if that can be read as floats, else a copy at `room`. */
static const float *row_of(const struct kernel_frontier *frontier, uint32_t point, float *room)
{
    const void *row = kernel_row(frontier->rows, frontier->slots[point]);
    if (frontier->rows->dtype == KERNEL_F32 && (uintptr_t)row % _Alignof(float) == 0)
        return row;
    kernel_widen(row, frontier->rows->dtype, frontier->width, room);
    return room;
}

/* Room for one centre more. */
static bool make_room(struct kernel_frontier *frontier)
{
    if (frontier->center_count < frontier->center_room)
        return true;
    size_t room = frontier->center_room == 0 ? 64 : 2 * frontier->center_room;
    float *centers = realloc(frontier->centers, room * frontier->width * sizeof *centers);
    if (centers != NULL)
        frontier->centers = centers;
    double *norm2 = realloc(frontier->norm2, room * sizeof *norm2);
    if (norm2 != NULL)
        frontier->norm2 = norm2;
    double *residual_norm2 = realloc(frontier->residual_norm2, room * sizeof *residual_norm2);
    if (residual_norm2 != NULL)
        frontier->residual_norm2 = residual_norm2;
    float *residuals = realloc(frontier->residuals, (room * frontier->classes + 1) * sizeof *residuals);
    if (residuals != NULL)
        frontier->residuals = residuals;
    if (centers == NULL || norm2 == NULL || residual_norm2 == NULL || residuals == NULL)
        return false;
    frontier->center_room = room;
    return true;
}

enum kernel_status kernel_frontier_add(struct kernel_frontier *frontier, uint32_t slot)
{
    if (!make_room(frontier))
        return KERNEL_NO_MEMORY;
    float *center = frontier->centers + frontier->center_count * frontier->width;
    float *residual = frontier->residuals + frontier->center_count * frontier->classes;
    kernel_gather(frontier->rows, &slot, 1, NULL, center);
    if (frontier->residual != NULL)
        gather_residuals(frontier->residual, &slot, 1, residual);
    struct view view = view_of(frontier, center, residual);
    frontier->norm2[frontier->center_count] = view.norm2;
    frontier->residual_norm2[frontier->center_count] = view.residual_norm2;
    if (frontier->projection != NULL && !kernel_projection_add(frontier->projection, center))
        return KERNEL_NO_MEMORY;
    frontier->center_count++;
    return KERNEL_OK;
}

/* --- distances ---------------------------------------------------------------------------------------------------------- */

/*
 * |r x - r' x'|^2 of outer products = (A (X + X') + B (R + R') - A B + (R - R') (X - X')) / 2 with A = |r - r'|^2,
 * B = |x - x'|^2, capitals the squared lengths: 0 where both factors are equal.
 */
static double measure(const struct kernel_frontier *frontier, const struct view *view, size_t center)
{
    double b = (double)kernel_distance2(view->row, frontier->centers + center * frontier->width, frontier->width);
    if (view->residual == NULL)
        return b;
    double a = (double)kernel_distance2(view->residual, frontier->residuals + center * frontier->classes, frontier->classes);
    double x = view->norm2;
    double x2 = frontier->norm2[center];
    double r = view->residual_norm2;
    double r2 = frontier->residual_norm2[center];
    double distance2 = (a * (x + x2) + b * (r + r2) - a * b + (r - r2) * (x - x2)) / 2;
    if (isnan(distance2))
        return INFINITY;
    return distance2 > 0 ? distance2 : 0;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/*
 * Lowers `bound` to the distance to the nearest of `count` centres, by their products with the point. The nearest by product is
 * measured first, so that few others are left that could be nearer. A comparison with NaN (lengths that overflow) counts as
 * "could be".
 */
static double nearest(const struct kernel_frontier *frontier, const struct view *view, size_t first, size_t count,
    const float *products, const float *residual_products, double bound)
{
    double low[CENTERS_MAX];
    size_t best = 0;
    for (size_t j = 0; j < count; j++) {
        double x2 = frontier->norm2[first + j];
        double r2 = frontier->residual_norm2[first + j];
        double product = (double)products[j] * (view->residual != NULL ? (double)residual_products[j] : 1);
        low[j] = view->norm2 * view->residual_norm2 + x2 * r2 -
                 frontier->slack * (view->norm2 + x2) * (view->residual_norm2 + r2) - 2 * product;
        best = low[j] >= low[best] ? best : j;
    }
    if (low[best] >= bound)
        return bound;
    bound = least(measure(frontier, view, first + best), bound);
    for (size_t j = 0; j < count; j++) {
        if (!(low[j] >= bound) && j != best)
            bound = least(measure(frontier, view, first + j), bound);
    }
    return bound;
}

static double nearest_direct(
    const struct kernel_frontier *frontier, const struct view *view, size_t first, size_t count, double bound)
{
    for (size_t j = first; j < first + count; j++)
        bound = least(measure(frontier, view, j), bound);
    return bound;
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
    struct tile tile = {.points = frontier->batch + number * TILE, .first = frontier->center_count};
    size_t left = frontier->batch_count - number * TILE;
    tile.count = left < TILE ? left : TILE;
    for (size_t i = 0; i < tile.count; i++) {
        uint32_t seen = frontier->seen[tile.points[i]];
        tile.first = seen < tile.first ? seen : tile.first;
    }
    size_t unseen = frontier->center_count - tile.first;
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
    size_t width = frontier->width;
    size_t classes = frontier->classes;
    size_t k = end - at;
    if (k > DIRECT_MAX) {
        kernel_gemm_nt(
            tile->count, k, width, scratch->rows, width, frontier->centers + at * width, width, scratch->products, k);
        if (frontier->residual != NULL)
            kernel_gemm_nt(tile->count, k, classes, scratch->residuals, classes, frontier->residuals + at * classes, classes,
                scratch->residual_products, k);
    }
    for (size_t i = 0; i < tile->count; i++) {
        uint32_t point = tile->points[i];
        size_t skip;
        if (!unseen(frontier, point, at, end, &skip))
            continue;
        struct view view = view_of(frontier, scratch->rows + i * width, scratch->residuals + i * classes);
        double *bound = &frontier->bound[point];
        if (k > DIRECT_MAX)
            *bound = nearest(frontier, &view, at + skip, k - skip, scratch->products + i * k + skip,
                scratch->residual_products + i * k + skip, *bound);
        else
            *bound = nearest_direct(frontier, &view, at + skip, k - skip, *bound);
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

/* The numbers of the values that are above the threshold, or NaN. */
KERNEL_INLINE void list_above_body(const float *values, size_t count, float threshold, uint32_t *list, size_t *listed)
{
    size_t found = 0;
    size_t j = 0;
    for (; j + KERNEL_LANES <= count; j += KERNEL_LANES) {
        kernel_f8 v;
        kernel_load8(values + j, &v);
        kernel_i8 above = ~(v <= threshold);
        int64_t any[4];
        memcpy(any, &above, sizeof any);
        if ((any[0] | any[1] | any[2] | any[3]) == 0)
            continue;
        for (uint32_t lane = 0; lane < KERNEL_LANES; lane++) {
            if (!(values[j + lane] <= threshold))
                list[found++] = (uint32_t)j + lane;
        }
    }
    for (; j < count; j++) {
        if (!(values[j] <= threshold))
            list[found++] = (uint32_t)j;
    }
    *listed = found;
}

KERNEL_VARIANTS(list_above, (const float *values, size_t count, float threshold, uint32_t *list, size_t *listed),
    (values, count, threshold, list, listed))

/* As `nearest`, by the products of projected points. `room` is for the point's row. Returns how many were measured. */
static size_t lower_projected(
    struct kernel_frontier *frontier, uint32_t point, size_t first, size_t count, const float *products, float *room)
{
    uint32_t list[CENTERS_MAX];
    size_t listed;
    double *bound = &frontier->bound[point];
    list_above(products, count, kernel_projection_threshold(frontier->projection, point, *bound), list, &listed);
    if (listed == 0)
        return 0;
    uint32_t best = list[0];
    for (size_t i = 1; i < listed; i++)
        best = products[list[i]] > products[best] ? list[i] : best;
    struct view view = {.row = row_of(frontier, point, room)};
    *bound = least(measure(frontier, &view, first + best), *bound);
    float threshold = kernel_projection_threshold(frontier->projection, point, *bound);
    size_t measured = 1;
    for (size_t i = 0; i < listed; i++) {
        if (products[list[i]] <= threshold || list[i] == best)
            continue;
        *bound = least(measure(frontier, &view, first + list[i]), *bound);
        measured++;
    }
    return measured;
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
    if (frontier->projection_tried || frontier->center_count < PROJECT_FROM)
        return true;
    frontier->projection_tried = true;
    if (frontier->residual != NULL || !kernel_projection_pays(frontier->width))
        return true;
    if (kernel_projection_new(frontier->team, frontier->rows, frontier->slots, frontier->count, &frontier->projection) ==
        KERNEL_STOPPED)
        return false;
    for (size_t j = 0; j < frontier->center_count && frontier->projection != NULL; j++) {
        if (!kernel_projection_add(frontier->projection, frontier->centers + j * frontier->width))
            kernel_projection_free(&frontier->projection);
    }
    return true;
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
    if (frontier->residual != NULL)
        gather_residuals(frontier->residual, &frontier->slots[point], 1, scratch.residuals);
    struct view view = view_of(frontier, row_of(frontier, point, scratch.rows), scratch.residuals);
    size_t seen = frontier->seen[point];
    frontier->bound[point] = nearest_direct(frontier, &view, seen, frontier->center_count - seen, frontier->bound[point]);
    frontier->seen[point] = (uint32_t)frontier->center_count;
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
        struct view view = view_of(frontier, scratch.rows + i * frontier->width, scratch.residuals + i * frontier->classes);
        lengths->lengths2[from + i] = view.norm2 * view.residual_norm2;
    }
}

bool kernel_frontier_lengths(struct kernel_frontier *frontier, double *lengths2)
{
    struct lengths lengths = {frontier, lengths2};
    return kernel_team_run(frontier->team, (frontier->count + TILE - 1) / TILE, lengths_tile, &lengths);
}
