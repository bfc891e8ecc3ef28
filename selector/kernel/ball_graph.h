/*
 * ball_graph.h - which rows are nearer to each other than a radius.
 *
 * The pairs are those of ball_pairs.h.
 */
#pragma once

#include "selector/kernel/rows.h"
#include "selector/kernel/status.h"
#include "selector/kernel/team.h"

#include <stdatomic.h>

/*
 * Node i is row slots[i]. What is near to it is held by its place in a sketch, where near rows are close together: as runs of
 * places of one tile, a byte for each place.
 */
struct kernel_ball_graph {
    size_t count;
    uint32_t *nodes;  /* [count] node at each place */
    uint32_t *places; /* [count] place of each node */
    size_t *first;    /* [count + 1] where the runs of each place begin */
    uint8_t *runs;
};

/* More pairs than about this are refused: 3 to 12 bytes each, the fewer the more of them are of the same tiles. */
enum { KERNEL_BALL_PAIRS_MAX = 1 << 27 };

/*
 * Over rows slots[0..count), all present. KERNEL_END: there are more than KERNEL_BALL_PAIRS_MAX pairs. `seed` is the sketch's;
 * the graph does not depend on it. `done` is kernel_ball_pairs's.
 */
enum kernel_status kernel_ball_graph_init(struct kernel_ball_graph *graph, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, float radius2, uint64_t seed, atomic_size_t *done);

/* Lists the nodes near to a node, itself not among them, in no order worth relying on: others [count]. Returns how many. */
size_t kernel_ball_graph_near(const struct kernel_ball_graph *graph, uint32_t node, uint32_t *others);

/* Frees what init allocated, also after it failed. A zeroed graph is fine. */
void kernel_ball_graph_deinit(struct kernel_ball_graph *graph);
