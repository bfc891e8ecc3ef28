/*
 * team.h - a few threads that share out fixed tiles of one job at a time.
 *
 * A job's result must not depend on which thread does which tile: every tile writes its own output, or outputs are joined by
 * an operation whose order cannot show (a maximum). Then any number of threads gives the same bits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct kernel_team;

/* Does one tile. `worker` is below kernel_team_size: an index for scratch memory. */
typedef void kernel_tile_fn(void *context, size_t tile, unsigned worker);

/* Asked by the calling thread only, between its tiles and while it waits for the others; true stops the job. */
typedef bool kernel_stop_fn(void *context);

/* A team of `threads` (0: one a processor, at most 64), the caller included. NULL without memory. Free with kernel_team_free.
 */
struct kernel_team *kernel_team_new(unsigned threads, kernel_stop_fn *stop, void *stop_context);
void kernel_team_free(struct kernel_team **team);

unsigned kernel_team_size(const struct kernel_team *team);

/* Does tiles 0..tiles-1 and returns when all are done. False if `stop` said so: some tiles are then not done. */
bool kernel_team_run(struct kernel_team *team, size_t tiles, kernel_tile_fn *tile, void *context);

/* From within a long tile: whether to leave it undone. The calling thread asks `stop`, the others see its answer. */
bool kernel_team_poll(struct kernel_team *team, unsigned worker);

/* How much of the job that is running has been begun, 0..1; 0 where none is. For the calling thread only. */
double kernel_team_share(const struct kernel_team *team);

/* Asks `stop` outside of a job; true: stop. */
bool kernel_team_stopped(struct kernel_team *team);
