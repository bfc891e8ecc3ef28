#include "selector/kernel/line_graph.h"

#include "selector/kernel/rank_set.h"
#include "selector/kernel/sort.h"

#include <stdlib.h>

/* Two neighbouring labels that differ. What is between them may be nothing: then it is a cut. */
struct stretch {
    uint64_t worth; /* the less the sooner: paths by their length, then cuts by the distance to the nearest open node */
    size_t left;    /* rank of the first label */
};

static const uint64_t CUT = UINT64_C(1) << 33;

/* Ranks 1..count are nodes, 0 and count + 1 the ends of the line. */
struct kernel_line_graph {
    size_t count;
    uint32_t *order; /* [count] node of rank i + 1 */
    uint32_t *ranks; /* [count] of the nodes */
    uint8_t *sides;  /* [count + 2] by rank: whether a label is of the class */
    size_t label_count;
    struct kernel_rank_set labeled;
    struct kernel_rank_set open;
    struct stretch *heap; /* the best first; one of what has changed since may be there besides the new one */
    size_t heap_count;
    size_t heap_room; /* for two more, and for one a label */
};

struct kernel_line_graph *kernel_line_graph_new(const double *keys, size_t count)
{
    struct kernel_line_graph *graph = calloc(1, sizeof *graph);
    if (graph == NULL)
        return NULL;
    graph->count = count;
    graph->order = malloc((count + 1) * sizeof *graph->order);
    graph->ranks = malloc((count + 1) * sizeof *graph->ranks);
    graph->sides = calloc(count + 2, sizeof *graph->sides);
    bool fine = kernel_rank_set_init(&graph->labeled, count + 2);
    fine = kernel_rank_set_init(&graph->open, count + 2) && fine;
    if (!fine || graph->order == NULL || graph->ranks == NULL || graph->sides == NULL ||
        !kernel_sort_falling(keys, count, graph->order)) {
        kernel_line_graph_free(&graph);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        graph->ranks[graph->order[i]] = (uint32_t)i + 1;
    return graph;
}

void kernel_line_graph_free(struct kernel_line_graph **graph)
{
    if (*graph == NULL)
        return;
    free((*graph)->order);
    free((*graph)->ranks);
    free((*graph)->sides);
    free((*graph)->heap);
    kernel_rank_set_deinit(&(*graph)->labeled);
    kernel_rank_set_deinit(&(*graph)->open);
    free(*graph);
    *graph = NULL;
}

/* --- the heap ----------------------------------------------------------------------------------------------------------- */

static bool before(const struct stretch *a, const struct stretch *b)
{
    return a->worth < b->worth || (a->worth == b->worth && a->left < b->left);
}

static void push(struct kernel_line_graph *graph, struct stretch item)
{
    size_t hole = graph->heap_count++;
    while (hole > 0 && before(&item, &graph->heap[(hole - 1) / 2])) {
        graph->heap[hole] = graph->heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    graph->heap[hole] = item;
}

/* Puts `item` in the place of the first. */
static void replace_first(struct kernel_line_graph *graph, struct stretch item)
{
    size_t hole = 0;
    size_t child;
    while ((child = 2 * hole + 1) < graph->heap_count) {
        if (child + 1 < graph->heap_count && before(&graph->heap[child + 1], &graph->heap[child]))
            child++;
        if (!before(&graph->heap[child], &item))
            break;
        graph->heap[hole] = graph->heap[child];
        hole = child;
    }
    graph->heap[hole] = item;
}

static void drop_first(struct kernel_line_graph *graph)
{
    graph->heap_count--;
    if (graph->heap_count > 0)
        replace_first(graph, graph->heap[graph->heap_count]);
}

static bool make_room(struct kernel_line_graph *graph)
{
    size_t wanted = (graph->heap_count > graph->label_count ? graph->heap_count : graph->label_count) + 4;
    if (wanted <= graph->heap_room)
        return true;
    struct stretch *heap = realloc(graph->heap, 2 * wanted * sizeof *heap);
    if (heap == NULL)
        return false;
    graph->heap = heap;
    graph->heap_room = 2 * wanted;
    return true;
}

/* --- stretches ---------------------------------------------------------------------------------------------------------- */

/* The open rank nearest to a cut's two labels, the upper one of two. */
static size_t near_cut(const struct kernel_line_graph *graph, size_t left, size_t right)
{
    size_t above = kernel_rank_set_previous(&graph->open, left);
    size_t below = kernel_rank_set_next(&graph->open, right);
    if (above == KERNEL_RANK_NONE || below == KERNEL_RANK_NONE)
        return above == KERNEL_RANK_NONE ? below : above;
    return left - above <= below - right ? above : below;
}

/* The open rank nearest to the middle of a path, the upper one of two. */
static size_t near_middle(const struct kernel_line_graph *graph, size_t left, size_t right)
{
    size_t middle = (left + right) / 2;
    size_t above = kernel_rank_set_previous(&graph->open, middle);
    size_t below = kernel_rank_set_next(&graph->open, middle);
    if (above == KERNEL_RANK_NONE || above <= left)
        return below;
    if (below == KERNEL_RANK_NONE || below >= right)
        return above;
    return middle - above <= below - middle ? above : below;
}

/* What starts at the label `left`, and the rank to take of it. False where the next label is the same or nothing is open. */
static bool measure(const struct kernel_line_graph *graph, size_t left, struct stretch *out, size_t *rank)
{
    size_t right = kernel_rank_set_next(&graph->labeled, left + 1);
    if (right == KERNEL_RANK_NONE || graph->sides[left] == graph->sides[right])
        return false;
    if (kernel_rank_set_next(&graph->open, left) < right) {
        *rank = near_middle(graph, left, right);
        *out = (struct stretch){right - left, left};
        return true;
    }
    *rank = near_cut(graph, left, right);
    if (*rank == KERNEL_RANK_NONE)
        return false;
    *out = (struct stretch){CUT + (*rank < left ? left - *rank : *rank - right), left};
    return true;
}

static void push_from(struct kernel_line_graph *graph, size_t left)
{
    struct stretch stretch;
    size_t rank;
    if (measure(graph, left, &stretch, &rank))
        push(graph, stretch);
}

static bool label_rank(struct kernel_line_graph *graph, size_t rank, bool of_class)
{
    graph->label_count++;
    if (!make_room(graph))
        return false;
    graph->sides[rank] = of_class;
    kernel_rank_set_insert(&graph->labeled, rank);
    kernel_rank_set_remove(&graph->open, rank);
    return true;
}

bool kernel_line_graph_label(struct kernel_line_graph *graph, uint32_t node, bool of_class)
{
    size_t rank = graph->ranks[node];
    if (!label_rank(graph, rank, of_class))
        return false;
    size_t left = kernel_rank_set_previous(&graph->labeled, rank - 1);
    if (left != KERNEL_RANK_NONE)
        push_from(graph, left);
    push_from(graph, rank);
    return true;
}

/* Whether two labels differ. */
static bool has_path(const struct kernel_line_graph *graph)
{
    size_t first = kernel_rank_set_next(&graph->labeled, 0);
    for (size_t rank = first; rank != KERNEL_RANK_NONE; rank = kernel_rank_set_next(&graph->labeled, rank + 1)) {
        if (graph->sides[rank] != graph->sides[first])
            return true;
    }
    return false;
}

bool kernel_line_graph_close(struct kernel_line_graph *graph)
{
    return has_path(graph) || (label_rank(graph, 0, true) && label_rank(graph, graph->count + 1, false));
}

void kernel_line_graph_rewind(struct kernel_line_graph *graph, const uint8_t *open)
{
    kernel_rank_set_clear(&graph->open);
    for (size_t i = 0; i < graph->count; i++) {
        if (open[graph->order[i]] != 0)
            kernel_rank_set_insert(&graph->open, i + 1);
    }
    graph->heap_count = 0;
    size_t left = kernel_rank_set_next(&graph->labeled, 0);
    for (; left != KERNEL_RANK_NONE; left = kernel_rank_set_next(&graph->labeled, left + 1)) {
        kernel_rank_set_remove(&graph->open, left);
        push_from(graph, left);
    }
}

enum kernel_status kernel_line_graph_next(
    struct kernel_line_graph *graph, kernel_accept_fn *accept, void *context, uint32_t *node, size_t *length)
{
    while (graph->heap_count > 0) {
        struct stretch first = graph->heap[0];
        struct stretch now;
        size_t rank;
        bool there = measure(graph, first.left, &now, &rank);
        /* A stretch gets better by a label within it only, and that pushed what is left of it. */
        if (!there || before(&now, &first)) {
            drop_first(graph);
            continue;
        }
        if (before(&first, &now)) {
            replace_first(graph, now);
            continue;
        }
        *node = graph->order[rank - 1];
        *length = (size_t)(now.worth & (CUT - 1));
        if (accept(context, *node))
            return KERNEL_OK;
        kernel_rank_set_remove(&graph->open, rank);
    }
    return KERNEL_END;
}
