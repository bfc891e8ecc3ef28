#include "selector/kernel/ball_cover.h"

#include <stdlib.h>

enum {
    TILE = 64,       /* nodes */
    POLL_EVERY = 64, /* nodes that are covered */
};

struct kernel_ball_cover {
    struct kernel_team *team;
    const struct kernel_ball_graph *graph;
    const uint32_t *nodes;
    const double *divisor;
    size_t count;
    uint8_t *open;    /* [graph->count] 1: to be covered yet */
    uint32_t *degree; /* [graph->count] open nodes in the ball */
    uint32_t *ball;   /* [graph->count] scratch: what is near to a node that is taken */
    uint32_t *near;   /* [workers x graph->count] scratch: what is near to a node that is covered */
    double *key;      /* [count] degree / divisor, an upper bound: degrees only fall */
    struct kernel_lazy lazy;
};

struct kernel_ball_cover *kernel_ball_cover_new(
    struct kernel_team *team, const struct kernel_ball_graph *graph, const uint32_t *nodes, size_t count, const double *divisor)
{
    struct kernel_ball_cover *cover = calloc(1, sizeof *cover);
    if (cover == NULL)
        return NULL;
    cover->team = team;
    cover->graph = graph;
    cover->nodes = nodes;
    cover->divisor = divisor;
    cover->count = count;
    cover->open = calloc(graph->count + 1, sizeof *cover->open);
    cover->degree = calloc(graph->count + 1, sizeof *cover->degree);
    cover->ball = malloc((graph->count + 1) * sizeof *cover->ball);
    cover->near = malloc((kernel_team_size(team) * graph->count + 1) * sizeof *cover->near);
    cover->key = calloc(count + 1, sizeof *cover->key);
    bool ready = kernel_lazy_init(&cover->lazy, cover->key, count);
    if (!ready || cover->open == NULL || cover->degree == NULL || cover->ball == NULL || cover->near == NULL ||
        cover->key == NULL) {
        kernel_ball_cover_free(&cover);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        cover->open[nodes[i]] = 1;
    return cover;
}

void kernel_ball_cover_free(struct kernel_ball_cover **pointer)
{
    struct kernel_ball_cover *cover = *pointer;
    if (cover == NULL)
        return;
    free(cover->open);
    free(cover->degree);
    free(cover->ball);
    free(cover->near);
    free(cover->key);
    kernel_lazy_deinit(&cover->lazy);
    free(cover);
    *pointer = NULL;
}

static void count_tile(void *context, size_t tile, unsigned worker)
{
    struct kernel_ball_cover *cover = context;
    size_t end = (tile + 1) * TILE < cover->graph->count ? (tile + 1) * TILE : cover->graph->count;
    uint32_t *near = cover->near + worker * cover->graph->count;
    for (size_t node = tile * TILE; node < end; node++) {
        size_t size = kernel_ball_graph_near(cover->graph, (uint32_t)node, near);
        cover->degree[node] = cover->open[node];
        for (size_t i = 0; i < size; i++)
            cover->degree[node] += cover->open[near[i]];
    }
}

enum kernel_status kernel_ball_cover_begin(struct kernel_ball_cover *cover)
{
    bool all = kernel_team_run(cover->team, (cover->graph->count + TILE - 1) / TILE, count_tile, cover);
    return all ? KERNEL_OK : KERNEL_STOPPED;
}

/* Takes a node that is open from the degree of every node near to it. */
static void cover_node(struct kernel_ball_cover *cover, uint32_t node)
{
    if (!cover->open[node])
        return;
    cover->open[node] = 0;
    cover->degree[node]--;
    size_t near = kernel_ball_graph_near(cover->graph, node, cover->near);
    for (size_t i = 0; i < near; i++)
        cover->degree[cover->near[i]]--;
}

enum kernel_status kernel_ball_cover_add(struct kernel_ball_cover *cover, uint32_t node)
{
    size_t size = kernel_ball_graph_near(cover->graph, node, cover->ball);
    cover_node(cover, node);
    for (size_t i = 0; i < size; i++) {
        if (i % POLL_EVERY == 0 && kernel_team_stopped(cover->team))
            return KERNEL_STOPPED;
        cover_node(cover, cover->ball[i]);
    }
    return KERNEL_OK;
}

uint32_t kernel_ball_cover_gain(const struct kernel_ball_cover *cover, uint32_t index)
{
    return cover->degree[cover->nodes[index]];
}

static double key_of(const struct kernel_ball_cover *cover, uint32_t index)
{
    double degree = (double)kernel_ball_cover_gain(cover, index);
    return cover->divisor != NULL ? degree / cover->divisor[index] : degree;
}

void kernel_ball_cover_rewind(struct kernel_ball_cover *cover, kernel_accept_fn *accept, void *context)
{
    for (uint32_t i = 0; i < cover->count; i++)
        cover->key[i] = key_of(cover, i);
    kernel_lazy_rewind(&cover->lazy, accept, context);
}

enum kernel_status kernel_ball_cover_next(
    struct kernel_ball_cover *cover, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    struct kernel_heap *heap = &cover->lazy.heap;
    while (kernel_lazy_top(&cover->lazy, accept, context, index)) {
        kernel_heap_pop(heap);
        double key = key_of(cover, *index);
        if (key >= cover->key[*index]) {
            *gain = (double)kernel_ball_cover_gain(cover, *index);
            return KERNEL_OK;
        }
        cover->key[*index] = key;
        kernel_heap_push(heap, *index);
    }
    return KERNEL_END;
}

enum kernel_status kernel_ball_cover_take(struct kernel_ball_cover *cover, uint32_t index)
{
    cover->lazy.taken[index] = 1;
    return kernel_ball_cover_add(cover, cover->nodes[index]);
}
