#include "selector/kernel/ball_graph.h"

#include "selector/kernel/ball_pairs.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { TILE_BITS = 8, TILE = KERNEL_SKETCH_TILE };
_Static_assert(TILE == 1 << TILE_BITS, "a row of a tile has TILE_BITS bits");

/* Near pairs of one tile's rows with rows that stand later in the sketch: place << TILE_BITS | row of the tile. */
struct panel {
    uint32_t *pairs;
    size_t count;
    size_t room;
};

struct build {
    const struct kernel_sketch *sketch;
    struct panel *panels; /* [tiles] */
    atomic_size_t pairs;  /* of all panels */
    atomic_bool no_memory;
};

/* Whether there is room for one more pair. */
static bool make_room(struct build *build, struct panel *panel)
{
    if (panel->count < panel->room)
        return true;
    size_t room = panel->room == 0 ? 4096 : 2 * panel->room;
    uint32_t *pairs = realloc(panel->pairs, room * sizeof *pairs);
    if (pairs == NULL) {
        atomic_store(&build->no_memory, true);
        return false;
    }
    panel->pairs = pairs;
    panel->room = room;
    return true;
}

static bool append(void *context, uint32_t a, uint32_t b)
{
    struct build *build = context;
    struct panel *panel = &build->panels[a / TILE];
    if (atomic_fetch_add(&build->pairs, 1) >= KERNEL_BALL_PAIRS_MAX || !make_room(build, panel))
        return false;
    panel->pairs[panel->count++] = b << TILE_BITS | a % TILE;
    return true;
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

enum kernel_status kernel_ball_graph_init(struct kernel_ball_graph *graph, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, float radius2, uint64_t seed, atomic_size_t *done)
{
    size_t tiles = (count + TILE - 1) / TILE;
    struct kernel_sketch sketch = {0};
    struct build build = {.sketch = &sketch, .panels = calloc(tiles + 1, sizeof *build.panels)};
    struct kernel_ball_pairs pairs = {
        .team = team, .sketch = &sketch, .radius2 = radius2, .add = append, .context = &build, .done = done};
    *graph = (struct kernel_ball_graph){.count = count, .first = calloc(count + 2, sizeof *graph->first)};
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (graph->first == NULL || build.panels == NULL)
        goto done;
    status = kernel_sketch_init(&sketch, team, rows, slots, count, seed);
    if (status == KERNEL_OK)
        status = kernel_ball_pairs_find(&pairs);
    if (atomic_load(&build.no_memory) || (status == KERNEL_OK && !make_lists(&build, graph)))
        status = KERNEL_NO_MEMORY;
done:
    for (size_t t = 0; build.panels != NULL && t < tiles; t++)
        free(build.panels[t].pairs);
    free(build.panels);
    kernel_sketch_deinit(&sketch);
    return status;
}

void kernel_ball_graph_deinit(struct kernel_ball_graph *graph)
{
    free(graph->first);
    free(graph->others);
    *graph = (struct kernel_ball_graph){0};
}
