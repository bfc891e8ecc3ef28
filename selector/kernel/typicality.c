#include "selector/kernel/typicality.h"

#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum { TILE = 128, PART = 512 };

struct pass {
    struct kernel_team *team;
    const struct kernel_subset *set;
    float *values; /* [point_count x width] what stands for the list */
    float *norm2;  /* [point_count] */
    size_t point_count;
    uint32_t *slots; /* [point_count] */
    unsigned k;
    float *spread;
    float *scratch; /* for each worker: rows of a tile, their squared lengths, distances */
    size_t scratch_size;
};

static float mean_distance(const float *smallest, unsigned k)
{
    double sum = 0;
    unsigned found = 0;
    for (; found < k && isfinite(smallest[found]); found++)
        sum += sqrt((double)smallest[found]);
    return found > 0 ? (float)(sum / found) : 0;
}

static size_t tile_count(size_t tile, size_t count)
{
    return count - tile * TILE < TILE ? count - tile * TILE : TILE;
}

static void load_tile(void *context, size_t tile, unsigned worker)
{
    (void)worker;
    const struct pass *pass = context;
    size_t width = pass->set->rows->width;
    size_t first = tile * TILE;
    size_t count = tile_count(tile, pass->point_count);
    kernel_gather(pass->set->rows, pass->slots + first, count, pass->set->origin, pass->values + first * width);
    for (size_t i = first; i < first + count; i++)
        pass->norm2[i] = kernel_norm2(pass->values + i * width, width);
}

/*
 * Joins distances to the points slots[0..count) to the k smallest of row `slot`. `smallest` rises, has -INFINITY before its
 * first element and room for a multiple of KERNEL_LANES: each element becomes the middle of itself, the one before it and the
 * new value, at once and with no branch that could be guessed wrong.
 */
KERNEL_INLINE void join_body(
    const float *distances, const uint32_t *slots, size_t count, uint32_t slot, size_t k, float *smallest)
{
    for (size_t j = 0; j < count; j++) {
        if (!(distances[j] < smallest[k - 1]) || slots[j] == slot)
            continue;
        const kernel_f8 value = (kernel_f8){0} + distances[j];
        for (size_t end = (k + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES; end > 0; end -= KERNEL_LANES) {
            kernel_f8 own, before;
            kernel_load8(smallest + end - KERNEL_LANES, &own);
            kernel_load8(smallest + end - KERNEL_LANES - 1, &before);
            kernel_max8(&before, &value, &before);
            kernel_min8(&own, &before, &own);
            kernel_store8(smallest + end - KERNEL_LANES, &own);
        }
    }
}

KERNEL_VARIANTS(join, (const float *distances, const uint32_t *slots, size_t count, uint32_t slot, size_t k, float *smallest),
    (distances, slots, count, slot, k, smallest))

static void spread_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    const struct kernel_subset *set = pass->set;
    size_t width = set->rows->width;
    size_t first = tile * TILE;
    size_t count = tile_count(tile, set->count);
    float *distances = pass->scratch + worker * pass->scratch_size;
    float *own = distances + TILE * PART;
    float *own_norm2 = own + TILE * width;
    const float *rows = pass->values + first * width;
    const float *norm2 = pass->norm2 + first;
    float smallest[TILE * (KERNEL_LANES + KERNEL_NEIGHBORS_MAX)]; /* [count x stride] join's, each behind KERNEL_LANES others */
    size_t stride = KERNEL_LANES + (pass->k + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;
    if (pass->point_count < set->count) {
        kernel_gather(set->rows, set->slots + first, count, set->origin, own);
        for (size_t i = 0; i < count; i++)
            own_norm2[i] = kernel_norm2(own + i * width, width);
        rows = own;
        norm2 = own_norm2;
    }
    for (size_t i = 0; i < count * stride; i++)
        smallest[i] = i % stride < KERNEL_LANES ? -INFINITY : INFINITY;
    for (size_t at = 0; at < pass->point_count && !kernel_team_poll(pass->team, worker); at += PART) {
        size_t m = pass->point_count - at < PART ? pass->point_count - at : PART;
        struct kernel_points part = {pass->values + at * width, pass->norm2 + at, m, width};
        kernel_distances(rows, norm2, count, &part, distances);
        for (size_t i = 0; i < count; i++)
            join(distances + i * m, pass->slots + at, m, set->slots[first + i], pass->k, smallest + i * stride + KERNEL_LANES);
    }
    for (size_t i = 0; i < count; i++)
        pass->spread[first + i] = mean_distance(smallest + i * stride + KERNEL_LANES, pass->k);
}

enum kernel_status kernel_spread(struct kernel_team *team, const struct kernel_subset *set, unsigned k, float *spread)
{
    size_t width = set->rows->width;
    size_t want = set->count < TYPICALITY_SET_MAX ? set->count : TYPICALITY_SET_MAX;
    struct pass pass = {
        .team = team,
        .set = set,
        .values = malloc((want * width + 1) * sizeof *pass.values),
        .norm2 = malloc((want + 1) * sizeof *pass.norm2),
        .point_count = want,
        .slots = malloc((want + 1) * sizeof *pass.slots),
        .k = k,
        .spread = spread,
        .scratch_size = TILE * (width + 1 + PART),
    };
    pass.scratch = malloc(kernel_team_size(team) * pass.scratch_size * sizeof *pass.scratch);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (pass.values == NULL || pass.norm2 == NULL || pass.slots == NULL || pass.scratch == NULL)
        goto done;
    for (size_t i = 0; i < want; i++)
        pass.slots[i] = set->slots[i * set->count / want];
    bool finished = kernel_team_run(team, (want + TILE - 1) / TILE, load_tile, &pass) &&
                    kernel_team_run(team, (set->count + TILE - 1) / TILE, spread_tile, &pass);
    status = finished ? KERNEL_OK : KERNEL_STOPPED;
done:
    free(pass.values);
    free(pass.norm2);
    free(pass.slots);
    free(pass.scratch);
    return status;
}
