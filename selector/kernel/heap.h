/*
 * heap.h - a binary heap of item numbers: highest key first, equal keys by lowest number. So the order of what comes out is a
 * function of the keys alone, whatever the order of what went in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `items` has room for every item that is ever in; a key may change only while its item is out. All arrays are the caller's. */
struct kernel_heap {
    uint32_t *items;
    const double *keys; /* by item number, no NaN */
    size_t count;
};

static inline bool kernel_heap_before(const struct kernel_heap *heap, uint32_t a, uint32_t b)
{
    double x = heap->keys[a];
    double y = heap->keys[b];
    return x > y || (x >= y && a < b);
}

static inline void kernel_heap_sink(struct kernel_heap *heap, size_t hole, uint32_t item)
{
    size_t child;
    while ((child = 2 * hole + 1) < heap->count) {
        if (child + 1 < heap->count && kernel_heap_before(heap, heap->items[child + 1], heap->items[child]))
            child++;
        if (!kernel_heap_before(heap, heap->items[child], item))
            break;
        heap->items[hole] = heap->items[child];
        hole = child;
    }
    heap->items[hole] = item;
}

/* Orders items[0..count), which the caller has filled in any order. */
static inline void kernel_heap_build(struct kernel_heap *heap)
{
    for (size_t i = heap->count / 2; i-- > 0;)
        kernel_heap_sink(heap, i, heap->items[i]);
}

static inline void kernel_heap_push(struct kernel_heap *heap, uint32_t item)
{
    size_t hole = heap->count++;
    while (hole > 0) {
        size_t parent = (hole - 1) / 2;
        if (!kernel_heap_before(heap, item, heap->items[parent]))
            break;
        heap->items[hole] = heap->items[parent];
        hole = parent;
    }
    heap->items[hole] = item;
}

/* Takes the first item out; count > 0. */
static inline uint32_t kernel_heap_pop(struct kernel_heap *heap)
{
    uint32_t first = heap->items[0];
    uint32_t last = heap->items[--heap->count];
    if (heap->count > 0)
        kernel_heap_sink(heap, 0, last);
    return first;
}
