#include "selector/kernel/sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Six passes over 64 bits; the counts of a pass stay in the first-level cache. */
enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

/* At least so many items are put in order at once, and so many times what is already. */
enum { BUCKETS = 8192, STEP = 2048, GROWTH = 4 };

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
        /* One digit for all, as the last ones of what was a float are. */
        if (count > 0 && start[from[0].key >> shift & (DIGITS - 1)] == count)
            continue;
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

/* Rounding keeps the order: a larger key is never in a later bucket. */
static size_t bucket_of(const struct kernel_order *order, double key)
{
    double bucket = (order->most - key) * order->per_unit;
    return bucket < BUCKETS - 1 ? (size_t)bucket : BUCKETS - 1;
}

bool kernel_order_init(struct kernel_order *order, const double *keys, size_t count)
{
    *order = (struct kernel_order){.keys = keys,
        .count = count,
        .items = malloc((count + 1) * sizeof *order->items),
        .sizes = calloc(BUCKETS, sizeof *order->sizes),
        .most = -INFINITY};
    if (order->items == NULL || order->sizes == NULL)
        return false;
    double least = INFINITY;
    for (size_t i = 0; i < count; i++) {
        order->most = keys[i] > order->most ? keys[i] : order->most;
        least = keys[i] < least ? keys[i] : least;
    }
    double span = order->most - least;
    order->per_unit = span > 0 ? BUCKETS / span : 0;
    /* A span that no number holds, or of next to nothing: all in one bucket. */
    if (!isfinite(span) || !isfinite(order->per_unit))
        order->per_unit = 0;
    for (size_t i = 0; i < count; i++)
        order->sizes[bucket_of(order, keys[i])]++;
    return true;
}

void kernel_order_deinit(struct kernel_order *order)
{
    free(order->items);
    free(order->sizes);
    *order = (struct kernel_order){0};
}

/* Appends the `added` items of buckets bucket..end-1, in order. */
static bool append(struct kernel_order *order, size_t end, size_t added)
{
    uint32_t *items = order->items + order->ready;
    uint32_t *rank = malloc((added + 1) * sizeof *rank);
    uint32_t *found = malloc((added + 1) * sizeof *found);
    double *keys = malloc((added + 1) * sizeof *keys);
    bool ok = rank != NULL && found != NULL && keys != NULL;
    size_t count = 0;
    for (size_t i = 0; ok && count < added; i++) {
        size_t bucket = bucket_of(order, order->keys[i]);
        if (bucket >= order->bucket && bucket < end) {
            found[count] = (uint32_t)i;
            keys[count++] = order->keys[i];
        }
    }
    ok = ok && kernel_sort_falling(keys, added, rank);
    for (size_t i = 0; ok && i < added; i++)
        items[i] = found[rank[i]];
    free(rank);
    free(found);
    free(keys);
    return ok;
}

bool kernel_order_extend(struct kernel_order *order, size_t end)
{
    if (end <= order->ready)
        return true;
    size_t wanted = GROWTH * order->ready > STEP ? GROWTH * order->ready : STEP;
    wanted = wanted > end ? wanted : end;
    size_t bucket = order->bucket;
    size_t added = 0;
    while (bucket < BUCKETS && order->ready + added < wanted)
        added += order->sizes[bucket++];
    if (!append(order, bucket, added))
        return false;
    order->bucket = bucket;
    order->ready += added;
    return true;
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

void kernel_sort_floats(float *values, size_t count)
{
    if (count > 0)
        qsort(values, count, sizeof *values, compare_floats);
}

static int compare_slots(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void kernel_sort_slots(uint32_t *slots, size_t count)
{
    if (count > 0)
        qsort(slots, count, sizeof *slots, compare_slots);
}
