#include "selector/kernel/typicality.h"

#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum { TILE = 64, PART = 512 };

struct pass {
    struct kernel_team *team;
    const struct kernel_subset *set;
    struct kernel_points points; /* what stands for the list */
    uint32_t *slots;             /* [points.count] */
    unsigned k;
    float *spread;
    float *scratch; /* for each worker: rows of a tile, their squared lengths, distances */
    size_t scratch_size;
};

/* Puts `value` into the k smallest so far, in rising order. */
static void keep_smallest(float *smallest, unsigned k, float value)
{
    unsigned at = k - 1;
    if (!(value < smallest[at]))
        return;
    for (; at > 0 && value < smallest[at - 1]; at--)
        smallest[at] = smallest[at - 1];
    smallest[at] = value;
}

static float mean_distance(const float *smallest, unsigned k)
{
    double sum = 0;
    unsigned found = 0;
    for (; found < k && isfinite(smallest[found]); found++)
        sum += sqrt((double)smallest[found]);
    return found > 0 ? (float)(sum / found) : 0;
}

static void spread_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    const struct kernel_subset *set = pass->set;
    size_t width = pass->points.width;
    size_t first = tile * TILE;
    size_t count = set->count - first < TILE ? set->count - first : TILE;
    float *rows = pass->scratch + worker * pass->scratch_size;
    float *norm2 = rows + TILE * width;
    float *distances = norm2 + TILE;
    float smallest[TILE][KERNEL_NEIGHBORS_MAX];
    kernel_gather(set->rows, set->slots + first, count, set->origin, rows);
    for (size_t i = 0; i < count; i++) {
        norm2[i] = kernel_norm2(rows + i * width, width);
        for (unsigned j = 0; j < pass->k; j++)
            smallest[i][j] = INFINITY;
    }
    for (size_t at = 0; at < pass->points.count && !kernel_team_poll(pass->team, worker); at += PART) {
        size_t m = pass->points.count - at < PART ? pass->points.count - at : PART;
        struct kernel_points part = {pass->points.values + at * width, pass->points.norm2 + at, m, width};
        kernel_distances(rows, norm2, count, &part, distances);
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < m; j++) {
                if (pass->slots[at + j] != set->slots[first + i])
                    keep_smallest(smallest[i], pass->k, distances[i * m + j]);
            }
        }
    }
    for (size_t i = 0; i < count; i++)
        pass->spread[first + i] = mean_distance(smallest[i], pass->k);
}

enum kernel_status kernel_spread(struct kernel_team *team, const struct kernel_subset *set, unsigned k, float *spread)
{
    size_t width = set->rows->width;
    size_t want = set->count < TYPICALITY_SET_MAX ? set->count : TYPICALITY_SET_MAX;
    struct pass pass = {.team = team, .set = set, .k = k, .spread = spread, .scratch_size = TILE * (width + 1 + PART)};
    float *values = malloc((want * width + 1) * sizeof *values);
    float *norm2 = malloc((want + 1) * sizeof *norm2);
    pass.slots = malloc((want + 1) * sizeof *pass.slots);
    pass.scratch = malloc(kernel_team_size(team) * pass.scratch_size * sizeof *pass.scratch);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (values == NULL || norm2 == NULL || pass.slots == NULL || pass.scratch == NULL)
        goto done;
    for (size_t i = 0; i < want; i++)
        pass.slots[i] = set->slots[i * set->count / want];
    kernel_gather(set->rows, pass.slots, want, set->origin, values);
    for (size_t i = 0; i < want; i++)
        norm2[i] = kernel_norm2(values + i * width, width);
    pass.points = (struct kernel_points){values, norm2, want, width};
    status = kernel_team_run(team, (set->count + TILE - 1) / TILE, spread_tile, &pass) ? KERNEL_OK : KERNEL_STOPPED;
done:
    free(values);
    free(norm2);
    free(pass.slots);
    free(pass.scratch);
    return status;
}
