#include "selector/kernel/linkage.h"

#include "selector/kernel/directions.h"
#include "selector/kernel/distance.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

/* Tile sizes are part of the result's bits: they never depend on the number of threads. */
enum { TILE = 128, PART = 512, ORIGIN_SAMPLE = 4096 };

/* Squared distances below this share of the rows' squared lengths have lost digits: they are measured by the differences. */
static const float near_share = 1e-3F;

/* A cluster is named by its first row. */
struct merge {
    uint32_t low; /* what both are from now on */
    uint32_t high;
};

struct linkage {
    struct kernel_team *team;
    const struct kernel_rows *rows;
    const uint32_t *slots;
    size_t count;
    float *origin;    /* [rows->width] */
    float *distances; /* [count (count - 1) / 2] of each two clusters, at place() */
    uint32_t *active; /* [active_count] clusters that there are, rising */
    size_t active_count;
    uint32_t *size;  /* [count] rows of a cluster */
    uint32_t *chain; /* [chain_count] clusters, each but the first the nearest to the one before it */
    size_t chain_count;
    struct merge *merges; /* [merge_count] in the order in which they were found */
    double *heights;      /* [merge_count] less the distance */
    size_t merge_count;
    float *scratch; /* for each worker: the rows of a tile and of a part, their squared lengths, distances */
    size_t scratch_size;
};

/* Where the distance of clusters i < j is. */
static size_t place(const struct linkage *linkage, size_t i, size_t j)
{
    return i * (2 * linkage->count - i - 1) / 2 + j - i - 1;
}

/* --- distances ---------------------------------------------------------------------------------------------------------- */

static size_t load(const struct linkage *linkage, size_t from, size_t most, float *rows, float *norm2)
{
    size_t width = linkage->rows->width;
    size_t count = linkage->count - from < most ? linkage->count - from : most;
    kernel_gather(linkage->rows, linkage->slots + from, count, linkage->origin, rows);
    for (size_t i = 0; i < count; i++)
        norm2[i] = kernel_norm2(rows + i * width, width);
    return count;
}

/* Distances of the rows of one tile to all that come after them. */
static void measure_tile(void *context, size_t tile, unsigned worker)
{
    const struct linkage *linkage = context;
    size_t width = linkage->rows->width;
    size_t first = tile * TILE;
    float *rows = linkage->scratch + worker * linkage->scratch_size;
    float *others = rows + TILE * width;
    float *norm2 = others + PART * width;
    float *others_norm2 = norm2 + TILE;
    float *found = others_norm2 + PART;
    size_t count = load(linkage, first, TILE, rows, norm2);
    for (size_t from = first; from < linkage->count && !kernel_team_poll(linkage->team, worker); from += PART) {
        struct kernel_points part = {others, others_norm2, load(linkage, from, PART, others, others_norm2), width};
        kernel_distances(rows, norm2, count, &part, found);
        for (size_t i = 0; i < count; i++) {
            size_t j = first + i < from ? 0 : first + i + 1 - from;
            float *to = linkage->distances + place(linkage, first + i, from + j);
            for (; j < part.count; j++) {
                float distance2 = found[i * part.count + j];
                if (distance2 < near_share * (norm2[i] + others_norm2[j]))
                    distance2 = kernel_distance2(rows + i * width, others + j * width, width);
                *to++ = sqrtf(distance2);
            }
        }
    }
}

static enum kernel_status measure(struct linkage *linkage)
{
    struct kernel_directions none;
    struct kernel_directions_wish wish = {.sample = ORIGIN_SAMPLE, .rounds = 1};
    enum kernel_status status =
        kernel_directions_init(&none, linkage->team, linkage->rows, linkage->slots, linkage->count, &wish, linkage->origin);
    kernel_directions_deinit(&none);
    if (status != KERNEL_OK)
        return status;
    bool all = kernel_team_run(linkage->team, (linkage->count + TILE - 1) / TILE, measure_tile, linkage);
    return all ? KERNEL_OK : KERNEL_STOPPED;
}

/* --- the chain ---------------------------------------------------------------------------------------------------------- */

/* The cluster nearest to `to`: of equals `first`, then the lowest. Output: their distance. */
static uint32_t nearest(const struct linkage *linkage, uint32_t to, uint32_t first, float *distance)
{
    const float *distances = linkage->distances;
    uint32_t best = first;
    float least = distances[best < to ? place(linkage, best, to) : place(linkage, to, best)];
    size_t a = 0;
    for (; linkage->active[a] < to; a++) {
        float other = distances[place(linkage, linkage->active[a], to)];
        best = other < least ? linkage->active[a] : best;
        least = other < least ? other : least;
    }
    for (a++; a < linkage->active_count; a++) {
        float other = distances[place(linkage, to, linkage->active[a])];
        best = other < least ? linkage->active[a] : best;
        least = other < least ? other : least;
    }
    *distance = least;
    return best;
}

/*
 * Distances to a cluster of two are the means of those to either, by their sizes (Lance and Williams). Rounded from doubles, a
 * mean is never below the lesser of the two: so what is left of the chain stays one.
 */
