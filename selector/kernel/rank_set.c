#include "selector/kernel/rank_set.h"

#include <stdlib.h>
#include <string.h>

enum { BITS = 64 };

bool kernel_rank_set_init(struct kernel_rank_set *set, size_t size)
{
    *set = (struct kernel_rank_set){.size = size};
    size_t count = size;
    do {
        count = (count + BITS - 1) / BITS;
        unsigned level = set->levels++;
        set->word_count[level] = count;
        set->words[level] = calloc(count, sizeof *set->words[level]);
        if (set->words[level] == NULL)
            return false;
    } while (count > 1);
    return true;
}

void kernel_rank_set_deinit(struct kernel_rank_set *set)
{
    for (unsigned level = 0; level < set->levels; level++)
        free(set->words[level]);
    *set = (struct kernel_rank_set){0};
}

void kernel_rank_set_clear(struct kernel_rank_set *set)
{
    for (unsigned level = 0; level < set->levels; level++)
        memset(set->words[level], 0, set->word_count[level] * sizeof *set->words[level]);
}

void kernel_rank_set_insert(struct kernel_rank_set *set, size_t number)
{
    for (unsigned level = 0; level < set->levels; level++) {
        set->words[level][number / BITS] |= UINT64_C(1) << (number % BITS);
        number /= BITS;
    }
}

void kernel_rank_set_remove(struct kernel_rank_set *set, size_t number)
{
    for (unsigned level = 0; level < set->levels; level++) {
        set->words[level][number / BITS] &= ~(UINT64_C(1) << (number % BITS));
        if (set->words[level][number / BITS] != 0)
            return;
        number /= BITS;
    }
}

size_t kernel_rank_set_next(const struct kernel_rank_set *set, size_t from)
{
    for (unsigned level = 0; level < set->levels && from / BITS < set->word_count[level]; level++) {
        uint64_t bits = set->words[level][from / BITS] >> (from % BITS);
        if (bits == 0) {
            from = from / BITS + 1;
            continue;
        }
        from += (size_t)__builtin_ctzll(bits);
        while (level-- > 0)
            from = from * BITS + (size_t)__builtin_ctzll(set->words[level][from]);
        return from;
    }
    return KERNEL_RANK_NONE;
}

size_t kernel_rank_set_previous(const struct kernel_rank_set *set, size_t from)
{
    from = from < set->size ? from : set->size - 1;
    for (unsigned level = 0; level < set->levels; level++) {
        uint64_t bits = set->words[level][from / BITS] << (BITS - 1 - from % BITS);
        if (bits != 0) {
            from -= (size_t)__builtin_clzll(bits);
            while (level-- > 0)
                from = from * BITS + BITS - 1 - (size_t)__builtin_clzll(set->words[level][from]);
            return from;
        }
        if (from < BITS)
            break;
        from = from / BITS - 1;
    }
    return KERNEL_RANK_NONE;
}
