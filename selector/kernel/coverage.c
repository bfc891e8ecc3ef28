#include "selector/kernel/coverage_state.h"
#include "selector/kernel/vector.h"

#include <stdlib.h>

enum {
    BATCH_MIN = 32, /* candidates whose rows are computed together, doubled while more are wanted: reading all reference points
                     * for fewer takes as long */
    NEAR_TOP = 32 * COVERAGE_BATCH, /* places of the heap among which these are looked for */
};

static const size_t rows_max_default = (size_t)256 << 20;

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
    coverage->rows = calloc(count, sizeof *coverage->rows);
    bool ready = kernel_lazy_init(&coverage->lazy, coverage->key, input->candidates.count);
    size_t width = input->references.width;
    coverage->batch_rows = malloc((COVERAGE_BATCH * width + 1) * sizeof(float));
    coverage->rows_max = input->rows_bytes > 0 ? input->rows_bytes : rows_max_default;
    coverage->listed_max = kernel_coverage_listed(coverage);
    coverage->scratch_size = kernel_coverage_scratch(coverage);
    coverage->scratch = malloc(kernel_team_size(team) * coverage->scratch_size * sizeof(float));
    if (!ready || coverage->key == NULL || coverage->first_gain == NULL || coverage->gain == NULL || coverage->fresh == NULL ||
        coverage->rows == NULL || coverage->batch_rows == NULL || coverage->scratch == NULL)
        kernel_coverage_free(&coverage);
    return coverage;
}

static void drop_row(struct kernel_coverage *coverage, uint32_t index)
{
    atomic_fetch_sub(&coverage->row_bytes, kernel_similarity_row_bytes(&coverage->rows[index]));
    kernel_similarity_row_deinit(&coverage->rows[index]);
}

/* Lets go of all rows but those of the matrix. */
static void drop_rows(struct kernel_coverage *coverage)
{
    for (uint32_t i = 0; coverage->rows != NULL && coverage->matrix == NULL && i < coverage->input.candidates.count; i++)
        drop_row(coverage, i);
}

void kernel_coverage_free(struct kernel_coverage **pointer)
{
    struct kernel_coverage *coverage = *pointer;
    if (coverage == NULL)
        return;
    drop_rows(coverage);
    free(coverage->matrix);
    free(coverage->key);
    free(coverage->first_gain);
    free(coverage->gain);
    free(coverage->fresh);
    free(coverage->rows);
    kernel_lazy_deinit(&coverage->lazy);
    free(coverage->batch_rows);
    free(coverage->batch_values);
    free(coverage->scratch);
    free(coverage);
    *pointer = NULL;
}

static double divided(const struct kernel_coverage *coverage, uint32_t index, double gain)
{
    return coverage->input.divisor != NULL ? gain / coverage->input.divisor[index] : gain;
}

/* Nothing is taken, and every gain is that of the first pass. */
static void start(struct kernel_coverage *coverage)
{
    coverage->takes = 0;
    coverage->lazy.heap.count = 0;
    for (uint32_t i = 0; i < coverage->input.candidates.count; i++) {
        coverage->lazy.taken[i] = 0;
        coverage->fresh[i] = 0;
        coverage->gain[i] = coverage->first_gain[i];
        coverage->key[i] = divided(coverage, i, (double)coverage->gain[i]);
    }
}

enum kernel_status kernel_coverage_begin(struct kernel_coverage *coverage)
{
    enum kernel_status status = kernel_coverage_first_pass(coverage);
    if (status == KERNEL_OK)
        start(coverage);
    return status;
}

const float *kernel_coverage_first_gains(const struct kernel_coverage *coverage)
{
    return coverage->first_gain;
}

void kernel_coverage_reset(struct kernel_coverage *coverage)
{
    /* Rows have lost what was covered since. */
    drop_rows(coverage);
    start(coverage);
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
    size_t from = tile * COVERAGE_REFERENCES;
    struct kernel_points part = kernel_coverage_references(coverage, from, COVERAGE_REFERENCES);
    size_t size = coverage->lazy.batch_count;
    struct kernel_points batch = {coverage->batch_rows, coverage->batch_norm2, size, part.width};
    float *values = coverage->scratch + worker * coverage->scratch_size;
    kernel_distances(part.values, part.norm2, part.count, &batch, values);
    kernel_similarities(values, part.count * size, coverage->input.scale);
    for (size_t i = 0; i < size; i++) {
        float *to = coverage->batch_values + i * coverage->input.references.count + from;
        for (size_t r = 0; r < part.count; r++)
            to[r] = values[r * size + i];
    }
}

static void keep_batch_row(void *context, size_t i, unsigned worker)
{
    (void)worker;
    struct kernel_coverage *coverage = context;
    struct kernel_similarity_row *row = &coverage->rows[coverage->lazy.batch[i]];
    size_t count = coverage->input.references.count;
    if (kernel_similarity_row_init(row, coverage->batch_values + i * count, coverage->input.cover, count))
        atomic_fetch_add(&coverage->row_bytes, kernel_similarity_row_bytes(row));
}

