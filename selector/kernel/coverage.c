#include "selector/kernel/coverage.h"

#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    BEGIN_TILE = 256, /* candidates in one matrix product of the first pass */
    BATCH_MIN = 32,   /* candidates whose kernel values are computed together, doubled while more are wanted: reading all
                       * reference points for fewer takes as long */
    BATCH_MAX = 128,
    NEAR_TOP = 32 * BATCH_MAX, /* places of the heap among which these are looked for */
    REFERENCE_TILE = 512,      /* reference points in one matrix product */
};

/* Bytes of kernel values kept at most: of a whole square, or of the candidates looked at lately. */
static const size_t square_max = (size_t)512 << 20;
static const size_t cache_max = (size_t)256 << 20;

struct kernel_coverage {
    struct kernel_team *team;
    struct kernel_coverage_input input;
    double *key;       /* [candidates] gain / divisor, an upper bound while old */
    float *first_gain; /* [candidates] of the first pass */
    float *gain;       /* [candidates] at `fresh` */
    uint32_t *fresh;   /* [candidates] number of takes + 1 when gain was computed; 0: an estimate of the first pass */
    float **kernel;    /* [candidates] values to every reference point, or NULL */
    float *matrix;     /* [candidates x references], which kernel[] points into; NULL: each is allocated by itself */
    size_t cached;     /* rows allocated by themselves */
    struct kernel_lazy lazy;
    uint32_t takes;
    /* Of the pass that is running. */
    float *scratch;
    size_t scratch_size;
    float *batch_rows; /* [BATCH_MAX x width] */
    float batch_norm2[BATCH_MAX];
};

/* sum weight * max(0, kernel - cover), in a fixed order, so that it never rises while cover rises. */
KERNEL_INLINE void gain_of_body(const float *kernel, const float *cover, const float *weight, size_t count, float *gain)
{
    kernel_f8 zero = {0};
    kernel_f8 sum[2] = {0};
    size_t i = 0;
    for (; i + 2 * (size_t)KERNEL_LANES <= count; i += 2 * (size_t)KERNEL_LANES) {
        for (size_t s = 0; s < 2; s++) {
            kernel_f8 k, c, w;
            kernel_load8(kernel + i + s * KERNEL_LANES, &k);
            kernel_load8(cover + i + s * KERNEL_LANES, &c);
            kernel_load8(weight + i + s * KERNEL_LANES, &w);
            k = k - c;
            kernel_max8(&k, &zero, &k);
            sum[s] = sum[s] + k * w;
        }
    }
    float rest = 0;
    for (; i < count; i++)
        rest += kernel[i] > cover[i] ? (kernel[i] - cover[i]) * weight[i] : 0;
    kernel_f8 total = sum[0] + sum[1];
    *gain = kernel_sum8(&total) + rest;
}

KERNEL_VARIANTS(gain_of, (const float *kernel, const float *cover, const float *weight, size_t count, float *gain),
    (kernel, cover, weight, count, gain))

struct kernel_coverage *kernel_coverage_new(struct kernel_team *team, const struct kernel_coverage_input *input)
{
    struct kernel_coverage *coverage = calloc(1, sizeof *coverage);
    if (coverage == NULL)
        return NULL;
    size_t count = input->candidates.count + 1;
    coverage->team = team;
    coverage->input = *input;
    coverage->key = calloc(count, sizeof *coverage->key);
    coverage->first_gain = calloc(count, sizeof *coverage->first_gain);
    coverage->gain = calloc(count, sizeof *coverage->gain);
    coverage->fresh = calloc(count, sizeof *coverage->fresh);
    coverage->kernel = calloc(count, sizeof *coverage->kernel);
    bool ready = kernel_lazy_init(&coverage->lazy, coverage->key, input->candidates.count);
    size_t width = input->references.width;
    coverage->batch_rows = malloc((BATCH_MAX * width + 1) * sizeof(float));
    coverage->scratch_size = BEGIN_TILE * (width + 1 + REFERENCE_TILE);
    coverage->scratch = malloc(kernel_team_size(team) * coverage->scratch_size * sizeof(float));
    if (!ready || coverage->key == NULL || coverage->first_gain == NULL || coverage->gain == NULL || coverage->fresh == NULL ||
        coverage->kernel == NULL || coverage->batch_rows == NULL || coverage->scratch == NULL)
        kernel_coverage_free(&coverage);
    return coverage;
}

