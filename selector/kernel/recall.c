#include "selector/kernel/recall.h"

#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ranks {
    const struct kernel_sketch *sketch;
    size_t tiles;
    uint32_t *tile_of_slot;  /* [rows->count] */
    uint32_t *tile_of_place; /* [count] */
    double *nearness;        /* [tiles] of a tile to the others */
    uint32_t *order;         /* [tiles] nearest first */
    size_t *found;           /* [tiles] neighbours that lie in the tile of that rank */
};

static bool ranks_init(struct ranks *ranks, const struct kernel_sketch *sketch)
{
    size_t tiles = (sketch->count + KERNEL_SKETCH_TILE - 1) / KERNEL_SKETCH_TILE;
    *ranks = (struct ranks){
        .sketch = sketch,
        .tiles = tiles,
        .tile_of_slot = malloc((sketch->rows->count + 1) * sizeof *ranks->tile_of_slot),
        .tile_of_place = malloc((sketch->count + 1) * sizeof *ranks->tile_of_place),
        .nearness = malloc((tiles + 1) * sizeof *ranks->nearness),
        .order = malloc((tiles + 1) * sizeof *ranks->order),
        .found = calloc(tiles + 1, sizeof *ranks->found),
    };
    if (ranks->tile_of_slot == NULL || ranks->tile_of_place == NULL || ranks->nearness == NULL || ranks->order == NULL ||
        ranks->found == NULL)
        return false;
    for (size_t at = 0; at < sketch->count; at++) {
        ranks->tile_of_slot[sketch->slots[at]] = (uint32_t)(at / KERNEL_SKETCH_TILE);
        ranks->tile_of_place[sketch->places[at]] = (uint32_t)(at / KERNEL_SKETCH_TILE);
    }
    return true;
}

static void ranks_deinit(struct ranks *ranks)
{
    free(ranks->tile_of_slot);
    free(ranks->tile_of_place);
    free(ranks->nearness);
    free(ranks->order);
    free(ranks->found);
}

/* Counts one query's neighbours by the rank of their tiles. */
static bool count_ranks(struct ranks *ranks, size_t own, const uint32_t *neighbors, size_t k)
{
    size_t width = ranks->sketch->width - 1;
    const float *centers = ranks->sketch->centers;
    for (size_t t = 0; t < ranks->tiles; t++)
        ranks->nearness[t] = t == own ? 1 : -(double)kernel_distance2(centers + own * width, centers + t * width, width);
    if (!kernel_sort_falling(ranks->nearness, ranks->tiles, ranks->order))
        return false;
    for (size_t rank = 0; rank < ranks->tiles; rank++) {
        for (size_t j = 0; j < k; j++)
            ranks->found[rank] += neighbors[j] != UINT32_MAX && ranks->tile_of_slot[neighbors[j]] == ranks->order[rank];
    }
    return true;
}

enum kernel_status kernel_recall_visits(const struct kernel_sketch *sketch, const uint32_t *queries, size_t count,
    const struct kernel_neighbors *exact, double wanted, size_t *visits)
{
    struct ranks ranks;
    bool ok = ranks_init(&ranks, sketch);
    for (size_t q = 0; ok && q < count; q++)
        ok = count_ranks(&ranks, ranks.tile_of_place[queries[q]], exact->slots + q * exact->k, exact->k);
    size_t all = 0;
    for (size_t rank = 0; ok && rank < ranks.tiles; rank++)
        all += ranks.found[rank];
    size_t found = 0;
    *visits = 0;
    while (ok && *visits < ranks.tiles && (*visits == 0 || (double)found < wanted * (double)all))
        found += ranks.found[(*visits)++];
    ranks_deinit(&ranks);
    return ok ? KERNEL_OK : KERNEL_NO_MEMORY;
}

double kernel_recall_share(const uint32_t *queries, size_t count, const struct kernel_neighbors *exact, const float *distances2)
{
    size_t near = 0, all = 0;
    for (size_t q = 0; q < count; q++) {
        const float *truth = exact->distances2 + q * exact->k;
        const float *found = distances2 + queries[q] * exact->k;
        size_t last = exact->k;
        while (last > 0 && exact->slots[q * exact->k + last - 1] == UINT32_MAX)
            last--;
        all += last;
        for (size_t j = 0; j < last; j++)
            near += found[j] <= truth[last - 1];
    }
    return all > 0 ? (double)near / (double)all : 1;
}
