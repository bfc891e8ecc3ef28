/*
 * galaxy.c - classes in balance however rare they are, where the model changes its mind about each.
 *
 * After GALAXY (Zhang, Katz-Samuels and Nowak, "GALAXY: graph-based active learning at the extreme", ICML 2022). Each class
 * has a linear graph: all samples by their margin for it, p(class) less the largest p, and those that are the model's for it
 * by p(class). Its labels are "of the class" and "not"; kernel/line_graph.h finds what to ask next. The paper learns every
 * answer before it asks on; a batch can't: a pick, and what is in flight, counts as what the model predicts for it, so that a
 * search comes from the known labels to where the predictions change, and goes on to both sides of it. The paper draws a class
 * by chance for every pick; here classes take turns, as in its authors' code, those with the fewest labels first. Two classes
 * have one graph, as in the paper, and many classes on a large pool GRAPHS_MAX or what NODES_MAX nodes make: those with the
 * fewest labels. Blind to prices, as the method is; a pick that the money does not reach is passed over. The gain is 1 over
 * the length of the path that the pick was found by.
 */
#include "selector/kernel/line_graph.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/fill.h"
#include "selector/strategy/predictions.h"
#include "selector/strategy/strategies.h"

#include <stdlib.h>

enum { GRAPHS_MAX = 64, NODES_MAX = 1 << 25, TILE = 4096, NOT_KNOWN = -2 };

struct galaxy {
    struct select_source source;
    struct select_job *job;
    size_t count;
    uint32_t *slots; /* [count] of the nodes, rising */
    int32_t *labels; /* [count] class, -1: of none of them, NOT_KNOWN */
    uint8_t *open;   /* [count] candidates */
    double *keys;    /* [count] of the graph that is being made */
    uint32_t class;  /* likewise */
    size_t graph_count;
    uint32_t *classes; /* [graph_count] */
    struct kernel_line_graph **graphs;
    size_t turn;   /* the graph that gives the next pick */
    uint32_t last; /* node of the latest pick given */
    bool stopped;
    select_accept_fn *accept;
    void *context;
};

/* --- nodes -------------------------------------------------------------------------------------------------------------- */

static int32_t known_label(const struct select_job *job, uint32_t slot)
{
    const struct select_input *input = job->input;
    if (input->state[slot] == SELECT_LABELED && input->label != NULL && input->label[slot] >= 0)
        return input->label[slot];
    return job->predicted[slot];
}

static bool list_nodes(struct galaxy *galaxy)
{
    const struct select_job *job = galaxy->job;
    size_t n = job->input->n;
    galaxy->slots = malloc((n + 1) * sizeof *galaxy->slots);
    galaxy->labels = malloc((n + 1) * sizeof *galaxy->labels);
    galaxy->open = malloc((n + 1) * sizeof *galaxy->open);
    galaxy->keys = malloc((n + 1) * sizeof *galaxy->keys);
    if (galaxy->slots == NULL || galaxy->labels == NULL || galaxy->open == NULL || galaxy->keys == NULL)
        return false;
    size_t next = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool candidate = next < job->candidate_count && job->candidates[next] == i;
        next += candidate;
        if (!candidate && !select_job_known(job, i))
            continue;
        galaxy->slots[galaxy->count] = i;
        galaxy->labels[galaxy->count] = candidate ? NOT_KNOWN : known_label(job, i);
        galaxy->open[galaxy->count++] = candidate;
    }
    return true;
}

/* --- graphs ------------------------------------------------------------------------------------------------------------- */

/* The classes that have a graph, the fewest labels first. */
static bool choose_classes(struct galaxy *galaxy)
{
    const struct select_input *input = galaxy->job->input;
    size_t classes = input->classes;
    size_t most = NODES_MAX / (galaxy->count + 1);
    most = most < 1 ? 1 : most < GRAPHS_MAX ? most : GRAPHS_MAX;
    galaxy->graph_count = classes == 2 ? 1 : classes < most ? classes : most;
    galaxy->classes = malloc(classes * sizeof *galaxy->classes);
    galaxy->graphs = calloc(galaxy->graph_count, sizeof(struct kernel_line_graph *));
    double *fewness = calloc(classes, sizeof *fewness);
    bool fine = galaxy->classes != NULL && galaxy->graphs != NULL && fewness != NULL;
    for (size_t i = 0; fine && i < galaxy->count; i++) {
        if (input->state[galaxy->slots[i]] == SELECT_LABELED && galaxy->labels[i] >= 0)
            fewness[galaxy->labels[i]]--;
    }
    fine = fine && kernel_sort_falling(fewness, classes, galaxy->classes);
    free(fewness);
    return fine;
}