void kernel_coverage_free(struct kernel_coverage **pointer)
{
    struct kernel_coverage *coverage = *pointer;
    if (coverage == NULL)
        return;
    for (size_t i = 0; coverage->kernel != NULL && coverage->matrix == NULL && i < coverage->input.candidates.count; i++)
        free(coverage->kernel[i]);
    free(coverage->matrix);
    free(coverage->key);
    free(coverage->first_gain);
    free(coverage->gain);
    free(coverage->fresh);
    free(coverage->kernel);
    kernel_lazy_deinit(&coverage->lazy);
    free(coverage->batch_rows);
    free(coverage->scratch);
    free(coverage);
    *pointer = NULL;
}

static double divided(const struct kernel_coverage *coverage, uint32_t index, double gain)
{
    return coverage->input.divisor != NULL ? gain / coverage->input.divisor[index] : gain;
}

static bool has_row(const struct kernel_coverage *coverage, uint32_t index)
{
    return kernel_row(coverage->input.candidates.rows, coverage->input.candidates.slots[index]) != NULL;
}

static uint32_t own_of(const struct kernel_coverage *coverage, uint32_t index)
{
    return coverage->input.own != NULL ? coverage->input.own[index] : UINT32_MAX;
}

/* What a gain holds too much, its own reference counted in full; `self` is the kernel's value there. */
static float excess_of(const struct kernel_coverage *coverage, uint32_t own, float self)
{
    float open = self - coverage->input.cover[own];
    return open > 0 ? coverage->input.excess[own] * open : 0;
}

/* The gain of a candidate whose kernel values are at hand. */
static float full_gain(const struct kernel_coverage *coverage, uint32_t index)
{
    const struct kernel_coverage_input *input = &coverage->input;
    const float *kernel = coverage->kernel[index];
    uint32_t own = own_of(coverage, index);
    float gain;
    gain_of(kernel, input->cover, input->weight, input->references.count, &gain);
    if (own != UINT32_MAX)
        gain -= excess_of(coverage, own, kernel[own]);
    return gain > 0 ? gain : 0;
}

/* --- the first pass ----------------------------------------------------------------------------------------------------- */

/* The reference points from number `from` on, at most `most` of them. */
static struct kernel_points references_from(const struct kernel_coverage *coverage, size_t from, size_t most)
{
    const struct kernel_points *all = &coverage->input.references;
    return (struct kernel_points){.values = all->values + from * all->width,
        .norm2 = all->norm2 + from,
        .count = all->count - from < most ? all->count - from : most,
        .width = all->width};
}

