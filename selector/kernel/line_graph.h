/*
 * line_graph.h - nodes in the order of a key, each joined to the next, and the search for where their labels change.
 *
 * That is one linear graph of GALAXY (Zhang, Katz-Samuels and Nowak, "GALAXY: graph-based active learning at the extreme", ICML
 * 2022), searched as S2 does (Dasarathy, Nowak and Zhu, COLT 2015): the next node is the middle of the shortest path between
 * two labels that differ. Where all such paths are cut down to one edge, the paper joins nodes two apart, then three, and so on
 * until there is a path again; what that finds is the open node nearest to any cut, which is looked for directly. Between nodes
 * as good, the one of the higher key. Where no two labels differ, the paper takes nodes by chance; here the ends of the line
 * count as labelled then, the first as being of the class and the last as not, so that there is always a path.
 */
#pragma once

#include "selector/kernel/lazy.h"
#include "selector/kernel/status.h"

struct kernel_line_graph;

/* Of nodes 0..count-1, count < 2^32, in the order of falling keys[node], without a NaN, equal ones by number. The keys are not
 * kept. 9 bytes a node. NULL without memory. Free with kernel_line_graph_free. */
struct kernel_line_graph *kernel_line_graph_new(const double *keys, size_t count);
void kernel_line_graph_free(struct kernel_line_graph **graph);

/* Makes a label known: whether the node is of the class. It never comes again. False without memory. */
bool kernel_line_graph_label(struct kernel_line_graph *graph, uint32_t node, bool of_class);

/* Labels the ends of the line where no two labels differ; for when the first labels are known. False without memory. */
bool kernel_line_graph_close(struct kernel_line_graph *graph);

/* Puts every node that has no label and for which open[node] is not 0 in the running. Call once before _next. */
void kernel_line_graph_rewind(struct kernel_line_graph *graph, const uint8_t *open);

/*
 * The next node, and the length of what it was found by: the edges of the path that it halves, or its distance to the cut. A
 * node that `accept` refuses is passed over until the next rewind. KERNEL_END when there is none. Takes O(log count) and what
 * is refused. It stays in the running until it is labelled or refused.
 */
enum kernel_status kernel_line_graph_next(
    struct kernel_line_graph *graph, kernel_accept_fn *accept, void *context, uint32_t *node, size_t *length);
