#include "selector/kernel/ball_cover.h"

#include "selector/kernel/heap.h"

#include <stdlib.h>

struct kernel_ball_cover {
    const struct kernel_ball_graph *graph;
    const uint32_t *nodes;
    const double *divisor;
    size_t count;
    uint8_t *open;    /* [graph->count] 1: to be covered yet */
    uint32_t *degree; /* [graph->count] open nodes in the ball */
    uint8_t *taken;   /* [count] */
    double *key;      /* [count] degree / divisor, an upper bound: degrees only fall */
    struct kernel_heap heap;
};

struct kernel_ball_cover *kernel_ball_cover_new(
    const struct kernel_ball_graph *graph, const uint32_t *nodes, size_t count, const double *divisor)
{
    struct kernel_ball_cover *cover = calloc(1, sizeof *cover);
    if (cover == NULL)
        return NULL;
    cover->graph = graph;
    cover->nodes = nodes;
    cover->divisor = divisor;
    cover->count = count;
    cover->open = calloc(graph->count + 1, sizeof *cover->open);
    cover->degree = calloc(graph->count + 1, sizeof *cover->degree);
    cover->taken = calloc(count + 1, sizeof *cover->taken);
    cover->key = calloc(count + 1, sizeof *cover->key);
    cover->heap.items = malloc((count + 1) * sizeof *cover->heap.items);
    cover->heap.keys = cover->key;
    if (cover->open == NULL || cover->degree == NULL || cover->taken == NULL || cover->key == NULL ||
        cover->heap.items == NULL) {
        kernel_ball_cover_free(&cover);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        cover->open[nodes[i]] = 1;
    for (size_t node = 0; node < graph->count; node++) {
        cover->degree[node] = cover->open[node];
        for (size_t e = graph->first[node]; e < graph->first[node + 1]; e++)
            cover->degree[node] += cover->open[graph->others[e]];
    }
    return cover;
}

void kernel_ball_cover_free(struct kernel_ball_cover **pointer)
{
    struct kernel_ball_cover *cover = *pointer;
    if (cover == NULL)
        return;
    free(cover->open);
    free(cover->degree);
    free(cover->taken);
    free(cover->key);
    free(cover->heap.items);
    free(cover);
    *pointer = NULL;
}

/* Takes a node that is open from the degree of every node near to it. */
static void cover_node(struct kernel_ball_cover *cover, uint32_t node)
{
    const struct kernel_ball_graph *graph = cover->graph;
    if (!cover->open[node])
        return;
    cover->open[node] = 0;
    cover->degree[node]--;
    for (size_t e = graph->first[node]; e < graph->first[node + 1]; e++)
        cover->degree[graph->others[e]]--;
}

void kernel_ball_cover_add(struct kernel_ball_cover *cover, uint32_t node)
{
    const struct kernel_ball_graph *graph = cover->graph;
    cover_node(cover, node);
    for (size_t e = graph->first[node]; e < graph->first[node + 1]; e++)
        cover_node(cover, graph->others[e]);
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
    cover->heap.count = 0;
    for (uint32_t i = 0; i < cover->count; i++) {
        if (cover->taken[i] || (accept != NULL && !accept(context, i)))
            continue;
        cover->key[i] = key_of(cover, i);
        cover->heap.items[cover->heap.count++] = i;
    }
    kernel_heap_build(&cover->heap);
}

enum kernel_status kernel_ball_cover_next(
    struct kernel_ball_cover *cover, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    struct kernel_heap *heap = &cover->heap;
    while (heap->count > 0) {
        uint32_t top = kernel_heap_pop(heap);
        if (accept != NULL && !accept(context, top))
            continue;
        double key = key_of(cover, top);
        if (key >= cover->key[top]) {
            *index = top;
            *gain = (double)kernel_ball_cover_gain(cover, top);
            return KERNEL_OK;
        }
        cover->key[top] = key;
        kernel_heap_push(heap, top);
    }
    return KERNEL_END;
}

void kernel_ball_cover_take(struct kernel_ball_cover *cover, uint32_t index)
{
    cover->taken[index] = 1;
    kernel_ball_cover_add(cover, cover->nodes[index]);
}