static void begin_tile(void *context, size_t tile, unsigned worker)
{
    struct kernel_coverage *coverage = context;
    const struct kernel_coverage_input *input = &coverage->input;
    const struct kernel_subset *candidates = &input->candidates;
    size_t width = input->references.width;
    size_t first = tile * BEGIN_TILE;
    size_t count = candidates->count - first < BEGIN_TILE ? candidates->count - first : BEGIN_TILE;
    float *rows = coverage->scratch + worker * coverage->scratch_size;
    float *norm2 = rows + BEGIN_TILE * width;
    float *values = norm2 + BEGIN_TILE;
    double gains[BEGIN_TILE] = {0};
    kernel_gather(candidates->rows, candidates->slots + first, count, candidates->origin, rows);
    for (size_t i = 0; i < count; i++)
        norm2[i] = kernel_norm2(rows + i * width, width);
    for (size_t at = 0; at < input->references.count && !kernel_team_poll(coverage->team, worker); at += REFERENCE_TILE) {
        struct kernel_points part = references_from(coverage, at, REFERENCE_TILE);
        kernel_distances(rows, norm2, count, &part, values);
        kernel_similarities(values, count * part.count, input->scale);
        for (size_t i = 0; i < count; i++) {
            float gain;
            gain_of(values + i * part.count, input->cover + at, input->weight + at, part.count, &gain);
            gains[i] += (double)gain;
            uint32_t own = own_of(coverage, (uint32_t)(first + i));
            if (own >= at && own - at < part.count)
                gains[i] -= (double)excess_of(coverage, own, values[i * part.count + own - at]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t index = (uint32_t)(first + i);
        bool present = has_row(coverage, index);
        coverage->first_gain[index] = present ? (float)fmax(gains[i], 0) : input->alone != NULL ? input->alone[index] : 0;
    }
}

/* --- the first pass, where the references are the candidates ------------------------------------------------------------ */

/* Kernel values of one block on or above the diagonal, and of its mirror image. */
static void square_tile(void *context, size_t tile, unsigned worker)
{
    struct kernel_coverage *coverage = context;
    const struct kernel_points *points = &coverage->input.references;
    size_t row = 0;
    size_t blocks = (points->count + BEGIN_TILE - 1) / BEGIN_TILE;
    for (; tile >= blocks - row; row++)
        tile -= blocks - row;
    size_t from = row * BEGIN_TILE;
    size_t at = (row + tile) * BEGIN_TILE;
    struct kernel_points rows = references_from(coverage, from, BEGIN_TILE);
    struct kernel_points columns = references_from(coverage, at, BEGIN_TILE);
    size_t count = points->count;
    float *values = coverage->scratch + worker * coverage->scratch_size;
    kernel_distances(rows.values, rows.norm2, rows.count, &columns, values);
    kernel_similarities(values, rows.count * columns.count, coverage->input.scale);
    for (size_t i = 0; i < rows.count; i++)
        memcpy(coverage->matrix + (from + i) * count + at, values + i * columns.count, columns.count * sizeof *values);
    for (size_t j = 0; j < columns.count; j++) {
        float *mirror = coverage->matrix + (at + j) * count + from;
        for (size_t i = 0; i < rows.count; i++)
            mirror[i] = values[i * columns.count + j];
    }
}

static float first_gain(const struct kernel_coverage *coverage, uint32_t index)
{
    const float *alone = coverage->input.alone;
    return coverage->kernel[index] != NULL ? full_gain(coverage, index) : alone != NULL ? alone[index] : 0;
}

static void square_gain_tile(void *context, size_t tile, unsigned worker)
{
    (void)worker;
    struct kernel_coverage *coverage = context;
    for (size_t i = tile * BEGIN_TILE; i < coverage->input.candidates.count && i < (tile + 1) * BEGIN_TILE; i++)
        coverage->first_gain[i] = first_gain(coverage, (uint32_t)i);
}

/* Memory by large pages where there are any: with small ones a first touch costs as much as the values do. */
static float *allocate_large(size_t count)
{
    const size_t page = (size_t)2 << 20;
    size_t bytes = (count * sizeof(float) + page - 1) / page * page;
    float *memory = aligned_alloc(page, bytes);
    if (memory != NULL)
        madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static enum kernel_status begin_square(struct kernel_coverage *coverage)
{
    size_t candidates = coverage->input.candidates.count;
    size_t count = coverage->input.references.count;
    size_t blocks = (count + BEGIN_TILE - 1) / BEGIN_TILE;
    coverage->matrix = allocate_large(count * count);
    if (coverage->matrix == NULL)
        return KERNEL_NO_MEMORY;
    for (uint32_t i = 0; i < candidates; i++) {
        uint32_t own = own_of(coverage, i);
        coverage->kernel[i] = own != UINT32_MAX ? coverage->matrix + own * count : NULL;
    }
    bool done = kernel_team_run(coverage->team, blocks * (blocks + 1) / 2, square_tile, coverage) &&
                kernel_team_run(coverage->team, (candidates + BEGIN_TILE - 1) / BEGIN_TILE, square_gain_tile, coverage);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status kernel_coverage_begin(struct kernel_coverage *coverage)
{
    size_t count = coverage->input.candidates.count;
    size_t references = coverage->input.references.count;
    enum kernel_status status;
    if (coverage->input.square && references > 0 && references <= square_max / sizeof(float) / references)
        status = begin_square(coverage);
    else
        status = kernel_team_run(coverage->team, (count + BEGIN_TILE - 1) / BEGIN_TILE, begin_tile, coverage) ? KERNEL_OK
                                                                                                              : KERNEL_STOPPED;
    if (status == KERNEL_OK)
        kernel_coverage_reset(coverage);
    return status;
}

const float *kernel_coverage_first_gains(const struct kernel_coverage *coverage)
{
    return coverage->first_gain;
}

void kernel_coverage_reset(struct kernel_coverage *coverage)
{
    coverage->takes = 0;
    coverage->lazy.heap.count = 0;
    for (size_t i = 0; i < coverage->input.candidates.count; i++) {
        coverage->lazy.taken[i] = 0;
        coverage->fresh[i] = coverage->matrix != NULL;
        coverage->gain[i] = coverage->first_gain[i];
        /* A product of another shape may round up where the first pass rounded down; the bound leaves room for it. */
        bool rounded = coverage->matrix == NULL && has_row(coverage, (uint32_t)i);
        double bound = rounded ? (double)coverage->gain[i] * 1.001 + 1e-12 : (double)coverage->gain[i];
        coverage->key[i] = divided(coverage, (uint32_t)i, bound);
    }
}

/* --- the iteration ------------------------------------------------------------------------------------------------------ */

void kernel_coverage_rewind(struct kernel_coverage *coverage, kernel_accept_fn *accept, void *context)
{
    kernel_lazy_rewind(&coverage->lazy, accept, context);
}

/* Kernel values of the batch to one tile of reference points, these as rows: there are more of them, and they are packed in no
 * product (gemm.h). */
static void batch_tile(void *context, size_t tile, unsigned worker)
{
    struct kernel_coverage *coverage = context;
    size_t from = tile * REFERENCE_TILE;
    struct kernel_points part = references_from(coverage, from, REFERENCE_TILE);
    size_t size = coverage->lazy.batch_count;
    struct kernel_points batch = {coverage->batch_rows, coverage->batch_norm2, size, part.width};
    float *values = coverage->scratch + worker * coverage->scratch_size;
    kernel_distances(part.values, part.norm2, part.count, &batch, values);
    kernel_similarities(values, part.count * size, coverage->input.scale);
    for (size_t i = 0; i < size; i++) {
        float *kernel = coverage->kernel[coverage->lazy.batch[i]] + from;
        for (size_t r = 0; r < part.count; r++)
            kernel[r] = values[r * size + i];
    }
}

/* Lets go of the values of the candidates at the far end of the heap, until half of what may be kept is. */
static void make_room(struct kernel_coverage *coverage)
{
    size_t most = cache_max / sizeof(float) / (coverage->input.references.count + 1);
    if (coverage->cached + BATCH_MAX <= most)
        return;
    for (size_t i = coverage->lazy.heap.count; i-- > 0 && coverage->cached > most / 2;) {
        float **kernel = &coverage->kernel[coverage->lazy.heap.items[i]];
        coverage->cached -= *kernel != NULL;
        free(*kernel);
        *kernel = NULL;
    }
}

static bool no_values(const void *self, uint32_t index)
{
    const struct kernel_coverage *coverage = self;
    return coverage->kernel[index] == NULL && has_row(coverage, index);
}

/* Lists up to `size` candidates near the top of the heap that have no values; the top itself has none. */
static void list_top(struct kernel_coverage *coverage, size_t size, kernel_accept_fn *accept, void *context)
{
    struct kernel_lazy *lazy = &coverage->lazy;
    lazy->batch_count = 0;
    for (size_t i = 0; i < lazy->heap.count && i < NEAR_TOP && lazy->batch_count < size; i++) {
        uint32_t index = lazy->heap.items[i];
        if (no_values(coverage, index) && (accept == NULL || accept(context, index)))
            lazy->batch[lazy->batch_count++] = index;
    }
}

/* Computes the kernel values of the batch. */
static enum kernel_status fill_batch(struct kernel_coverage *coverage)
{
    size_t width = coverage->input.references.width;
    make_room(coverage);
    for (size_t i = 0; i < coverage->lazy.batch_count; i++) {
        uint32_t index = coverage->lazy.batch[i];
        coverage->kernel[index] = malloc((coverage->input.references.count + 1) * sizeof(float));
        if (coverage->kernel[index] == NULL)
            return KERNEL_NO_MEMORY;
        coverage->cached++;
        kernel_gather(coverage->input.candidates.rows, &coverage->input.candidates.slots[index], 1,
            coverage->input.candidates.origin, coverage->batch_rows + i * width);
        coverage->batch_norm2[i] = kernel_norm2(coverage->batch_rows + i * width, width);
    }
    size_t tiles = (coverage->input.references.count + REFERENCE_TILE - 1) / REFERENCE_TILE;
    return kernel_team_run(coverage->team, tiles, batch_tile, coverage) ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status kernel_coverage_next(
    struct kernel_coverage *coverage, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    struct kernel_heap *heap = &coverage->lazy.heap;
    size_t batch = BATCH_MIN;
    uint32_t top;
    while (kernel_lazy_top(&coverage->lazy, accept, context, &top)) {
        if (no_values(coverage, top)) {
            list_top(coverage, batch, accept, context);
            enum kernel_status status = fill_batch(coverage);
            if (status != KERNEL_OK)
                return status;
            batch = batch < BATCH_MAX ? 2 * batch : BATCH_MAX;
            continue;
        }
        kernel_heap_pop(heap);
        if (coverage->kernel[top] == NULL || coverage->fresh[top] == coverage->takes + 1) {
            *index = top;
            *gain = (double)coverage->gain[top];
            return KERNEL_OK;
        }
        coverage->gain[top] = full_gain(coverage, top);
        coverage->fresh[top] = coverage->takes + 1;
        coverage->key[top] = divided(coverage, top, (double)coverage->gain[top]);
        kernel_heap_push(heap, top);
    }
    return KERNEL_END;
}

void kernel_coverage_take(struct kernel_coverage *coverage, uint32_t index)
{
    coverage->lazy.taken[index] = 1;
    coverage->takes++;
    const float *kernel = coverage->kernel[index];
    float *cover = coverage->input.cover;
    for (size_t r = 0; kernel != NULL && r < coverage->input.references.count; r++)
        cover[r] = kernel[r] > cover[r] ? kernel[r] : cover[r];
}
