/*
 * similarity_row.h - how similar one candidate is to reference points, as far as that can still raise a coverage.
 *
 * A coverage only rises, so a reference point that is covered as well as the candidate could never counts again. Where few are
 * left the row lists them; else it has a value for each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_similarity_row {
    float *values;        /* [count]; NULL: there is no row */
    uint32_t *references; /* [count] rising; NULL: all, in order */
    size_t count;
    size_t all; /* reference points there are */
};

/* Keeps what of values[count], one for each reference point, is above cover[count]. False without memory. */
bool kernel_similarity_row_init(struct kernel_similarity_row *row, const float *values, const float *cover, size_t count);

/* As above, of `count` entries that are listed already, of `all` reference points. */
bool kernel_similarity_row_list(
    struct kernel_similarity_row *row, const float *values, const uint32_t *references, size_t count, size_t all);

/* Frees the row, and leaves none. A zeroed row is fine. */
void kernel_similarity_row_deinit(struct kernel_similarity_row *row);

/* Memory it takes, in bytes. */
size_t kernel_similarity_row_bytes(const struct kernel_similarity_row *row);

enum { SIMILARITY_BLOCK = 512 }; /* reference points whose gain is a float; those of blocks are added as doubles */

/*
 * sum weight * max(0, value - cover) over the row's reference points. A row that lists its points gives the bits of one that
 * does not, and the sum of the gains of its blocks is that of the row: it never rises while cover does.
 */
double kernel_similarity_row_gain(const struct kernel_similarity_row *row, const float *cover, const float *weight);

/* How many of the row's values are above the cover. */
size_t kernel_similarity_row_above(const struct kernel_similarity_row *row, const float *cover);

/* Leaves out what is not above the cover, where that saves much. Without memory the row stays as it is. */
void kernel_similarity_row_shrink(struct kernel_similarity_row *row, const float *cover);

/* The value at a reference point, 0 where it is not listed. */
float kernel_similarity_row_at(const struct kernel_similarity_row *row, uint32_t reference);

/* Raises the cover to the row's values. */
void kernel_similarity_row_raise(const struct kernel_similarity_row *row, float *cover);
