#include "selector/kernel/ball_pairs.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/hits.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TILE = KERNEL_SKETCH_TILE,
    /* Rows of which many pairs are open are multiplied in full, which is quicker than to measure pair by pair. */
    PRODUCTS = 12, /* products of two rows in full that cost as much as to measure a pair */
    LOADED = 2,    /* pairs that could be measured while one row is loaded for products */
};

struct search {
    const struct kernel_ball_pairs *pairs;
    double radius;
    float *extents; /* [tiles] greatest distance of a sketch of the tile from their mean */
    atomic_bool given_up;
    float *scratch; /* for each worker: see struct tile */
    size_t scratch_size;
    uint32_t *hits; /* for each worker [TILE x TILE] */
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
    uint32_t *hits;  /* [TILE x TILE] of each row in `near`: places in the other tile */
    size_t hit_count[TILE];
    size_t dense[TILE]; /* numbers in `near` of rows to be multiplied in full */
    size_t dense_count;
    float *rows;   /* [TILE x row width] those in `dense` */
    float *others; /* [TILE x row width] the other tile's rows */
    float rows_norm2[TILE];
    float others_norm2[TILE];
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
    tile->rows = tile->y + sketch->rows->width;
    tile->others = tile->rows + TILE * sketch->rows->width;
    tile->hits = search->hits + worker * (size_t)TILE * TILE;
}

static size_t count_from(const struct kernel_sketch *sketch, size_t from)
{
    return sketch->count - from < TILE ? sketch->count - from : TILE;
}

/* Relative error of a distance, twice over. */
static double rounding(size_t terms)
{
    return 4 * kernel_rounding(terms);
}

static struct bounds bounds_of(const struct search *search, const float *point)
{
    const struct kernel_sketch *sketch = search->pairs->sketch;
    size_t d = sketch->rows->width;
    float norm2 = point[sketch->width - 1];
    return (struct bounds){.out = kernel_sketch_cut(sketch, norm2, (double)search->pairs->radius2),
        .in = search->radius * (1 - rounding(d)) - sketch->slack - sqrt(kernel_underflow(d)),
        .norm2 = norm2,
        .rest = point[sketch->width - 2]};
}

/* Whether the pair is near enough though the parts that sketches leave of both point away from each other. */
static bool surely_near(const struct kernel_sketch *sketch, const struct bounds *bounds, const float *other, float product)
{
    double least = (double)product + (double)bounds->norm2 + sketch->slack2;
    double most = least + 4 * (double)bounds->rest * (double)other[sketch->width - 2];
    return bounds->in > 0 && most < bounds->in * bounds->in * (1 - 0x1p-20);
}

/* --- tiles that are far from a row -------------------------------------------------------------------------------------- */

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

/* --- tiles that are near ------------------------------------------------------------------------------------------------ */

/* Lists the pairs of a tile that are not surely too far, of the `m` rows from place `from` on. */
static void find_hits(struct tile *tile, size_t from, size_t m)
{
    for (size_t at = 0; at < tile->near_count; at++) {
        size_t row = tile->first + tile->near[at];
        size_t skip = from <= row ? row + 1 - from : 0;
        uint32_t *hits = tile->hits + at * TILE;
        size_t count = kernel_hits(tile->products + at * m + skip, m - skip, tile->bounds[tile->near[at]].out, hits);
        for (size_t h = 0; h < count; h++)
            hits[h] += (uint32_t)skip;
        tile->hit_count[at] = count;
    }
}

/* Lists the rows that are worth multiplying with all `m` of the other tile; none where loading all these would cost more. */
static void choose_dense(struct tile *tile, size_t m)
{
    size_t saved = 0; /* pairs to measure */
    tile->dense_count = 0;
    for (size_t at = 0; at < tile->near_count; at++) {
        size_t cost = m / PRODUCTS + LOADED;
        if (tile->hit_count[at] <= cost)
            continue;
        saved += tile->hit_count[at] - cost;
        tile->dense[tile->dense_count++] = at;
    }
    if (saved <= LOADED * m)
        tile->dense_count = 0;
}

/* Rows less the origin, and their squared lengths. */
static void load_rows(const struct kernel_sketch *sketch, const uint32_t *slots, size_t count, float *rows, float *norm2)
{
    size_t width = sketch->rows->width;
    kernel_gather(sketch->rows, slots, count, sketch->origin, rows);
    for (size_t i = 0; i < count; i++)
        norm2[i] = kernel_norm2(rows + i * width, width);
}

