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

/* Node i is row slots[i]; those near to it, in no order worth relying on, are others[first[i]] .. others[first[i + 1] - 1]. */
struct kernel_ball_graph {
    size_t count;
    size_t *first;    /* [count + 1] */
    uint32_t *others; /* nodes; not the node itself */
};

/* More pairs than this are refused: 8 bytes each. */
enum { KERNEL_BALL_PAIRS_MAX = 1 << 27 };

/*
 * Over rows slots[0..count), all present. KERNEL_END: there are more than KERNEL_BALL_PAIRS_MAX pairs. `seed` is the sketch's;
 * the graph does not depend on it. `done` is kernel_ball_pairs's.
 */
enum kernel_status kernel_ball_graph_init(struct kernel_ball_graph *graph, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, float radius2, uint64_t seed, atomic_size_t *done);

/* Frees what init allocated, also after it failed. A zeroed graph is fine. */
void kernel_ball_graph_deinit(struct kernel_ball_graph *graph);
