#include "selector/kernel/graph_cut.h"

#include "selector/kernel/centers.h"
#include "selector/kernel/vector.h"

#include <stdlib.h>

enum {
    TILE = 32,         /* candidates refreshed by one matrix product */
    TAKEN_MAX = 512,   /* what was taken, in one matrix product */
    BATCH_MIN = TILE,  /* candidates refreshed when the top of the heap is stale, doubled while it stays so */
    BATCH_MAX = 16384, /* so that a batch stays short of the time a cancel may take */
};

struct kernel_graph_cut {
    struct kernel_team *team;
    struct kernel_graph_cut_input input;
    double *near;   /* [candidates] similarity to the first seen[i] taken, summed */
    uint32_t *seen; /* [candidates] */
    double *key;    /* [candidates] gain over divisor, an upper bound while seen[i] < taken_count */
    struct kernel_lazy lazy;
    struct kernel_centers taken;
    float *scratch; /* for each worker: rows of a tile, their squared lengths, similarities */
    size_t scratch_size;
};

struct kernel_graph_cut *kernel_graph_cut_new(struct kernel_team *team, const struct kernel_graph_cut_input *input)
{
    struct kernel_graph_cut *cut = calloc(1, sizeof *cut);
    if (cut == NULL)
        return NULL;
    size_t count = input->candidates.count + 1;
    cut->team = team;
    cut->input = *input;
    kernel_centers_init(&cut->taken, input->candidates.rows, input->candidates.origin, NULL);
    cut->near = calloc(count, sizeof *cut->near);
    cut->seen = calloc(count, sizeof *cut->seen);
    cut->key = calloc(count, sizeof *cut->key);
    bool ready = kernel_lazy_init(&cut->lazy, cut->key, input->candidates.count);
    cut->scratch_size = TILE * (input->candidates.rows->width + 1 + TAKEN_MAX);
    cut->scratch = malloc(kernel_team_size(team) * cut->scratch_size * sizeof *cut->scratch);
    if (!ready || cut->near == NULL || cut->seen == NULL || cut->key == NULL || cut->scratch == NULL)
        kernel_graph_cut_free(&cut);
    return cut;
}

void kernel_graph_cut_free(struct kernel_graph_cut **pointer)
{
    struct kernel_graph_cut *cut = *pointer;
    if (cut == NULL)
        return;
    free(cut->near);
    free(cut->seen);
    free(cut->key);
    kernel_lazy_deinit(&cut->lazy);
    kernel_centers_deinit(&cut->taken);
    free(cut->scratch);
    free(cut);
    *pointer = NULL;
}

enum kernel_status kernel_graph_cut_add(struct kernel_graph_cut *cut, uint32_t slot)
{
    return kernel_centers_add(&cut->taken, slot) ? KERNEL_OK : KERNEL_NO_MEMORY;
}

static double gain_of(const struct kernel_graph_cut *cut, uint32_t index)
{
    return (double)cut->input.density[index] - cut->input.redundancy * (1 + 2 * cut->near[index]);
}

static void set_key(struct kernel_graph_cut *cut, uint32_t index)
{
    double divisor = cut->input.divisor != NULL ? cut->input.divisor[index] : 1;
    double gain = gain_of(cut, index);
    cut->key[index] = gain > 0 ? gain / divisor : gain * divisor;
}

/* Brings TILE candidates of the batch up to date. */
static void refresh_tile(void *context, size_t tile, unsigned worker)
{
    struct kernel_graph_cut *cut = context;
    const struct kernel_subset *candidates = &cut->input.candidates;
    size_t width = candidates->rows->width;
    const uint32_t *batch = cut->lazy.batch + tile * TILE;
    size_t count = cut->lazy.batch_count - tile * TILE < TILE ? cut->lazy.batch_count - tile * TILE : TILE;
    float *rows = cut->scratch + worker * cut->scratch_size;
    float *norm2 = rows + TILE * width;
    float *values = norm2 + TILE;
    size_t at = cut->taken.count;
    for (size_t i = 0; i < count; i++) {
        kernel_gather(candidates->rows, &candidates->slots[batch[i]], 1, candidates->origin, rows + i * width);
        norm2[i] = kernel_norm2(rows + i * width, width);
        at = cut->seen[batch[i]] < at ? cut->seen[batch[i]] : at;
    }
    for (; at < cut->taken.count && !kernel_team_poll(cut->team, worker); at += TAKEN_MAX) {
        size_t taken = cut->taken.count - at < TAKEN_MAX ? cut->taken.count - at : TAKEN_MAX;
        struct kernel_points part = {cut->taken.values + at * width, cut->taken.norm2 + at, taken, width};
        kernel_distances(rows, norm2, count, &part, values);
        kernel_similarities(values, count * taken, cut->input.scale);
        for (size_t i = 0; i < count; i++) {
            size_t skip = cut->seen[batch[i]] > at ? cut->seen[batch[i]] - at : 0;
            for (size_t j = skip; j < taken; j++)
                cut->near[batch[i]] += (double)values[i * taken + j];
        }
    }
    for (size_t i = 0; i < count; i++) {
        cut->seen[batch[i]] = (uint32_t)cut->taken.count;
        set_key(cut, batch[i]);
    }
}

static bool stale(const void *self, uint32_t index)
{
    const struct kernel_graph_cut *cut = self;
    return cut->seen[index] < cut->taken.count;
}

void kernel_graph_cut_rewind(struct kernel_graph_cut *cut, kernel_accept_fn *accept, void *context)
{
    for (uint32_t i = 0; i < cut->input.candidates.count; i++)
        set_key(cut, i);
    kernel_lazy_rewind(&cut->lazy, accept, context);
}

enum kernel_status kernel_graph_cut_next(
    struct kernel_graph_cut *cut, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    struct kernel_lazy *lazy = &cut->lazy;
    for (size_t batch = BATCH_MIN; kernel_lazy_top(lazy, accept, context, index); batch *= batch < BATCH_MAX ? 2 : 1) {
        if (!stale(cut, *index)) {
            kernel_heap_pop(&lazy->heap);
            *gain = gain_of(cut, *index);
            return KERNEL_OK;
        }
        kernel_lazy_pop_stale(lazy, batch, stale, cut, accept, context);
        bool done = kernel_team_run(cut->team, (lazy->batch_count + TILE - 1) / TILE, refresh_tile, cut);
        kernel_lazy_push_batch(lazy);
        if (!done)
            return KERNEL_STOPPED;
    }
    return KERNEL_END;
}

enum kernel_status kernel_graph_cut_take(struct kernel_graph_cut *cut, uint32_t index)
{
    cut->lazy.taken[index] = 1;
    return kernel_graph_cut_add(cut, cut->input.candidates.slots[index]);
}
