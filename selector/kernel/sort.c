#include "selector/kernel/sort.h"

#include <stdlib.h>
#include <string.h>

/* Six passes over 64 bits; the counts of a pass stay in the first-level cache. */
enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

/* An unsigned number that rises as `key` falls. */
static uint64_t falling(double key)
{
    uint64_t bits;
    double plus = key + 0.0; /* -0 becomes 0 */
    memcpy(&bits, &plus, sizeof bits);
    return bits >> 63 ? bits : ~bits & 0x7fffffffffffffffU;
}

/* A radix sort from the lowest digit, each pass stable, so equal keys stay in order. */
bool kernel_sort_falling(const double *keys, size_t count, uint32_t *order)
{
    struct entry {
        uint64_t key;
        uint32_t item;
    } *from = malloc((count + 1) * sizeof *from), *to = malloc((count + 1) * sizeof *to);
    size_t *start = malloc(DIGITS * sizeof *start);
    bool ok = from != NULL && to != NULL && start != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        from[i].key = falling(keys[i]);
        from[i].item = (uint32_t)i;
    }
    for (unsigned shift = 0; ok && shift < 64; shift += DIGIT_BITS) {
        memset(start, 0, DIGITS * sizeof *start);
        for (size_t i = 0; i < count; i++)
            start[from[i].key >> shift & (DIGITS - 1)]++;
        size_t sum = 0;
        for (size_t d = 0; d < DIGITS; d++) {
            size_t here = start[d];
            start[d] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++)
            to[start[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
        struct entry *swap = from;
        from = to;
        to = swap;
    }
    for (size_t i = 0; ok && i < count; i++)
        order[i] = from[i].item;
    free(from);
    free(to);
    free(start);
    return ok;
}
