#include "selector/kernel/sketch.h"

#include "selector/kernel/directions.h"
#include "selector/kernel/gemm.h"
#include "selector/kernel/kmeans.h"
#include "selector/kernel/split.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH_STORED = 128 }; /* of rows that are not worth reading again */

enum { TILE = KERNEL_SKETCH_TILE, SPLIT_COORDINATES = 32, CLUSTERS_MAX = 8192, CLUSTER_ROUNDS = 6, CLUSTER_BATCH = 64 };

/* Relative error of a sum of products of that many terms by kernel_gemm_nt or kernel_norm2, whatever the order of the sum. */
static double rounding(size_t terms)
{
    return (double)(terms + 8) * 0x1p-24;
}

struct sketching {
    struct kernel_sketch *sketch;
    const struct kernel_directions *directions;
    float *scratch; /* for each worker: rows, and rows again from their coordinates */
    float *longest; /* [tiles] greatest length of a row less the origin */
};

static size_t tile_count(const struct kernel_sketch *sketch, size_t tile)
{
    size_t left = sketch->count - tile * TILE;
    return left < TILE ? left : TILE;
}

static float longest_of(const float *values, size_t count, size_t width)
{
    float longest = 0;
    for (size_t i = 0; i < count; i++) {
        float norm2 = kernel_norm2(values + i * width, width);
        longest = norm2 > longest ? norm2 : longest;
    }
    return sqrtf(longest);
}

static void sketch_itself(const float *row, size_t width, float *point)
{
    memmove(point, row, width * sizeof *point);
    point[width] = 0;
    point[width + 1] = kernel_norm2(point, width);
}

static void sketch_tile(void *context, size_t tile, unsigned worker)
{
    struct sketching *sketching = context;
    struct kernel_sketch *sketch = sketching->sketch;
    const struct kernel_directions *directions = sketching->directions;
    size_t d = sketch->rows->width;
    size_t width = sketch->width;
    size_t count = tile_count(sketch, tile);
    float *rows = sketching->scratch + worker * 2 * TILE * d;
    float *again = rows + TILE * d;
    kernel_gather(sketch->rows, sketch->slots + tile * TILE, count, sketch->origin, rows);
    sketching->longest[tile] = longest_of(rows, count, d);
    if (sketch->values == NULL)
        return;
    float *out = sketch->values + tile * TILE * width;
    if (directions->count == 0) {
        for (size_t i = 0; i < count; i++)
            sketch_itself(rows + i * d, d, out + i * width);
        return;
    }
    kernel_gemm_nt(count, directions->count, d, rows, d, directions->values, d, out, width);
    kernel_gemm_nt(count, d, directions->count, out, width, directions->turned, directions->count, again, d);
    for (size_t i = 0; i < count; i++) {
        float *point = out + i * width;
        point[width - 2] = sqrtf(kernel_distance2(rows + i * d, again + i * d, d));
        point[width - 1] = kernel_norm2(point, width - 1);
    }
}

/*
 * Coordinates: with P the directions as rows, P = S Q where Q is orthonormal and |S - 1| <= error. Against the exact Q x, P x
 * is off by error |x|, and by its rounding, rounding(d) |x| in each coordinate. The rest x - P^T P x is off by twice that and
 * by the rounding of the second product. The origin is taken off within 2^-24 |x|. Two rows have two errors.
 */
static void set_slack(struct kernel_sketch *sketch, const struct kernel_directions *directions, double longest)
{
    size_t d = sketch->rows->width;
    double side = sqrt((double)directions->count);
    double product = side * (rounding(d) + rounding(directions->count));
    double error = 4 * (product + directions->error) + 2 * rounding(d);
    if (directions->count == 0)
        error = 0x1p-23;
    sketch->slack = 2.1 * error * longest;
    sketch->slack2 = 8 * rounding(sketch->width + d) * longest * longest;
}

static enum kernel_status fill(
    struct kernel_sketch *sketch, struct kernel_team *team, const struct kernel_directions *directions)
{
    size_t tiles = (sketch->count + TILE - 1) / TILE;
    struct sketching sketching = {
        .sketch = sketch,
        .directions = directions,
        .scratch = malloc(kernel_team_size(team) * 2 * TILE * sketch->rows->width * sizeof *sketching.scratch),
        .longest = calloc(tiles + 1, sizeof *sketching.longest),
    };
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (sketching.scratch != NULL && sketching.longest != NULL)
        status = kernel_team_run(team, tiles, sketch_tile, &sketching) ? KERNEL_OK : KERNEL_STOPPED;
    double longest = 0;
    for (size_t tile = 0; status == KERNEL_OK && tile < tiles; tile++)
        longest = fmax(longest, (double)sketching.longest[tile]);
    set_slack(sketch, directions, longest);
    free(sketching.scratch);
    free(sketching.longest);
    return status;
}

