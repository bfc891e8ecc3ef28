/*
 * rank_set.h - a set of numbers below a bound, with its neighbours of any number found in a few steps: a tree of bitmaps, after
 * van Emde Boas ("Preserving order in a forest in less than logarithmic time", FOCS 1975), of 64 branches a node.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KERNEL_RANK_LEVELS = 6 };

#define KERNEL_RANK_NONE SIZE_MAX

/* One and a little bits a number. */
struct kernel_rank_set {
    size_t size;                         /* members are below it, 1..2^36 */
    uint64_t *words[KERNEL_RANK_LEVELS]; /* bit i of level l + 1: word i of level l has a bit */
    size_t word_count[KERNEL_RANK_LEVELS];
    unsigned levels;
};

/* Empty. False without memory. Free with kernel_rank_set_deinit in either case; a zeroed set is fine there. */
bool kernel_rank_set_init(struct kernel_rank_set *set, size_t size);
void kernel_rank_set_deinit(struct kernel_rank_set *set);

void kernel_rank_set_clear(struct kernel_rank_set *set);

/* Both for a member and for what is none. */
void kernel_rank_set_insert(struct kernel_rank_set *set, size_t number);
void kernel_rank_set_remove(struct kernel_rank_set *set, size_t number);

/* The least member from `from` on, and the greatest up to `from`; KERNEL_RANK_NONE where there is none. Any `from` goes. */
size_t kernel_rank_set_next(const struct kernel_rank_set *set, size_t from);
size_t kernel_rank_set_previous(const struct kernel_rank_set *set, size_t from);
