#include "selector/kernel/ball_graph.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/sketch.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TILE_BITS = 8, TILE = KERNEL_SKETCH_TILE };
_Static_assert(TILE == 1 << TILE_BITS, "a row of a tile has TILE_BITS bits");

/* Near pairs of one tile's rows with rows that stand later in the sketch: place << TILE_BITS | row of the tile. */
struct panel {
    uint32_t *pairs;
    size_t count;
    size_t room;
};

struct build {
    struct kernel_team *team;
    const struct kernel_sketch *sketch;
    float radius2;
    double radius;
    struct panel *panels; /* [tiles] */
    atomic_size_t pairs;  /* of all panels */
    atomic_bool no_memory;
    float *scratch; /* for each worker: see struct tile */
    size_t scratch_size;
};

/* Scratch memory of one worker. */
struct tile {
    float *turned;   /* [TILE x sketch width] of the panel's rows */
    float *own;      /* [TILE x sketch width] their sketches */
    float *points;   /* [TILE x sketch width] sketches of another tile */
    float *products; /* [TILE x TILE] */
    float *x;        /* [row width] */
    float *y;        /* [row width] */
};

static struct tile tile_of(const struct build *build, unsigned worker)
{
    float *scratch = build->scratch + worker * build->scratch_size;
    size_t size = TILE * build->sketch->width;
    float *rows = scratch + 3 * size + (size_t)TILE * TILE;
    return (struct tile){
        scratch, scratch + size, scratch + 2 * size, scratch + 3 * size, rows, rows + build->sketch->rows->width};
}

/* What the products of one row with a tile's sketches say: a pair whose product is above `out` is surely too far. */
struct bounds {
    float out;
    double in;   /* a pair whose greatest distance is below this is surely near enough */
    float norm2; /* squared length of the row's sketch */
    float rest;  /* length of what the sketch's coordinates leave of the row */
};

static struct bounds bounds_of(const struct build *build, const float *point)
{
    const struct kernel_sketch *sketch = build->sketch;
    /* What kernel_distance2 rounds, and what it underflows. */
    double share = (double)(sketch->rows->width + 8) * 0x1p-22;
    double farthest = (double)build->radius2 * (1 + share) + (double)sketch->rows->width * 0x1p-120;
    double distance = sqrt(farthest) + sketch->slack;
    double cut = distance * distance - (double)point[sketch->width - 1] + sketch->slack2;
    return (struct bounds){.out = (float)(cut + fabs(cut) * 0x1p-22),
        .in = build->radius * (1 - share) - sketch->slack,
        .norm2 = point[sketch->width - 1],
        .rest = point[sketch->width - 2]};
}

/* Whether the pair is near enough though the parts that sketches leave of both point away from each other. */
static bool surely_near(const struct build *build, const struct bounds *bounds, const float *other, float product)
{
    double least = (double)product + (double)bounds->norm2 + build->sketch->slack2;
    double most = least + 4 * (double)bounds->rest * (double)other[build->sketch->width - 2];
    return bounds->in > 0 && most < bounds->in * bounds->in * (1 - 0x1p-20);
}

static void append(struct build *build, struct panel *panel, uint32_t pair)
{
    if (panel->count == panel->room) {
        size_t room = panel->room == 0 ? 4096 : 2 * panel->room;
        uint32_t *pairs = realloc(panel->pairs, room * sizeof *pairs);
        if (pairs == NULL) {
            atomic_store(&build->no_memory, true);
            return;
        }
        panel->pairs = pairs;
        panel->room = room;
    }
    panel->pairs[panel->count++] = pair;
}

/* Row number `row` of the sketch against `m` sketches from place `from` on, the first `skip` of them left out. */
static void compare(
    struct build *build, const struct tile *tile, size_t row, const float *points, size_t from, size_t skip, size_t m)
{
    const struct kernel_sketch *sketch = build->sketch;
    struct panel *panel = &build->panels[row / TILE];
    const float *products = tile->products + row % TILE * m;
    struct bounds bounds = bounds_of(build, tile->own + row % TILE * sketch->width);
    const float *x = NULL;
    for (size_t j = skip; j < m; j++) {
        if (products[j] > bounds.out)
            continue;
        if (!surely_near(build, &bounds, points + j * sketch->width, products[j])) {
            if (x == NULL)
                x = kernel_row_floats(sketch->rows, sketch->slots[row], tile->x);
            const float *y = kernel_row_floats(sketch->rows, sketch->slots[from + j], tile->y);
            if (!(kernel_distance2(x, y, sketch->rows->width) < build->radius2))
                continue;
        }
        append(build, panel, (uint32_t)((from + j) << TILE_BITS | row % TILE));
    }
}

static size_t count_from(const struct build *build, size_t from)
{
    return build->sketch->count - from < TILE ? build->sketch->count - from : TILE;
}

