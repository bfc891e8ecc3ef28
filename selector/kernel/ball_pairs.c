#include "selector/kernel/ball_pairs.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = KERNEL_SKETCH_TILE };

struct search {
    const struct kernel_ball_pairs *pairs;
    double radius;
    float *extents; /* [tiles] greatest distance of a sketch of the tile from their mean */
    atomic_bool given_up;
    float *scratch; /* for each worker: see struct tile */
    size_t scratch_size;
};

/* What the products of one row with a tile's sketches say: a pair whose product is above `out` is surely too far. */
struct bounds {
    float out;
    double in;   /* a pair whose greatest distance is below this is surely near enough */
    float norm2; /* squared length of the row's sketch */
    float rest;  /* length of what the sketch's coordinates leave of the row */
};

/* Scratch memory of one worker, and the tile whose rows it compares with others. */
struct tile {
    size_t first; /* row of the sketch */
    size_t count;
    struct bounds bounds[TILE];
    size_t near[TILE]; /* the rows that are not surely too far from the other tile */
    size_t near_count;
    float *turned;   /* [TILE x sketch width] of the tile's rows */
    float *chosen;   /* [TILE x sketch width] of those in `near` */
    float *own;      /* [TILE x sketch width] their sketches */
    float *points;   /* [TILE x sketch width] sketches of the other tile */
    float *products; /* [TILE x TILE] */
    float *x;        /* [row width] */
    float *y;        /* [row width] */
};

static void tile_init(struct tile *tile, const struct search *search, unsigned worker)
{
    const struct kernel_sketch *sketch = search->pairs->sketch;
    size_t size = TILE * sketch->width;
    tile->turned = search->scratch + worker * search->scratch_size;
    tile->chosen = tile->turned + size;
    tile->own = tile->chosen + size;
    tile->points = tile->own + size;
    tile->products = tile->points + size;
    tile->x = tile->products + (size_t)TILE * TILE;
    tile->y = tile->x + sketch->rows->width;
}

static size_t count_from(const struct kernel_sketch *sketch, size_t from)
{
    return sketch->count - from < TILE ? sketch->count - from : TILE;
}

/* Relative error of a distance, twice over. */
static double rounding(size_t terms)
{
    return (double)(terms + 8) * 0x1p-22;
}

static struct bounds bounds_of(const struct search *search, const float *point)
{
    const struct kernel_sketch *sketch = search->pairs->sketch;
    /* What kernel_distance2 rounds, and what it underflows. */
    double share = rounding(sketch->rows->width);
    double farthest = (double)search->pairs->radius2 * (1 + share) + (double)sketch->rows->width * 0x1p-120;
    double distance = sqrt(farthest) + sketch->slack;
    double cut = distance * distance - (double)point[sketch->width - 1] + sketch->slack2;
    return (struct bounds){.out = (float)(cut + fabs(cut) * 0x1p-22),
        .in = search->radius * (1 - share) - sketch->slack,
        .norm2 = point[sketch->width - 1],
        .rest = point[sketch->width - 2]};
}

/* Whether the pair is near enough though the parts that sketches leave of both point away from each other. */
static bool surely_near(const struct kernel_sketch *sketch, const struct bounds *bounds, const float *other, float product)
{
    double least = (double)product + (double)bounds->norm2 + sketch->slack2;
    double most = least + 4 * (double)bounds->rest * (double)other[sketch->width - 2];
    return bounds->in > 0 && most < bounds->in * bounds->in * (1 - 0x1p-20);
}

/* --- tiles that are far from a row --------------------------------------------------------------------------------------- */

static void extent_tile(void *context, size_t number, unsigned worker)
{
    const struct search *search = context;
    const struct kernel_sketch *sketch = search->pairs->sketch;
    struct tile tile;
    tile_init(&tile, search, worker);
    size_t count = count_from(sketch, number * TILE);
    const float *points = kernel_sketch_tile(sketch, number * TILE, count, tile.points);
    const float *center = sketch->centers + number * (sketch->width - 1);
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        float distance2 = kernel_distance2(points + i * sketch->width, center, sketch->width - 1);
        most = distance2 > most ? distance2 : most;
    }
    search->extents[number] = sqrtf(most);
}

/* Whether a point at this squared distance from the centre of a tile is too far from every row of it. */
static bool too_far(const struct search *search, double distance2, double extents)
{
    const struct kernel_sketch *sketch = search->pairs->sketch;
    double share = rounding(sketch->rows->width + sketch->width);
    double least = sqrt(distance2) * (1 - share) - extents * (1 + share) - sketch->slack;
    return least > search->radius * (1 + share) + 0x1p-60;
}

