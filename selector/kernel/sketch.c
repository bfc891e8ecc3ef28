#include "selector/kernel/sketch.h"

#include "selector/kernel/arrange.h"
#include "selector/kernel/directions.h"
#include "selector/kernel/gemm.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TILE = KERNEL_SKETCH_TILE,
    WIDTH_STORED = 128, /* narrower rows are stored: their blocks are not worth reading for every tile */
    WIDTH_MIN = 96,     /* of rows worth directions */
    SAMPLE = 2048,      /* rows that directions are found from; fewer are not worth it */
    DIRECTIONS_MAX = 192,
    ROUNDS = 6,
};

/* Share of the variance outside the directions: neighbours take closer bounds than pairs, whose radius is given. */
static const double rest_wanted[] = {[KERNEL_SKETCH_NEIGHBORS] = 0.10, [KERNEL_SKETCH_PAIRS] = 0.20};
static const double rest_most = 0.25; /* more, and they bound too little */

struct sketching {
    struct kernel_sketch *sketch;
    const struct kernel_directions *directions;
    const float *turned; /* [rows->width x directions->count] the directions as columns */
    float *scratch;      /* for each worker: rows, and rows again from their coordinates */
    float *longest;      /* [tiles] greatest length of a row less the origin */
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
    kernel_gemm_nt(count, d, directions->count, out, width, sketching->turned, directions->count, again, d);
    for (size_t i = 0; i < count; i++) {
        float *point = out + i * width;
        point[width - 2] = sqrtf(kernel_distance2(rows + i * d, again + i * d, d));
        point[width - 1] = kernel_norm2(point, width - 1);
    }
}

/*
 * Coordinates: with P the directions as rows, P = S Q where Q is orthonormal and |S - 1| <= error. Against the exact Q x, P x
 * is off by error |x|, and by its rounding, kernel_rounding(d) |x| in each coordinate. The rest x - P^T P x is off by twice
 * that and by the rounding of the second product. The origin is taken off within 2^-24 |x|. Two rows have two errors.
 */
static void set_slack(struct kernel_sketch *sketch, const struct kernel_directions *directions, double longest)
{
    size_t d = sketch->rows->width;
    double side = sqrt((double)directions->count);
    double product = side * (kernel_rounding(d) + kernel_rounding(directions->count));
    double error = 4 * (product + directions->error) + 2 * kernel_rounding(d);
    if (directions->count == 0)
        error = 0x1p-23;
    sketch->slack = 2.1 * error * longest;
    sketch->slack2 = 8 * kernel_rounding(sketch->width + d) * longest * longest;
}

static enum kernel_status fill(
    struct kernel_sketch *sketch, struct kernel_team *team, const struct kernel_directions *directions)
{
    size_t tiles = (sketch->count + TILE - 1) / TILE;
    size_t d = sketch->rows->width;
    float *scratch = malloc(kernel_team_size(team) * 2 * TILE * d * sizeof *scratch);
    float *longest = calloc(tiles + 1, sizeof *longest);
    float *turned = malloc((d * directions->count + 1) * sizeof *turned);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (scratch != NULL && longest != NULL && turned != NULL) {
        struct sketching sketching = {sketch, directions, turned, scratch, longest};
        kernel_transpose(directions->values, directions->count, d, turned);
        status = kernel_team_run(team, tiles, sketch_tile, &sketching) ? KERNEL_OK : KERNEL_STOPPED;
    }
    double most = 0;
    for (size_t tile = 0; status == KERNEL_OK && tile < tiles; tile++)
        most = fmax(most, (double)longest[tile]);
    set_slack(sketch, directions, most);
    free(scratch);
    free(longest);
    free(turned);
    return status;
}

/* --- the order ---------------------------------------------------------------------------------------------------------- */

struct ordering {
    struct kernel_sketch *sketch;
    const uint32_t *slots; /* the caller's */
    float *values;         /* [count x width] in the new order; NULL: sketches are not stored */
    float *scratch;        /* [workers x TILE x width] */
};