/* The products of all dense rows with the `m` from place `from` on, in full. */
static void multiply_dense(const struct search *search, struct tile *tile, size_t from, size_t m)
{
    const struct kernel_sketch *sketch = search->pairs->sketch;
    size_t width = sketch->rows->width;
    uint32_t slots[TILE];
    for (size_t i = 0; i < tile->dense_count; i++)
        slots[i] = sketch->slots[tile->first + tile->near[tile->dense[i]]];
    load_rows(sketch, slots, tile->dense_count, tile->rows, tile->rows_norm2);
    load_rows(sketch, sketch->slots + from, m, tile->others, tile->others_norm2);
    kernel_gemm_nt(tile->dense_count, m, width, tile->rows, width, tile->others, width, tile->products, m);
}

/* Whether two rows are nearer than the radius. */
static bool measure(const struct search *search, const struct tile *tile, uint32_t a, uint32_t b)
{
    const struct kernel_sketch *sketch = search->pairs->sketch;
    const float *x = kernel_row_floats(sketch->rows, sketch->slots[a], tile->x);
    const float *y = kernel_row_floats(sketch->rows, sketch->slots[b], tile->y);
    return kernel_distance2(x, y, sketch->rows->width) < search->pairs->radius2;
}

static bool is_known(const struct kernel_ball_pairs *pairs, uint32_t a, uint32_t b)
{
    return pairs->known != NULL && pairs->known(pairs->context, a, b);
}

static void add(struct search *search, uint32_t a, uint32_t b)
{
    if (!search->pairs->add(search->pairs->context, a, b))
        atomic_store(&search->given_up, true);
}

/* Measures the hits of row tile->near[at], of rows from place `from` on, where their sketches do not tell. */
static void measure_hits(
    struct search *search, const struct tile *tile, size_t at, const float *points, size_t from, const float *products)
{
    const struct kernel_sketch *sketch = search->pairs->sketch;
    const struct bounds *bounds = &tile->bounds[tile->near[at]];
    uint32_t row = (uint32_t)(tile->first + tile->near[at]);
    for (size_t h = 0; h < tile->hit_count[at]; h++) {
        size_t j = tile->hits[at * TILE + h];
        uint32_t other = (uint32_t)(from + j);
        if (is_known(search->pairs, row, other))
            continue;
        if (surely_near(sketch, bounds, points + j * sketch->width, products[j]) || measure(search, tile, row, other))
            add(search, row, other);
    }
}

/* The hits of dense row `number`, whose products in full these are; measured where rounding could tell otherwise. */
static void compare_hits(struct search *search, const struct tile *tile, size_t number, size_t from, const float *products)
{
    size_t at = tile->dense[number];
    double radius2 = (double)search->pairs->radius2;
    double share = rounding(search->pairs->sketch->rows->width);
    double lost = kernel_underflow(search->pairs->sketch->rows->width);
    uint32_t row = (uint32_t)(tile->first + tile->near[at]);
    for (size_t h = 0; h < tile->hit_count[at]; h++) {
        size_t j = tile->hits[at * TILE + h];
        uint32_t other = (uint32_t)(from + j);
        double lengths2 = (double)tile->rows_norm2[number] + (double)tile->others_norm2[j];
        double distance2 = lengths2 - 2 * (double)products[j];
        double error = lengths2 * share + radius2 * 0x1p-20 + lost;
        if (distance2 > radius2 + error || is_known(search->pairs, row, other))
            continue;
        if (distance2 < radius2 - error || measure(search, tile, row, other))
            add(search, row, other);
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
    find_hits(tile, from, m);
    choose_dense(tile, m);
    for (size_t at = 0, number = 0; at < tile->near_count; at++) {
        if (number < tile->dense_count && tile->dense[number] == at)
            number++;
        else
            measure_hits(search, tile, at, points, from, tile->products + at * m);
    }
    if (tile->dense_count == 0)
        return;
    multiply_dense(search, tile, from, m);
    for (size_t number = 0; number < tile->dense_count; number++)
        compare_hits(search, tile, number, from, tile->products + number * m);
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
    search.scratch_size = 4 * (size_t)TILE * sketch->width + (size_t)TILE * TILE + (2 + 2 * (size_t)TILE) * sketch->rows->width;
    search.scratch = malloc(kernel_team_size(pairs->team) * search.scratch_size * sizeof *search.scratch);
    search.hits = malloc(kernel_team_size(pairs->team) * (size_t)TILE * TILE * sizeof *search.hits);
    search.extents = malloc((tiles + 1) * sizeof *search.extents);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (search.scratch != NULL && search.hits != NULL && search.extents != NULL) {
        bool done = kernel_team_run(pairs->team, tiles, extent_tile, &search) &&
                    kernel_team_run(pairs->team, tiles, panel_tile, &search);
        status = done ? KERNEL_OK : KERNEL_STOPPED;
    }
    free(search.scratch);
    free(search.hits);
    free(search.extents);
    return status == KERNEL_OK && atomic_load(&search.given_up) ? KERNEL_END : status;
}

size_t kernel_ball_pairs_steps(size_t count)
{
    size_t tiles = (count + TILE - 1) / TILE;
    return tiles * (tiles + 1) / 2;
}