/* Samples without a prediction come last. */
static void key_tile(void *context, size_t tile, unsigned worker)
{
    struct galaxy *galaxy = context;
    const struct select_job *job = galaxy->job;
    const struct kernel_rows *rows = job->input->probabilities;
    size_t offset = galaxy->class * (rows->dtype == KERNEL_F16 ? 2 : 4);
    size_t end = (tile + 1) * TILE < galaxy->count ? (tile + 1) * TILE : galaxy->count;
    (void)worker;
    for (size_t i = tile * TILE; i < end; i++) {
        uint32_t slot = galaxy->slots[i];
        const char *row = kernel_row(rows, slot);
        float value;
        galaxy->keys[i] = -2;
        if (row == NULL)
            continue;
        kernel_widen(row + offset, rows->dtype, 1, &value);
        bool predicted = job->predicted[slot] == (int64_t)galaxy->class;
        galaxy->keys[i] = predicted ? (double)value : (double)value - (double)job->first[slot];
    }
}

static enum select_status make_graph(struct galaxy *galaxy, size_t number)
{
    galaxy->class = galaxy->classes[number];
    if (!kernel_team_run(galaxy->job->team, (galaxy->count + TILE - 1) / TILE, key_tile, galaxy))
        return SELECT_CANCELED;
    struct kernel_line_graph *graph = kernel_line_graph_new(galaxy->keys, galaxy->count);
    galaxy->graphs[number] = graph;
    if (graph == NULL)
        return SELECT_NO_MEMORY;
    for (size_t i = 0; i < galaxy->count; i++) {
        if (i % TILE == 0 && kernel_team_stopped(galaxy->job->team))
            return SELECT_CANCELED;
        if (galaxy->labels[i] == NOT_KNOWN)
            continue;
        if (!kernel_line_graph_label(graph, (uint32_t)i, galaxy->labels[i] == (int64_t)galaxy->class))
            return SELECT_NO_MEMORY;
    }
    return kernel_line_graph_close(graph) ? SELECT_OK : SELECT_NO_MEMORY;
}

/* --- the source --------------------------------------------------------------------------------------------------------- */

static void rewind_tile(void *context, size_t tile, unsigned worker)
{
    const struct galaxy *galaxy = context;
    (void)worker;
    kernel_line_graph_rewind(galaxy->graphs[tile], galaxy->open);
}

static void galaxy_rewind(void *self, select_accept_fn *accept, void *context)
{
    struct galaxy *galaxy = self;
    (void)accept;
    (void)context;
    galaxy->stopped = !kernel_team_run(galaxy->job->team, galaxy->graph_count, rewind_tile, galaxy);
}

static bool accept_node(void *context, uint32_t node)
{
    const struct galaxy *galaxy = context;
    return galaxy->accept(galaxy->context, galaxy->slots[node]);
}

static enum kernel_status galaxy_next(
    void *self, select_accept_fn *accept, void *context, uint32_t *slot, struct select_worth *worth)
{
    struct galaxy *galaxy = self;
    if (galaxy->stopped)
        return KERNEL_STOPPED;
    galaxy->accept = accept;
    galaxy->context = context;
    size_t length;
    enum kernel_status status =
        kernel_line_graph_next(galaxy->graphs[galaxy->turn], accept_node, galaxy, &galaxy->last, &length);
    if (status != KERNEL_OK)
        return status;
    *slot = galaxy->slots[galaxy->last];
    worth->gain = 1 / (double)length;
    worth->utility = worth->gain;
    return KERNEL_OK;
}

static enum kernel_status galaxy_take(void *self, uint32_t slot)
{
    struct galaxy *galaxy = self;
    galaxy->open[galaxy->last] = 0;
    for (size_t i = 0; i < galaxy->graph_count; i++) {
        bool of_class = galaxy->job->predicted[slot] == (int64_t)galaxy->classes[i];
        if (!kernel_line_graph_label(galaxy->graphs[i], galaxy->last, of_class))
            return KERNEL_NO_MEMORY;
    }
    galaxy->turn = galaxy->turn + 1 < galaxy->graph_count ? galaxy->turn + 1 : 0;
    return KERNEL_OK;
}

static void galaxy_deinit(struct galaxy *galaxy)
{
    for (size_t i = 0; galaxy->graphs != NULL && i < galaxy->graph_count; i++)
        kernel_line_graph_free(&galaxy->graphs[i]);
    free(galaxy->graphs);
    free(galaxy->classes);
    free(galaxy->slots);
    free(galaxy->labels);
    free(galaxy->open);
    free(galaxy->keys);
}

enum select_status select_run_galaxy(struct select_job *job)
{
    struct galaxy galaxy = {
        .source = {.self = &galaxy, .rewind = galaxy_rewind, .next = galaxy_next, .take = galaxy_take},
        .job = job,
    };
    enum select_status status = select_job_scores(job, 1, false);
    if (status == SELECT_OK && (!list_nodes(&galaxy) || !choose_classes(&galaxy)))
        status = SELECT_NO_MEMORY;
    for (size_t i = 0; status == SELECT_OK && i < galaxy.graph_count; i++)
        status = make_graph(&galaxy, i);
    if (status == SELECT_OK)
        status = select_fill(job, &galaxy.source, false);
    galaxy_deinit(&galaxy);
    return status;
}
