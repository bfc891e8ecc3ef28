#include "selector/kernel/similarity_row.h"

#include "selector/kernel/simd.h"

#include <stdlib.h>

/* An entry that is listed takes twice the memory of one that is not, and longer to add: so fewer than this part are listed. */
enum { LISTED_SHARE = 4 };

/* --- sums --------------------------------------------------------------------------------------------------------------- */

/* Of one block: sixteen running sums, by place, and one of the rest. */
KERNEL_INLINE void gain_of_block_body(const float *values, const float *cover, const float *weight, size_t count, float *gain)
{
    kernel_f8 zero = {0};
    kernel_f8 sum[2] = {0};
    size_t i = 0;
    for (; i + 2 * (size_t)KERNEL_LANES <= count; i += 2 * (size_t)KERNEL_LANES) {
        for (size_t s = 0; s < 2; s++) {
            kernel_f8 v, c, w;
            kernel_load8(values + i + s * KERNEL_LANES, &v);
            kernel_load8(cover + i + s * KERNEL_LANES, &c);
            kernel_load8(weight + i + s * KERNEL_LANES, &w);
            v = v - c;
            kernel_max8(&v, &zero, &v);
            sum[s] = sum[s] + v * w;
        }
    }
    float rest = 0;
    for (; i < count; i++)
        rest += values[i] > cover[i] ? (values[i] - cover[i]) * weight[i] : 0;
    kernel_f8 total = sum[0] + sum[1];
    *gain = kernel_sum8(&total) + rest;
}

KERNEL_VARIANTS(gain_of_block, (const float *values, const float *cover, const float *weight, size_t count, float *gain),
    (values, cover, weight, count, gain))

/* As gain_of_block, of the entries from `from` on that are in the block that begins at reference `first`; `count` points.
 * Adding nothing changes no sum, so that the bits are the same. Output: the first entry of a later block. */
static float gain_of_listed(const struct kernel_similarity_row *row, const float *cover, const float *weight, size_t first,
    size_t count, size_t from, size_t *next)
{
    float sums[2 * KERNEL_LANES] = {0};
    float rest = 0;
    size_t whole = count - count % (2 * (size_t)KERNEL_LANES);
    for (; from < row->count && row->references[from] < first + count; from++) {
        size_t reference = row->references[from];
        float open = row->values[from] - cover[reference];
        if (!(open > 0))
            continue;
        float *sum = reference - first < whole ? &sums[(reference - first) % (2 * KERNEL_LANES)] : &rest;
        *sum += open * weight[reference];
    }
    kernel_f8 low, high;
    kernel_load8(sums, &low);
    kernel_load8(sums + KERNEL_LANES, &high);
    low = low + high;
    *next = from;
    return kernel_sum8(&low) + rest;
}

double kernel_similarity_row_gain(const struct kernel_similarity_row *row, const float *cover, const float *weight)
{
    double gain = 0;
    for (size_t from = 0; row->references == NULL && from < row->count; from += SIMILARITY_BLOCK) {
        size_t count = row->count - from < SIMILARITY_BLOCK ? row->count - from : SIMILARITY_BLOCK;
        float of_block;
        gain_of_block(row->values + from, cover + from, weight + from, count, &of_block);
        gain += (double)of_block;
    }
    for (size_t i = 0; row->references != NULL && i < row->count;) {
        size_t first = row->references[i] - row->references[i] % SIMILARITY_BLOCK;
        size_t left = row->all - first;
        size_t count = left < SIMILARITY_BLOCK ? left : SIMILARITY_BLOCK;
        gain += (double)gain_of_listed(row, cover, weight, first, count, i, &i);
    }
    return gain;
}

KERNEL_INLINE void count_above_body(const float *values, const float *cover, size_t count, size_t *above)
{
    kernel_i8 open = {0};
    size_t i = 0;
    for (; i + KERNEL_LANES <= count; i += KERNEL_LANES) {
        kernel_f8 v, c;
        kernel_load8(values + i, &v);
        kernel_load8(cover + i, &c);
        open -= v > c;
    }
    *above = 0;
    for (; i < count; i++)
        *above += values[i] > cover[i];
    for (size_t l = 0; l < KERNEL_LANES; l++)
        *above += (size_t)open[l];
}

