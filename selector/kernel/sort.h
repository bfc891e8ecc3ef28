/*
 * sort.h - numbers of items in the order of their keys, and short lists in rising order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * order[0..count) = 0..count-1 by falling keys[i], equal keys by rising i. Linear time. Keys are not NaN. False without memory.
 */
bool kernel_sort_falling(const double *keys, size_t count, uint32_t *order);

/*
 * The same order, found from the front as far as it is asked for: what is wanted is mostly a thousandth of what there is. Keys
 * are sorted into buckets of equal span; only buckets that are reached are put in order.
 */
struct kernel_order {
    const double *keys; /* borrowed */
    size_t count;
    uint32_t *items; /* [count]; the first `ready` are in order */
    size_t ready;    /* of items */
    size_t *sizes;   /* of the buckets */
    size_t bucket;   /* the first that is not in order yet */
    double most;     /* the largest key */
    double per_unit; /* buckets for a unit of key */
};

/* False without memory. Free with kernel_order_deinit in either case; a zeroed order is fine there. */
bool kernel_order_init(struct kernel_order *order, const double *keys, size_t count);
void kernel_order_deinit(struct kernel_order *order);

/* Puts items[0..end) in order, end <= count, and some beyond. False without memory. */
bool kernel_order_extend(struct kernel_order *order, size_t end);

/* Puts values in rising order, in place; none is NaN. */
void kernel_sort_floats(float *values, size_t count);
void kernel_sort_slots(uint32_t *slots, size_t count);