/* --- the order --------------------------------------------------------------------------------------------------------------
 */

struct ordering {
    struct kernel_kmeans kmeans;
    uint32_t *cluster; /* [count] of each row */
    uint32_t *items;   /* [count] by cluster */
    size_t *first;     /* [clusters + 1] */
    uint32_t *turns;   /* [clusters] the clusters, near ones in turn */
};

/* Clusters the sketches, or the rows where these are not stored. */
static enum kernel_status find_clusters(
    struct ordering *ordering, const struct kernel_sketch *sketch, struct kernel_team *team, uint64_t seed)
{
    const void *blocks[1] = {sketch->values};
    struct kernel_rows points = *sketch->rows;
    if (sketch->values != NULL) {
        points = (struct kernel_rows){.count = sketch->count,
            .width = sketch->width - 1,
            .row_bytes = sketch->width * sizeof(float),
            .dtype = KERNEL_F32,
            .rows_per_block = sketch->count,
            .blocks = blocks};
    }
    const uint32_t *slots = sketch->values != NULL ? sketch->places : sketch->slots;
    size_t clusters = sketch->count / TILE < CLUSTERS_MAX ? sketch->count / TILE : CLUSTERS_MAX;
    struct kernel_kmeans_plan plan = {
        .clusters = clusters, .rounds = CLUSTER_ROUNDS, .batch = CLUSTER_BATCH * clusters, .seed = seed};
    enum kernel_status status = kernel_kmeans_init(&ordering->kmeans, team, &points, slots, sketch->count, &plan);
    if (status == KERNEL_OK)
        status = kernel_kmeans_assign(&ordering->kmeans, team, &points, slots, sketch->count, ordering->cluster);
    return status;
}

/* places[0..count) by cluster, clusters that are near each other one after the other. */
static enum kernel_status list_by_cluster(
    struct ordering *ordering, struct kernel_sketch *sketch, struct kernel_team *team, uint64_t seed)
{
    size_t clusters = sketch->count / TILE;
    ordering->cluster = malloc(sketch->count * sizeof *ordering->cluster);
    ordering->items = malloc(sketch->count * sizeof *ordering->items);
    ordering->first = malloc((clusters + 1) * sizeof *ordering->first);
    ordering->turns = malloc(clusters * sizeof *ordering->turns);
    if (ordering->cluster == NULL || ordering->items == NULL || ordering->first == NULL || ordering->turns == NULL)
        return KERNEL_NO_MEMORY;
    enum kernel_status status = find_clusters(ordering, sketch, team, seed);
    if (status != KERNEL_OK)
        return status;
    const struct kernel_kmeans *kmeans = &ordering->kmeans;
    kernel_kmeans_members(ordering->cluster, sketch->count, kmeans->clusters, ordering->items, ordering->first);
    for (size_t c = 0; c < kmeans->clusters; c++)
        ordering->turns[c] = (uint32_t)c;
    size_t coordinates = kmeans->width < SPLIT_COORDINATES ? kmeans->width : SPLIT_COORDINATES;
    kernel_split(kmeans->centers, kmeans->clusters, coordinates, kmeans->width, 1, ordering->turns);
    size_t listed = 0;
    for (size_t t = 0; t < kmeans->clusters; t++) {
        size_t c = ordering->turns[t];
        size_t size = ordering->first[c + 1] - ordering->first[c];
        memcpy(sketch->places + listed, ordering->items + ordering->first[c], size * sizeof *sketch->places);
        listed += size;
    }
    return KERNEL_OK;
}

