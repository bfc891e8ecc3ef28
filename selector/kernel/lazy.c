#include "selector/kernel/lazy.h"

#include <stdlib.h>

bool kernel_lazy_init(struct kernel_lazy *lazy, const double *keys, size_t count)
{
    *lazy = (struct kernel_lazy){
        .count = count,
        .heap = {.items = malloc((count + 1) * sizeof *lazy->heap.items), .keys = keys},
        .taken = calloc(count + 1, sizeof *lazy->taken),
        .batch = malloc((count + 1) * sizeof *lazy->batch),
    };
    return lazy->heap.items != NULL && lazy->taken != NULL && lazy->batch != NULL;
}

void kernel_lazy_deinit(struct kernel_lazy *lazy)
{
    free(lazy->heap.items);
    free(lazy->taken);
    free(lazy->batch);
    *lazy = (struct kernel_lazy){0};
}

static bool accepted(kernel_accept_fn *accept, void *context, uint32_t index)
{
    return accept == NULL || accept(context, index);
}

void kernel_lazy_rewind(struct kernel_lazy *lazy, kernel_accept_fn *accept, void *context)
{
    lazy->heap.count = 0;
    for (size_t i = 0; i < lazy->count; i++) {
        if (!lazy->taken[i] && accepted(accept, context, (uint32_t)i))
            lazy->heap.items[lazy->heap.count++] = (uint32_t)i;
    }
    kernel_heap_build(&lazy->heap);
}

bool kernel_lazy_top(struct kernel_lazy *lazy, kernel_accept_fn *accept, void *context, uint32_t *top)
{
    for (; lazy->heap.count > 0; kernel_heap_pop(&lazy->heap)) {
        *top = lazy->heap.items[0];
        if (accepted(accept, context, *top))
            return true;
    }
    return false;
}

void kernel_lazy_pop_stale(
    struct kernel_lazy *lazy, size_t size, kernel_stale_fn *stale, const void *self, kernel_accept_fn *accept, void *context)
{
    lazy->batch_count = 0;
    while (lazy->heap.count > 0 && lazy->batch_count < size && stale(self, lazy->heap.items[0])) {
        uint32_t index = kernel_heap_pop(&lazy->heap);
        if (accepted(accept, context, index))
            lazy->batch[lazy->batch_count++] = index;
    }
}

void kernel_lazy_push_batch(struct kernel_lazy *lazy)
{
    for (size_t i = 0; i < lazy->batch_count; i++)
        kernel_heap_push(&lazy->heap, lazy->batch[i]);
}
