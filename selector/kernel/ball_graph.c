#include "selector/kernel/ball_graph.h"

#include "selector/kernel/ball_pairs.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    TILE = KERNEL_SKETCH_TILE,
    RUN_HEAD = 5, /* bytes before the places of a run: the tile's number, and the number of places less one */
    COUNTED = 64, /* pairs of a panel that are counted at once: a counter that all threads write is slow */
};
_Static_assert(TILE == UINT8_MAX + 1, "a place in a tile is a byte");

/* Near pairs of one tile's rows with rows that stand later in the sketch, as a row's place in the tile and its run, again and
 * again. */
struct panel {
    uint8_t *bytes;
    size_t size;
    size_t room;
    size_t last; /* where the last run begins, its row's byte included */
    size_t pairs;
};

struct build {
    struct panel *panels; /* [tiles] */
    size_t tiles;
    atomic_size_t pairs; /* of all panels, each rounded up to COUNTED */
    atomic_bool no_memory;
};

/* --- pairs to panels ---------------------------------------------------------------------------------------------------- */

static uint32_t run_tile(const uint8_t *run)
{
    uint32_t tile;
    memcpy(&tile, run, sizeof tile);
    return tile;
}

static size_t run_length(const uint8_t *run)
{
    return (size_t)run[RUN_HEAD - 1] + 1;
}

/* Begins a run at `run` with its first place. */
static void run_begin(uint8_t *run, uint32_t tile, uint8_t place)
{
    memcpy(run, &tile, sizeof tile);
    run[RUN_HEAD - 1] = 0;
    run[RUN_HEAD] = place;
}

/* Counts one more place of a run. */
static void run_lengthen(uint8_t *run)
{
    run[RUN_HEAD - 1]++;
}

/* Whether there is room for one more run. */
static bool make_room(struct build *build, struct panel *panel)
{
    if (panel->size + 1 + RUN_HEAD + 1 <= panel->room)
        return true;
    size_t room = panel->room == 0 ? 4096 : panel->room + panel->room / 2;
    uint8_t *bytes = realloc(panel->bytes, room);
    if (bytes == NULL) {
        atomic_store(&build->no_memory, true);
        return false;
    }
    panel->bytes = bytes;
    panel->room = room;
    return true;
}

static bool append(void *context, uint32_t a, uint32_t b)
{
    struct build *build = context;
    struct panel *panel = &build->panels[a / TILE];
    if (panel->pairs % COUNTED == 0 && atomic_fetch_add(&build->pairs, COUNTED) >= KERNEL_BALL_PAIRS_MAX)
        return false;
    if (!make_room(build, panel))
        return false;
    uint8_t *last = panel->bytes + panel->last;
    if (panel->pairs++ > 0 && last[0] == a % TILE && run_tile(last + 1) == b / TILE) {
        run_lengthen(last + 1);
        panel->bytes[panel->size++] = (uint8_t)(b % TILE);
        return true;
    }
    panel->last = panel->size;
    panel->bytes[panel->size] = (uint8_t)(a % TILE);
    run_begin(panel->bytes + panel->size + 1, b / TILE, (uint8_t)(b % TILE));
    panel->size += 1 + RUN_HEAD + 1;
    return true;
}

/* --- panels to lists ---------------------------------------------------------------------------------------------------- */

/* Lists in the making. A place's pairs with one earlier tile are one run of its list. */
struct lists {
    struct kernel_ball_graph *graph;
    size_t *next;    /* [count] where a place's list goes on */
    size_t *open;    /* [count] where the run of the tile in `stamp` begins */
    uint32_t *stamp; /* [count] the earlier tile last seen; UINT32_MAX: none */
};

static bool lists_init(struct lists *lists, struct kernel_ball_graph *graph)
{
    *lists = (struct lists){
        .graph = graph,
        .next = malloc((graph->count + 1) * sizeof *lists->next),
        .open = malloc((graph->count + 1) * sizeof *lists->open),
        .stamp = malloc((graph->count + 1) * sizeof *lists->stamp),
    };
    return lists->next != NULL && lists->open != NULL && lists->stamp != NULL;
}

static void lists_deinit(struct lists *lists)
{
    free(lists->next);
    free(lists->open);
    free(lists->stamp);
}

/* Adds the sizes of the lists' parts that come from one panel to first[place + 1]. */
static void measure_panel(struct lists *lists, const struct panel *panel, uint32_t tile)
{
    size_t *size = lists->graph->first + 1;
    for (size_t at = 0; at < panel->size;) {
        const uint8_t *run = panel->bytes + at + 1;
        size_t other = (size_t)run_tile(run) * TILE;
        size_t length = run_length(run);
        size[tile * TILE + panel->bytes[at]] += RUN_HEAD + length;
        for (size_t i = 0; i < length; i++) {
            size_t place = other + run[RUN_HEAD + i];
            size[place] += lists->stamp[place] == tile ? 1 : RUN_HEAD + 1;
            lists->stamp[place] = tile;
        }
        at += 1 + RUN_HEAD + length;
    }
}

/* Writes the runs of a panel to the lists of its own rows. */
static void list_forward(struct lists *lists, const struct panel *panel, uint32_t tile)
{
    for (size_t at = 0; at < panel->size;) {
        const uint8_t *run = panel->bytes + at + 1;
        size_t size = RUN_HEAD + run_length(run);
        size_t *next = &lists->next[tile * TILE + panel->bytes[at]];
        memcpy(lists->graph->runs + *next, run, size);
        *next += size;
        at += 1 + size;
    }
}