static void join(struct linkage *linkage, uint32_t low, uint32_t high)
{
    double low_size = linkage->size[low];
    double high_size = linkage->size[high];
    size_t kept = 0;
    for (size_t a = 0; a < linkage->active_count; a++) {
        uint32_t other = linkage->active[a];
        if (other == high)
            continue;
        linkage->active[kept++] = other;
        if (other == low)
            continue;
        float *at = &linkage->distances[other < low ? place(linkage, other, low) : place(linkage, low, other)];
        float from_high = linkage->distances[other < high ? place(linkage, other, high) : place(linkage, high, other)];
        *at = (float)((low_size * (double)*at + high_size * (double)from_high) / (low_size + high_size));
    }
    linkage->active_count = kept;
    linkage->size[low] += linkage->size[high];
}

/* Puts the nearest cluster to the chain's end there; where that is the one before it, the two become one. */
static void follow(struct linkage *linkage)
{
    if (linkage->chain_count == 0)
        linkage->chain[linkage->chain_count++] = linkage->active[0];
    uint32_t last = linkage->chain[linkage->chain_count - 1];
    uint32_t before = linkage->chain_count > 1 ? linkage->chain[linkage->chain_count - 2] : UINT32_MAX;
    uint32_t lowest = linkage->active[linkage->active[0] == last ? 1 : 0];
    float distance;
    uint32_t next = nearest(linkage, last, before != UINT32_MAX ? before : lowest, &distance);
    if (next != before) {
        linkage->chain[linkage->chain_count++] = next;
        return;
    }
    struct merge merge = last < before ? (struct merge){last, before} : (struct merge){before, last};
    join(linkage, merge.low, merge.high);
    linkage->chain_count -= 2;
    linkage->heights[linkage->merge_count] = -(double)distance;
    linkage->merges[linkage->merge_count++] = merge;
}

/* Makes the lowest merges until `clusters` are left, and numbers these. False without memory. */
static bool cut(const struct linkage *linkage, size_t clusters, uint32_t *cluster)
{
    uint32_t *order = malloc((linkage->count + 1) * sizeof *order);
    bool ok = order != NULL && kernel_sort_falling(linkage->heights, linkage->merge_count, order);
    for (uint32_t i = 0; ok && i < linkage->count; i++)
        cluster[i] = i;
    for (size_t m = 0; ok && m < linkage->count - clusters; m++)
        cluster[linkage->merges[order[m]].high] = linkage->merges[order[m]].low;
    uint32_t numbers = 0;
    for (uint32_t i = 0; ok && i < linkage->count; i++)
        cluster[i] = cluster[i] == i ? numbers++ : cluster[cluster[i]];
    free(order);
    return ok;
}

static enum kernel_status run(struct linkage *linkage, size_t clusters, uint32_t *cluster, atomic_size_t *done)
{
    enum kernel_status status = measure(linkage);
    if (status != KERNEL_OK)
        return status;
    for (uint32_t i = 0; i < linkage->count; i++) {
        linkage->active[i] = i;
        linkage->size[i] = 1;
    }
    linkage->active_count = linkage->count;
    while (linkage->active_count > 1) {
        if (kernel_team_stopped(linkage->team))
            return KERNEL_STOPPED;
        follow(linkage);
        if (done != NULL)
            atomic_store(done, linkage->merge_count);
    }
    return cut(linkage, clusters, cluster) ? KERNEL_OK : KERNEL_NO_MEMORY;
}

enum kernel_status kernel_linkage(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count,
    size_t clusters, uint32_t *cluster, atomic_size_t *done)
{
    size_t width = rows->width;
    size_t scratch_size = (TILE + PART) * (width + 1) + TILE * PART;
    struct linkage linkage = {
        .team = team,
        .rows = rows,
        .slots = slots,
        .count = count,
        .origin = malloc((width + 1) * sizeof *linkage.origin),
        .distances = malloc((count * (count - 1) / 2 + 1) * sizeof *linkage.distances),
        .active = malloc(count * sizeof *linkage.active),
        .size = malloc(count * sizeof *linkage.size),
        .chain = malloc(count * sizeof *linkage.chain),
        .merges = malloc(count * sizeof *linkage.merges),
        .heights = malloc(count * sizeof *linkage.heights),
        .scratch = malloc(kernel_team_size(team) * scratch_size * sizeof *linkage.scratch),
        .scratch_size = scratch_size,
    };
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (linkage.origin != NULL && linkage.distances != NULL && linkage.active != NULL && linkage.size != NULL &&
        linkage.chain != NULL && linkage.merges != NULL && linkage.heights != NULL && linkage.scratch != NULL)
        status = run(&linkage, clusters, cluster, done);
    free(linkage.origin);
    free(linkage.distances);
    free(linkage.active);
    free(linkage.size);
    free(linkage.chain);
    free(linkage.merges);
    free(linkage.heights);
    free(linkage.scratch);
    return status;
}