KERNEL_VARIANTS(
    count_above, (const float *values, const float *cover, size_t count, size_t *above), (values, cover, count, above))

size_t kernel_similarity_row_above(const struct kernel_similarity_row *row, const float *cover)
{
    size_t above = 0;
    if (row->references == NULL)
        count_above(row->values, cover, row->count, &above);
    for (size_t i = 0; row->references != NULL && i < row->count; i++)
        above += row->values[i] > cover[row->references[i]];
    return above;
}

/* --- rows --------------------------------------------------------------------------------------------------------------- */

/* One piece of memory: values, then references if they are listed. */
static bool allocate(struct kernel_similarity_row *row, size_t count, size_t all, bool listed)
{
    *row = (struct kernel_similarity_row){.values = malloc((count + 1) * (listed ? 2 : 1) * sizeof *row->values)};
    if (row->values == NULL)
        return false;
    row->count = count;
    row->all = all;
    row->references = listed ? (uint32_t *)(void *)(row->values + count) : NULL;
    return true;
}

/* Fills a row that lists its points with those of values[..] that are above the cover; `references` as a row's. */
static void copy_above(
    const float *values, const uint32_t *references, const float *cover, const struct kernel_similarity_row *row)
{
    for (size_t i = 0, at = 0; at < row->count; i++) {
        uint32_t reference = references != NULL ? references[i] : (uint32_t)i;
        if (!(values[i] > cover[reference]))
            continue;
        row->values[at] = values[i];
        row->references[at++] = reference;
    }
}

bool kernel_similarity_row_init(struct kernel_similarity_row *row, const float *values, const float *cover, size_t count)
{
    size_t above;
    count_above(values, cover, count, &above);
    if (above >= count / LISTED_SHARE) {
        if (!allocate(row, count, count, false))
            return false;
        memcpy(row->values, values, count * sizeof *values);
        return true;
    }
    if (!allocate(row, above, count, true))
        return false;
    copy_above(values, NULL, cover, row);
    return true;
}

bool kernel_similarity_row_list(
    struct kernel_similarity_row *row, const float *values, const uint32_t *references, size_t count, size_t all)
{
    if (!allocate(row, count, all, true))
        return false;
    memcpy(row->values, values, count * sizeof *values);
    memcpy(row->references, references, count * sizeof *references);
    return true;
}

void kernel_similarity_row_deinit(struct kernel_similarity_row *row)
{
    free(row->values);
    *row = (struct kernel_similarity_row){0};
}

size_t kernel_similarity_row_bytes(const struct kernel_similarity_row *row)
{
    return row->values == NULL ? 0 : (row->count + 1) * (row->references != NULL ? 2 : 1) * sizeof *row->values;
}

void kernel_similarity_row_shrink(struct kernel_similarity_row *row, const float *cover)
{
    size_t above = kernel_similarity_row_above(row, cover);
    bool much = row->references != NULL ? above < row->count / 2 : above < row->count / LISTED_SHARE;
    struct kernel_similarity_row kept;
    if (!much || !allocate(&kept, above, row->all, true))
        return;
    copy_above(row->values, row->references, cover, &kept);
    kernel_similarity_row_deinit(row);
    *row = kept;
}

float kernel_similarity_row_at(const struct kernel_similarity_row *row, uint32_t reference)
{
    if (row->references == NULL)
        return row->values[reference];
    size_t from = 0;
    size_t to = row->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (row->references[middle] < reference)
            from = middle + 1;
        else
            to = middle;
    }
    return from < row->count && row->references[from] == reference ? row->values[from] : 0;
}

void kernel_similarity_row_raise(const struct kernel_similarity_row *row, float *cover)
{
    for (size_t i = 0; i < row->count; i++) {
        size_t reference = row->references != NULL ? row->references[i] : i;
        cover[reference] = row->values[i] > cover[reference] ? row->values[i] : cover[reference];
    }
}