/* Writes the pairs of a panel to the lists of the later rows. */
static void list_backward(struct lists *lists, const struct panel *panel, uint32_t tile)
{
    uint8_t *runs = lists->graph->runs;
    for (size_t at = 0; at < panel->size;) {
        const uint8_t *run = panel->bytes + at + 1;
        size_t other = (size_t)run_tile(run) * TILE;
        size_t length = run_length(run);
        for (size_t i = 0; i < length; i++) {
            size_t place = other + run[RUN_HEAD + i];
            size_t *next = &lists->next[place];
            if (lists->stamp[place] == tile) {
                run_lengthen(runs + lists->open[place]);
                runs[(*next)++] = panel->bytes[at];
                continue;
            }
            lists->stamp[place] = tile;
            lists->open[place] = *next;
            run_begin(runs + *next, tile, panel->bytes[at]);
            *next += RUN_HEAD + 1;
        }
        at += 1 + RUN_HEAD + length;
    }
}

static void panel_free(struct panel *panel)
{
    free(panel->bytes);
    *panel = (struct panel){0};
}

/* From panels, which are freed, to lists: sizes, then where they begin, then the lists. */
static enum kernel_status make_lists(struct build *build, struct kernel_team *team, struct kernel_ball_graph *graph)
{
    struct lists lists;
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (!lists_init(&lists, graph))
        goto done;
    memset(lists.stamp, 0xff, graph->count * sizeof *lists.stamp);
    for (uint32_t t = 0; t < build->tiles && !kernel_team_stopped(team); t++)
        measure_panel(&lists, &build->panels[t], t);
    for (size_t i = 0; i < graph->count; i++) {
        graph->first[i + 1] += graph->first[i];
        lists.next[i] = graph->first[i];
    }
    graph->runs = malloc(graph->first[graph->count] + 1);
    if (graph->runs == NULL)
        goto done;
    memset(lists.stamp, 0xff, graph->count * sizeof *lists.stamp);
    for (uint32_t t = 0; t < build->tiles && !kernel_team_stopped(team); t++) {
        list_forward(&lists, &build->panels[t], t);
        list_backward(&lists, &build->panels[t], t);
        panel_free(&build->panels[t]);
    }
    status = kernel_team_stopped(team) ? KERNEL_STOPPED : KERNEL_OK;
done:
    lists_deinit(&lists);
    return status;
}

/* --- the graph ---------------------------------------------------------------------------------------------------------- */

static bool graph_init(struct kernel_ball_graph *graph, size_t count)
{
    *graph = (struct kernel_ball_graph){
        .count = count,
        .nodes = malloc((count + 1) * sizeof *graph->nodes),
        .places = malloc((count + 1) * sizeof *graph->places),
        .first = calloc(count + 1, sizeof *graph->first),
    };
    return graph->nodes != NULL && graph->places != NULL && graph->first != NULL;
}

static void name_nodes(struct kernel_ball_graph *graph, const struct kernel_sketch *sketch)
{
    for (uint32_t place = 0; place < graph->count; place++) {
        graph->nodes[place] = sketch->places[place];
        graph->places[sketch->places[place]] = place;
    }
}

enum kernel_status kernel_ball_graph_init(struct kernel_ball_graph *graph, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, float radius2, uint64_t seed, atomic_size_t *done)
{
    struct kernel_sketch sketch = {0};
    struct build build = {.tiles = (count + TILE - 1) / TILE};
    build.panels = calloc(build.tiles + 1, sizeof *build.panels);
    struct kernel_ball_pairs pairs = {
        .team = team, .sketch = &sketch, .radius2 = radius2, .add = append, .context = &build, .done = done};
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (!graph_init(graph, count) || build.panels == NULL)
        goto done;
    status = kernel_sketch_init(&sketch, team, rows, slots, count, KERNEL_SKETCH_PAIRS, seed);
    if (status == KERNEL_OK)
        status = kernel_ball_pairs_find(&pairs);
    if (atomic_load(&build.no_memory))
        status = KERNEL_NO_MEMORY;
    if (status != KERNEL_OK)
        goto done;
    name_nodes(graph, &sketch);
    status = make_lists(&build, team, graph);
done:
    for (size_t t = 0; build.panels != NULL && t < build.tiles; t++)
        panel_free(&build.panels[t]);
    free(build.panels);
    kernel_sketch_deinit(&sketch);
    return status;
}

size_t kernel_ball_graph_near(const struct kernel_ball_graph *graph, uint32_t node, uint32_t *others)
{
    size_t place = graph->places[node];
    size_t count = 0;
    for (const uint8_t *run = graph->runs + graph->first[place]; run < graph->runs + graph->first[place + 1];) {
        const uint32_t *nodes = graph->nodes + (size_t)run_tile(run) * TILE;
        size_t length = run_length(run);
        for (size_t i = 0; i < length; i++)
            others[count++] = nodes[run[RUN_HEAD + i]];
        run += RUN_HEAD + length;
    }
    return count;
}

void kernel_ball_graph_deinit(struct kernel_ball_graph *graph)
{
    free(graph->nodes);
    free(graph->places);
    free(graph->first);
    free(graph->runs);
    *graph = (struct kernel_ball_graph){0};
}