static enum kernel_status order(struct kernel_sketch *sketch, struct kernel_team *team, const uint32_t *slots, uint64_t seed)
{
    struct ordering ordering = {0};
    size_t width = sketch->width;
    float *values = sketch->values != NULL ? malloc(sketch->count * width * sizeof *values) : NULL;
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (sketch->values == NULL || values != NULL)
        status = list_by_cluster(&ordering, sketch, team, seed);
    for (size_t i = 0; status == KERNEL_OK && i < sketch->count; i++) {
        sketch->slots[i] = slots[sketch->places[i]];
        if (values != NULL)
            memcpy(values + i * width, sketch->values + sketch->places[i] * width, width * sizeof *values);
    }
    if (status == KERNEL_OK && values != NULL) {
        free(sketch->values);
        sketch->values = values;
        values = NULL;
    }
    free(values);
    kernel_kmeans_deinit(&ordering.kmeans);
    free(ordering.cluster);
    free(ordering.items);
    free(ordering.first);
    free(ordering.turns);
    return status;
}

static enum kernel_status find_centers(struct kernel_sketch *sketch)
{
    size_t width = sketch->width - 1;
    size_t tiles = (sketch->count + TILE - 1) / TILE;
    sketch->centers = calloc(tiles * width + 1, sizeof *sketch->centers);
    float *scratch = malloc(TILE * sketch->width * sizeof *scratch);
    for (size_t t = 0; sketch->centers != NULL && scratch != NULL && t < tiles; t++) {
        size_t count = tile_count(sketch, t);
        const float *points = kernel_sketch_tile(sketch, t * TILE, count, scratch);
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < width; j++)
                sketch->centers[t * width + j] += points[i * sketch->width + j] / (float)count;
        }
    }
    bool ok = sketch->centers != NULL && scratch != NULL;
    free(scratch);
    return ok ? KERNEL_OK : KERNEL_NO_MEMORY;
}

/* --- all together -----------------------------------------------------------------------------------------------------------
 */

static enum kernel_status make(struct kernel_sketch *sketch, struct kernel_team *team, struct kernel_directions *directions)
{
    enum kernel_status status =
        kernel_directions_init(directions, team, sketch->rows, sketch->slots, sketch->count, sketch->origin);
    if (status != KERNEL_OK)
        return status;
    sketch->width = (directions->count > 0 ? directions->count : sketch->rows->width) + 2;
    if (directions->count > 0 || sketch->rows->width <= WIDTH_STORED) {
        sketch->values = malloc((sketch->count + 1) * sketch->width * sizeof *sketch->values);
        if (sketch->values == NULL)
            return KERNEL_NO_MEMORY;
    }
    return fill(sketch, team, directions);
}

enum kernel_status kernel_sketch_init(struct kernel_sketch *sketch, struct kernel_team *team, const struct kernel_rows *rows,
    const uint32_t *slots, size_t count, uint64_t seed)
{
    *sketch = (struct kernel_sketch){
        .rows = rows,
        .slots = malloc((count + 1) * sizeof *sketch->slots),
        .places = malloc((count + 1) * sizeof *sketch->places),
        .count = count,
        .origin = calloc(rows->width + 1, sizeof *sketch->origin),
    };
    if (sketch->slots == NULL || sketch->places == NULL || sketch->origin == NULL)
        return KERNEL_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        sketch->slots[i] = slots[i];
        sketch->places[i] = (uint32_t)i;
    }
    struct kernel_directions directions = {0};
    enum kernel_status status = make(sketch, team, &directions);
    kernel_directions_deinit(&directions);
    if (status == KERNEL_OK && count >= (size_t)2 * TILE)
        status = order(sketch, team, slots, seed);
    return status == KERNEL_OK ? find_centers(sketch) : status;
}

void kernel_sketch_deinit(struct kernel_sketch *sketch)
{
    free(sketch->slots);
    free(sketch->places);
    free(sketch->values);
    free(sketch->origin);
    free(sketch->centers);
    *sketch = (struct kernel_sketch){0};
}

const float *kernel_sketch_tile(const struct kernel_sketch *sketch, size_t from, size_t count, float *scratch)
{
    if (sketch->values != NULL)
        return sketch->values + from * sketch->width;
    size_t d = sketch->rows->width;
    for (size_t i = 0; i < count; i++) {
        float *point = scratch + i * sketch->width;
        kernel_gather(sketch->rows, &sketch->slots[from + i], 1, sketch->origin, point);
        sketch_itself(point, d, point);
    }
    return scratch;
}

void kernel_sketch_query(const float *sketch, size_t width, float *query)
{
    for (size_t j = 0; j + 1 < width; j++)
        query[j] = -2 * sketch[j];
    query[width - 1] = 1;
}
