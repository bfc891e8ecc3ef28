/*
 * lazy.h - what lazy greedy iterations share: candidates that wait in a heap by an upper bound of their gain.
 *
 * Gains only fall as others are taken, so an old one is an upper bound (Minoux, "Accelerated greedy algorithms for maximizing
 * submodular set functions", 1978). Stale candidates at the top are brought up to date by the batch and put back, until the top
 * one is up to date: it is then the best of all.
 */
#pragma once

#include "selector/kernel/heap.h"

/* Whether candidate number `index` may come next; asked again for every choice. */
typedef bool kernel_accept_fn(void *context, uint32_t index);

/* Whether a candidate's key is an old one. */
typedef bool kernel_stale_fn(const void *self, uint32_t index);

struct kernel_lazy {
    size_t count;
    struct kernel_heap heap; /* the candidates in the running */
    uint8_t *taken;          /* [count] 1: never again in the running */
    uint32_t *batch;         /* [count] candidates that are out to be brought up to date */
    size_t batch_count;
};

/* Of candidates 0..count-1 by keys[count], borrowed. False without memory; call kernel_lazy_deinit in any case. */
bool kernel_lazy_init(struct kernel_lazy *lazy, const double *keys, size_t count);
void kernel_lazy_deinit(struct kernel_lazy *lazy);

/* Puts every candidate that was not taken and that `accept` (NULL: all) accepts back in the running. */
void kernel_lazy_rewind(struct kernel_lazy *lazy, kernel_accept_fn *accept, void *context);

/* The first candidate of the heap, where it stays; those before it that `accept` refuses go. False: there is none. */
bool kernel_lazy_top(struct kernel_lazy *lazy, kernel_accept_fn *accept, void *context, uint32_t *top);

/* Takes up to `size` candidates from the heap's top, up to the first that is not stale, into the batch; what is refused goes.
 */
void kernel_lazy_pop_stale(
    struct kernel_lazy *lazy, size_t size, kernel_stale_fn *stale, const void *self, kernel_accept_fn *accept, void *context);

/* Puts the batch back in the heap. */
void kernel_lazy_push_batch(struct kernel_lazy *lazy);