/* Lets go of the rows of candidates at the far end of the heap, until half of what may be kept is. */
static void make_room(struct kernel_coverage *coverage)
{
    size_t batch_bytes = coverage->lazy.batch_count * (coverage->input.references.count + 1) * sizeof(float);
    if (atomic_load(&coverage->row_bytes) + batch_bytes <= coverage->rows_max)
        return;
    for (size_t i = coverage->lazy.heap.count; i-- > 0 && atomic_load(&coverage->row_bytes) > coverage->rows_max / 2;)
        drop_row(coverage, coverage->lazy.heap.items[i]);
    /* What is left is of candidates that were refused, and may never come again. */
    if (atomic_load(&coverage->row_bytes) > coverage->rows_max / 2)
        drop_rows(coverage);
}

static bool no_values(const void *self, uint32_t index)
{
    const struct kernel_coverage *coverage = self;
    return coverage->rows[index].values == NULL && kernel_coverage_has_row(coverage, index);
}

/* Candidates whose rows are computed together, at most: their values to all reference points are in memory then. */
static size_t batch_most(const struct kernel_coverage *coverage)
{
    size_t most = coverage->rows_max / 4 / sizeof(float) / (coverage->input.references.count + 1);
    return most > COVERAGE_BATCH ? COVERAGE_BATCH : most > 0 ? most : 1;
}

/* Lists up to `size` candidates near the top of the heap that have no values; the top itself has none. */
static void list_top(struct kernel_coverage *coverage, size_t size, kernel_accept_fn *accept, void *context)
{
    struct kernel_lazy *lazy = &coverage->lazy;
    lazy->batch_count = 0;
    for (size_t i = 0; i < lazy->heap.count && i < NEAR_TOP && lazy->batch_count < size; i++) {
        uint32_t index = lazy->heap.items[i];
        bool wanted = i == 0 || (no_values(coverage, index) && coverage->fresh[index] != coverage->takes);
        if (wanted && (accept == NULL || accept(context, index)))
            lazy->batch[lazy->batch_count++] = index;
    }
}

/* Computes the rows of the batch. */
static enum kernel_status fill_batch(struct kernel_coverage *coverage)
{
    size_t width = coverage->input.references.width;
    size_t references = coverage->input.references.count;
    if (coverage->batch_values == NULL)
        coverage->batch_values = malloc((batch_most(coverage) * references + 1) * sizeof *coverage->batch_values);
    if (coverage->batch_values == NULL)
        return KERNEL_NO_MEMORY;
    make_room(coverage);
    for (size_t i = 0; i < coverage->lazy.batch_count; i++) {
        kernel_gather(coverage->input.candidates.rows, &coverage->input.candidates.slots[coverage->lazy.batch[i]], 1,
            coverage->input.candidates.origin, coverage->batch_rows + i * width);
        coverage->batch_norm2[i] = kernel_norm2(coverage->batch_rows + i * width, width);
    }
    if (!kernel_team_run(coverage->team, (references + COVERAGE_REFERENCES - 1) / COVERAGE_REFERENCES, batch_tile, coverage) ||
        !kernel_team_run(coverage->team, coverage->lazy.batch_count, keep_batch_row, coverage))
        return KERNEL_STOPPED;
    return no_values(coverage, coverage->lazy.batch[0]) ? KERNEL_NO_MEMORY : KERNEL_OK;
}

/* Brings the gain of a candidate up to date, and leaves out of its row what is covered by now. */
static void refresh(struct kernel_coverage *coverage, uint32_t index)
{
    struct kernel_similarity_row *row = &coverage->rows[index];
    coverage->gain[index] = kernel_coverage_gain(coverage, index);
    coverage->fresh[index] = coverage->takes;
    coverage->key[index] = divided(coverage, index, (double)coverage->gain[index]);
    if (coverage->matrix != NULL)
        return;
    coverage->row_bytes -= kernel_similarity_row_bytes(row);
    kernel_similarity_row_shrink(row, coverage->input.cover);
    coverage->row_bytes += kernel_similarity_row_bytes(row);
}

enum kernel_status kernel_coverage_next(
    struct kernel_coverage *coverage, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    struct kernel_heap *heap = &coverage->lazy.heap;
    size_t most = batch_most(coverage);
    size_t batch = BATCH_MIN < most ? BATCH_MIN : most;
    uint32_t top;
    while (kernel_lazy_top(&coverage->lazy, accept, context, &top)) {
        if (no_values(coverage, top)) {
            list_top(coverage, batch, accept, context);
            enum kernel_status status = fill_batch(coverage);
            if (status != KERNEL_OK)
                return status;
            batch = 2 * batch < most ? 2 * batch : most;
            continue;
        }
        if (kernel_team_stopped(coverage->team))
            return KERNEL_STOPPED;
        kernel_heap_pop(heap);
        if (coverage->rows[top].values == NULL || coverage->fresh[top] == coverage->takes) {
            *index = top;
            *gain = (double)coverage->gain[top];
            return KERNEL_OK;
        }
        refresh(coverage, top);
        kernel_heap_push(heap, top);
    }
    return KERNEL_END;
}

void kernel_coverage_take(struct kernel_coverage *coverage, uint32_t index)
{
    coverage->lazy.taken[index] = 1;
    coverage->takes++;
    if (coverage->rows[index].values != NULL)
        kernel_similarity_row_raise(&coverage->rows[index], coverage->input.cover);
    if (coverage->matrix == NULL)
        drop_row(coverage, index);
}