/* Whether there is nothing left to hope for. */
static bool given_up(struct build *build)
{
    return atomic_load(&build->no_memory) || atomic_load(&build->pairs) > KERNEL_BALL_PAIRS_MAX;
}

static void panel_tile(void *context, size_t number, unsigned worker)
{
    struct build *build = context;
    const struct kernel_sketch *sketch = build->sketch;
    struct tile tile = tile_of(build, worker);
    size_t first = number * TILE;
    size_t rows = count_from(build, first);
    const float *own = kernel_sketch_tile(sketch, first, rows, tile.points);
    memcpy(tile.own, own, rows * sketch->width * sizeof *own);
    for (size_t i = 0; i < rows; i++)
        kernel_sketch_query(own + i * sketch->width, sketch->width, tile.turned + i * sketch->width);
    for (size_t from = first; from < sketch->count && !given_up(build) && !kernel_team_poll(build->team, worker);
         from += TILE) {
        size_t m = count_from(build, from);
        size_t before = build->panels[number].count;
        const float *points = kernel_sketch_tile(sketch, from, m, tile.points);
        kernel_gemm_nt(rows, m, sketch->width, tile.turned, sketch->width, points, sketch->width, tile.products, m);
        for (size_t i = 0; i < rows; i++)
            compare(build, &tile, first + i, points, from, from == first ? i + 1 : 0, m);
        atomic_fetch_add(&build->pairs, build->panels[number].count - before);
    }
}

/* From pairs to lists: counts, then sums of counts, then the nodes themselves. */
static bool make_lists(const struct build *build, struct kernel_ball_graph *graph)
{
    size_t tiles = (graph->count + TILE - 1) / TILE;
    const uint32_t *places = build->sketch->places;
    size_t *next = malloc((graph->count + 1) * sizeof *next);
    graph->others = malloc((2 * atomic_load(&build->pairs) + 1) * sizeof *graph->others);
    if (next == NULL || graph->others == NULL) {
        free(next);
        return false;
    }
    for (size_t t = 0; t < tiles; t++) {
        for (size_t p = 0; p < build->panels[t].count; p++) {
            uint32_t pair = build->panels[t].pairs[p];
            graph->first[places[pair >> TILE_BITS] + 1]++;
            graph->first[places[t * TILE + pair % TILE] + 1]++;
        }
    }
    for (size_t i = 0; i < graph->count; i++) {
        graph->first[i + 1] += graph->first[i];
        next[i] = graph->first[i];
    }
    for (size_t t = 0; t < tiles; t++) {
        for (size_t p = 0; p < build->panels[t].count; p++) {
            uint32_t pair = build->panels[t].pairs[p];
            uint32_t a = places[pair >> TILE_BITS];
            uint32_t b = places[t * TILE + pair % TILE];
            graph->others[next[a]++] = b;
            graph->others[next[b]++] = a;
        }
    }
    free(next);
    return true;
}

static enum kernel_status find_pairs(struct build *build, struct kernel_ball_graph *graph)
{
    size_t tiles = (graph->count + TILE - 1) / TILE;
    bool done = kernel_team_run(build->team, tiles, panel_tile, build);
    if (atomic_load(&build->no_memory))
        return KERNEL_NO_MEMORY;
    if (!done)
        return KERNEL_STOPPED;
    if (atomic_load(&build->pairs) > KERNEL_BALL_PAIRS_MAX)
        return KERNEL_END;
    return make_lists(build, graph) ? KERNEL_OK : KERNEL_NO_MEMORY;
}

enum kernel_status kernel_ball_graph_init(struct kernel_ball_graph *graph, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, float radius2, uint64_t seed)
{
    size_t tiles = (count + TILE - 1) / TILE;
    struct kernel_sketch sketch = {0};
    struct build build = {.team = team, .sketch = &sketch, .radius2 = radius2, .radius = sqrt((double)radius2)};
    *graph = (struct kernel_ball_graph){.count = count, .first = calloc(count + 2, sizeof *graph->first)};
    build.panels = calloc(tiles + 1, sizeof *build.panels);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (graph->first == NULL || build.panels == NULL)
        goto done;
    status = kernel_sketch_init(&sketch, team, rows, slots, count, seed);
    if (status != KERNEL_OK)
        goto done;
    build.scratch_size = 3 * (size_t)TILE * sketch.width + (size_t)TILE * TILE + 2 * rows->width;
    build.scratch = malloc(kernel_team_size(team) * build.scratch_size * sizeof *build.scratch);
    status = build.scratch != NULL ? find_pairs(&build, graph) : KERNEL_NO_MEMORY;
done:
    for (size_t t = 0; build.panels != NULL && t < tiles; t++)
        free(build.panels[t].pairs);
    free(build.panels);
    free(build.scratch);
    kernel_sketch_deinit(&sketch);
    return status;
}

void kernel_ball_graph_deinit(struct kernel_ball_graph *graph)
{
    free(graph->first);
    free(graph->others);
    *graph = (struct kernel_ball_graph){0};
}