/* Puts the rows of one tile in their places, and finds their mean. */
static void order_tile(void *context, size_t tile, unsigned worker)
{
    const struct ordering *ordering = context;
    struct kernel_sketch *sketch = ordering->sketch;
    size_t width = sketch->width;
    size_t from = tile * TILE;
    size_t count = tile_count(sketch, tile);
    float *points = ordering->values != NULL ? ordering->values + from * width : ordering->scratch + worker * TILE * width;
    for (size_t i = 0; i < count; i++) {
        uint32_t place = sketch->places[from + i];
        sketch->slots[from + i] = ordering->slots[place];
        if (ordering->values != NULL)
            memcpy(points + i * width, sketch->values + place * width, width * sizeof *points);
    }
    if (ordering->values == NULL)
        kernel_sketch_tile(sketch, from, count, points);
    float *center = sketch->centers + tile * (width - 1);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j + 1 < width; j++)
            center[j] += points[i * width + j] / (float)count;
    }
}

/* Puts rows and sketches in an order of nearness, by the sketches, or by the rows where these are not stored. */
static enum kernel_status order(struct kernel_sketch *sketch, struct kernel_team *team, const uint32_t *slots, uint64_t seed)
{
    size_t width = sketch->width;
    size_t tiles = (sketch->count + TILE - 1) / TILE;
    const void *blocks[1] = {sketch->values};
    struct kernel_rows stored = {
        sketch->count, width - 1, width * sizeof *sketch->values, KERNEL_F32, sketch->count + 1, blocks, NULL};
    bool store = sketch->values != NULL;
    enum kernel_status status = kernel_arrange(
        team, store ? &stored : sketch->rows, store ? sketch->places : slots, sketch->count, TILE, seed, sketch->places);
    if (status != KERNEL_OK)
        return status;
    struct ordering ordering = {
        .sketch = sketch,
        .slots = slots,
        .values = store ? malloc((sketch->count + 1) * width * sizeof *ordering.values) : NULL,
        .scratch = malloc(kernel_team_size(team) * TILE * width * sizeof *ordering.scratch),
    };
    sketch->centers = calloc(tiles * width + 1, sizeof *sketch->centers);
    status = KERNEL_NO_MEMORY;
    if ((!store || ordering.values != NULL) && ordering.scratch != NULL && sketch->centers != NULL)
        status = kernel_team_run(team, tiles, order_tile, &ordering) ? KERNEL_OK : KERNEL_STOPPED;
    free(ordering.scratch);
    free(sketch->values);
    sketch->values = ordering.values;
    return status;
}

/* --- all together ------------------------------------------------------------------------------------------------------- */

/* The directions worth it; none where even the most leave much. */
static enum kernel_status find_directions(
    struct kernel_sketch *sketch, struct kernel_team *team, enum kernel_sketch_use use, struct kernel_directions *directions)
{
    size_t most = sketch->rows->width / 2 < DIRECTIONS_MAX ? sketch->rows->width / 2 : DIRECTIONS_MAX;
    bool worth = sketch->count >= SAMPLE && sketch->rows->width >= WIDTH_MIN;
    struct kernel_directions_wish wish = {SAMPLE, worth ? most : 0, ROUNDS, rest_wanted[use]};
    enum kernel_status status =
        kernel_directions_init(directions, team, sketch->rows, sketch->slots, sketch->count, &wish, sketch->origin);
    if (directions->rest > rest_most)
        directions->count = 0;
    return status;
}

static enum kernel_status make(
    struct kernel_sketch *sketch, struct kernel_team *team, enum kernel_sketch_use use, struct kernel_directions *directions)
{
    enum kernel_status status = find_directions(sketch, team, use, directions);
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
    const uint32_t *slots, size_t count, enum kernel_sketch_use use, uint64_t seed)
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
    enum kernel_status status = make(sketch, team, use, &directions);
    kernel_directions_deinit(&directions);
    return status == KERNEL_OK ? order(sketch, team, slots, seed) : status;
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

float kernel_sketch_cut(const struct kernel_sketch *sketch, float norm2, double distance2)
{
    size_t d = sketch->rows->width;
    /* What kernel_distance2 rounds, and what it underflows. */
    double distance = sqrt(distance2 * (1 + 4 * kernel_rounding(d)) + kernel_underflow(d)) + sketch->slack;
    double cut = distance * distance - (double)norm2 + sketch->slack2;
    return (float)(cut + fabs(cut) * 0x1p-22);
}