/* Lists the rows of `tile` that may have something near in tile `other`. */
static void choose_rows(const struct search *search, struct tile *tile, size_t other)
{
    const struct kernel_sketch *sketch = search->pairs->sketch;
    size_t width = sketch->width;
    size_t number = tile->first / TILE;
    const float *center = sketch->centers + other * (width - 1);
    tile->near_count = 0;
    double apart2 = (double)kernel_distance2(sketch->centers + number * (width - 1), center, width - 1);
    if (other != number && too_far(search, apart2, (double)search->extents[number] + (double)search->extents[other]))
        return;
    for (size_t i = 0; i < tile->count; i++) {
        double distance2 = (double)kernel_distance2(tile->own + i * width, center, width - 1);
        if (other == number || !too_far(search, distance2, (double)search->extents[other]))
            tile->near[tile->near_count++] = i;
    }
}

/* --- tiles that are near ------------------------------------------------------------------------------------------------- */

/* Row tile->near[at] against the `m` rows from place `from` on. */
static void compare(struct search *search, const struct tile *tile, size_t at, const float *points, size_t from, size_t m)
{
    const struct kernel_ball_pairs *pairs = search->pairs;
    const struct kernel_sketch *sketch = pairs->sketch;
    const float *products = tile->products + at * m;
    const struct bounds *bounds = &tile->bounds[tile->near[at]];
    size_t row = tile->first + tile->near[at];
    const float *x = NULL;
    for (size_t j = from <= row ? row + 1 - from : 0; j < m; j++) {
        if (products[j] > bounds->out ||
            (pairs->known != NULL && pairs->known(pairs->context, (uint32_t)row, (uint32_t)(from + j))))
            continue;
        if (!surely_near(sketch, bounds, points + j * sketch->width, products[j])) {
            if (x == NULL)
                x = kernel_row_floats(sketch->rows, sketch->slots[row], tile->x);
            const float *y = kernel_row_floats(sketch->rows, sketch->slots[from + j], tile->y);
            if (!(kernel_distance2(x, y, sketch->rows->width) < pairs->radius2))
                continue;
        }
        if (!pairs->add(pairs->context, (uint32_t)row, (uint32_t)(from + j)))
            atomic_store(&search->given_up, true);
    }
}

static void compare_tile(struct search *search, struct tile *tile, size_t from)
{
    const struct kernel_sketch *sketch = search->pairs->sketch;
    size_t width = sketch->width;
    choose_rows(search, tile, from / TILE);
    if (tile->near_count == 0)
        return;
    const float *turned = tile->turned;
    if (tile->near_count < tile->count) {
        turned = tile->chosen;
        for (size_t i = 0; i < tile->near_count; i++)
            memcpy(tile->chosen + i * width, tile->turned + tile->near[i] * width, width * sizeof *turned);
    }
    size_t m = count_from(sketch, from);
    const float *points = kernel_sketch_tile(sketch, from, m, tile->points);
    kernel_gemm_nt(tile->near_count, m, width, turned, width, points, width, tile->products, m);
    for (size_t i = 0; i < tile->near_count; i++)
        compare(search, tile, i, points, from, m);
}

static void panel_tile(void *context, size_t number, unsigned worker)
{
    struct search *search = context;
    const struct kernel_sketch *sketch = search->pairs->sketch;
    struct tile tile = {.first = number * TILE, .count = count_from(sketch, number * TILE)};
    tile_init(&tile, search, worker);
    const float *own = kernel_sketch_tile(sketch, tile.first, tile.count, tile.points);
    memcpy(tile.own, own, tile.count * sketch->width * sizeof *own);
    for (size_t i = 0; i < tile.count; i++) {
        tile.bounds[i] = bounds_of(search, tile.own + i * sketch->width);
        kernel_sketch_query(tile.own + i * sketch->width, sketch->width, tile.turned + i * sketch->width);
    }
    for (size_t from = tile.first; from < sketch->count; from += TILE) {
        if (atomic_load(&search->given_up) || kernel_team_poll(search->pairs->team, worker))
            return;
        compare_tile(search, &tile, from);
        if (search->pairs->done != NULL)
            atomic_fetch_add(search->pairs->done, 1);
    }
}

enum kernel_status kernel_ball_pairs_find(const struct kernel_ball_pairs *pairs)
{
    const struct kernel_sketch *sketch = pairs->sketch;
    size_t tiles = (sketch->count + TILE - 1) / TILE;
    struct search search = {.pairs = pairs, .radius = sqrt((double)pairs->radius2)};
    search.scratch_size = 4 * (size_t)TILE * sketch->width + (size_t)TILE * TILE + 2 * sketch->rows->width;
    search.scratch = malloc(kernel_team_size(pairs->team) * search.scratch_size * sizeof *search.scratch);
    search.extents = malloc((tiles + 1) * sizeof *search.extents);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (search.scratch != NULL && search.extents != NULL) {
        bool done = kernel_team_run(pairs->team, tiles, extent_tile, &search) &&
                    kernel_team_run(pairs->team, tiles, panel_tile, &search);
        status = done ? KERNEL_OK : KERNEL_STOPPED;
    }
    free(search.scratch);
    free(search.extents);
    return status == KERNEL_OK && atomic_load(&search.given_up) ? KERNEL_END : status;
}

size_t kernel_ball_pairs_steps(size_t count)
{
    size_t tiles = (count + TILE - 1) / TILE;
    return tiles * (tiles + 1) / 2;
}
