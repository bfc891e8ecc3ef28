#include "selector/kernel/distance.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/nearest.h"
#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

/* Tile sizes are part of the result's bits: they never depend on the number of threads. */
enum { POINTS_TILE = 256, SET_TILE = 512 };

KERNEL_INLINE void from_products_body(float *row, float x_norm2, const float *norm2, size_t count)
{
    size_t j = 0;
    kernel_f8 zero = {0};
    for (; j + KERNEL_LANES <= count; j += KERNEL_LANES) {
        kernel_f8 product, norm;
        kernel_load8(row + j, &product);
        kernel_load8(norm2 + j, &norm);
        kernel_f8 d = (norm + x_norm2) - product * 2.0F;
        kernel_max8(&d, &zero, &d);
        kernel_store8(row + j, &d);
    }
    for (; j < count; j++) {
        float d = (norm2[j] + x_norm2) - row[j] * 2.0F;
        row[j] = d > 0 ? d : 0;
    }
}

KERNEL_VARIANTS(from_products, (float *row, float x_norm2, const float *norm2, size_t count), (row, x_norm2, norm2, count))

void kernel_distances(const float *x, const float *x_norm2, size_t m, const struct kernel_points *points, float *out)
{
    kernel_gemm_nt(m, points->count, points->width, x, points->width, points->values, points->width, out, points->count);
    for (size_t i = 0; i < m; i++)
        from_products(out + i * points->count, x_norm2[i], points->norm2, points->count);
}

KERNEL_INLINE void similarities_body(float *values, size_t count, float scale)
{
    float factor = -1.0F / scale;
    kernel_f8 v;
    size_t i = 0;
    for (; i + KERNEL_LANES <= count; i += KERNEL_LANES) {
        kernel_load8(values + i, &v);
        v = v * factor;
        kernel_exp8(&v);
        kernel_store8(values + i, &v);
    }
    if (i < count) {
        float rest[KERNEL_LANES] = {0};
        memcpy(rest, values + i, (count - i) * sizeof *values);
        kernel_load8(rest, &v);
        v = v * factor;
        kernel_exp8(&v);
        kernel_store8(rest, &v);
        memcpy(values + i, rest, (count - i) * sizeof *values);
    }
}

KERNEL_VARIANTS(similarities, (float *values, size_t count, float scale), (values, count, scale))

void kernel_similarities(float *values, size_t count, float scale)
{
    similarities(values, count, scale);
}

/* --- passes over (tile of points) x (every row of a set) ---------------------------------------------------------------- */

enum pass_kind { PASS_NEIGHBOR, PASS_COVER, PASS_DENSITY };

struct pass {
    struct kernel_team *team;
    enum pass_kind kind;
    const struct kernel_points *points;
    const uint32_t *point_slots;
    const struct kernel_subset *set;
    const float *scales; /* one, or of the densities */
    size_t scale_count;
    unsigned k;
    float *out;
    float *scratch; /* for each worker: set rows, their squared lengths, distances */
    size_t scratch_size;
};

static float max_of(const float *values, size_t count, float value)
{
    for (size_t j = 0; j < count; j++)
        value = values[j] > value ? values[j] : value;
    return value;
}

static float sum_of(const float *values, size_t count)
{
    double sum = 0;
    for (size_t j = 0; j < count; j++)
        sum += (double)values[j];
    return (float)sum;
}

/* Joins one row of distances to `m` set rows into point i's result. */
static void pass_join(const struct pass *pass, size_t i, float *row, const uint32_t *set_slots, size_t m, float *smallest)
{
    if (pass->kind == PASS_NEIGHBOR) {
        for (size_t j = 0; j < m; j++) {
            if (pass->point_slots == NULL || set_slots[j] != pass->point_slots[i])
                kernel_smallest_add(smallest, pass->k, row[j]);
        }
        return;
    }
    if (pass->kind == PASS_COVER) {
        kernel_similarities(row, m, pass->scales[0]);
        pass->out[i] = max_of(row, m, pass->out[i]);
        return;
    }
    for (size_t s = 0; s < pass->scale_count; s++) {
        float values[SET_TILE];
        memcpy(values, row, m * sizeof *values);
        kernel_similarities(values, m, pass->scales[s]);
        pass->out[s * pass->points->count + i] += sum_of(values, m);
    }
}

static void pass_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    size_t width = pass->points->width;
    size_t from = tile * POINTS_TILE;
    size_t count = pass->points->count - from < POINTS_TILE ? pass->points->count - from : POINTS_TILE;
    float *rows = pass->scratch + worker * pass->scratch_size;
    float *norm2 = rows + SET_TILE * width;
    float *distances = norm2 + SET_TILE;
    float smallest[POINTS_TILE * KERNEL_NEIGHBORS_MAX]; /* [count x k] */
    for (size_t i = 0; i < count * pass->k; i++)
        smallest[i] = INFINITY;
    for (size_t at = 0; at < pass->set->count && !kernel_team_poll(pass->team, worker); at += SET_TILE) {
        size_t m = pass->set->count - at < SET_TILE ? pass->set->count - at : SET_TILE;
        const uint32_t *slots = pass->set->slots + at;
        kernel_gather(pass->set->rows, slots, m, pass->set->origin, rows);
        for (size_t j = 0; j < m; j++)
            norm2[j] = kernel_norm2(rows + j * width, width);
        struct kernel_points set = {.values = rows, .norm2 = norm2, .count = m, .width = width};
        kernel_distances(pass->points->values + from * width, pass->points->norm2 + from, count, &set, distances);
        for (size_t i = 0; i < count; i++)
            pass_join(pass, from + i, distances + i * m, slots, m, smallest + i * pass->k);
    }
    for (size_t i = 0; pass->kind == PASS_NEIGHBOR && i < count; i++)
        pass->out[from + i] = smallest[(i + 1) * pass->k - 1];
}

static enum kernel_status pass_run(struct kernel_team *team, struct pass *pass)
{
    pass->team = team;
    pass->scratch_size = SET_TILE * (pass->points->width + 1 + POINTS_TILE);
    pass->scratch = calloc(kernel_team_size(team) * pass->scratch_size, sizeof *pass->scratch);
    if (pass->scratch == NULL)
        return KERNEL_NO_MEMORY;
    size_t tiles = (pass->points->count + POINTS_TILE - 1) / POINTS_TILE;
    bool done = kernel_team_run(team, tiles, pass_tile, pass);
    free(pass->scratch);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status kernel_neighbor_distance(struct kernel_team *team, const struct kernel_points *queries,
    const uint32_t *query_slots, const struct kernel_subset *set, unsigned k, float *out)
{
    struct pass pass = {.kind = PASS_NEIGHBOR, .points = queries, .point_slots = query_slots, .set = set, .k = k, .out = out};
    return pass_run(team, &pass);
}

enum kernel_status kernel_cover(
    struct kernel_team *team, const struct kernel_points *points, const struct kernel_subset *set, float scale, float *cover)
{
    struct pass pass = {.kind = PASS_COVER, .points = points, .set = set, .scales = &scale, .out = cover};
    return pass_run(team, &pass);
}

enum kernel_status kernel_density(struct kernel_team *team, const struct kernel_points *points, const struct kernel_subset *set,
    const float *scales, size_t scale_count, float *sums)
{
    memset(sums, 0, scale_count * points->count * sizeof *sums);
    struct pass pass = {
        .kind = PASS_DENSITY, .points = points, .set = set, .scales = scales, .scale_count = scale_count, .out = sums};
    return pass_run(team, &pass);
}
