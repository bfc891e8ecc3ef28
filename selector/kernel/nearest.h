/*
 * nearest.h - the k smallest values of what is offered, and the k nearest slots, in rising order of distance, then of slot.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Puts `value` among smallest[0..k), which rise; k >= 1. False: it is not below the last of them. */
static inline bool kernel_smallest_add(float *smallest, size_t k, float value)
{
    size_t at = k - 1;
    if (!(value < smallest[at]))
        return false;
    for (; at > 0 && value < smallest[at - 1]; at--)
        smallest[at] = smallest[at - 1];
    smallest[at] = value;
    return true;
}

/* The arrays [k] are the caller's. */
struct kernel_nearest {
    size_t k; /* >= 1 */
    uint32_t *slots;
    float *distances2;
};

static inline void kernel_nearest_init(struct kernel_nearest *nearest, size_t k, uint32_t *slots, float *distances2)
{
    *nearest = (struct kernel_nearest){k, slots, distances2};
    for (size_t i = 0; i < k; i++) {
        slots[i] = UINT32_MAX;
        distances2[i] = INFINITY;
    }
}

static inline float kernel_nearest_last(const struct kernel_nearest *nearest)
{
    return nearest->distances2[nearest->k - 1];
}

static inline bool kernel_nearest_before(const struct kernel_nearest *nearest, float distance2, uint32_t slot, size_t i)
{
    float other = nearest->distances2[i];
    return distance2 < other || (!(distance2 > other) && slot < nearest->slots[i]);
}

/* Offers a slot that has not been offered yet. False: it is not among the k. */
static inline bool kernel_nearest_add(struct kernel_nearest *nearest, float distance2, uint32_t slot)
{
    size_t at = nearest->k - 1;
    if (!kernel_nearest_before(nearest, distance2, slot, at))
        return false;
    for (; at > 0 && kernel_nearest_before(nearest, distance2, slot, at - 1); at--) {
        nearest->distances2[at] = nearest->distances2[at - 1];
        nearest->slots[at] = nearest->slots[at - 1];
    }
    nearest->distances2[at] = distance2;
    nearest->slots[at] = slot;
    return true;
}
