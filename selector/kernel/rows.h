/*
 * rows.h - a read-only view of a matrix whose rows live in blocks.
 *
 * The store keeps every column in blocks of rows inside its memory map, and a caller with one contiguous array has the
 * same thing with equally spaced blocks. Everything in kernel/ reads this one shape, so no data is copied to be selected from.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum kernel_dtype {
    KERNEL_F32, /* IEEE binary32, little endian */
    KERNEL_F16, /* IEEE binary16, little endian */
};

/*
 * Row i is at blocks[i / rows_per_block] + (i % rows_per_block) * row_bytes. The view owns nothing: the arrays it points to
 * must outlive it. Any number of threads may read one view. Values are finite: whoever builds the view has checked that.
 */
struct kernel_rows {
    size_t count;              /* rows, absent ones included */
    size_t width;              /* elements in a row */
    size_t row_bytes;          /* distance from one row to the next, in bytes */
    enum kernel_dtype dtype;   /* of every element */
    size_t rows_per_block;     /* > 0 */
    const void *const *blocks; /* one pointer a block; NULL: all rows of the block are absent; no alignment is promised */
    const uint8_t *const
        *present; /* a bitmap a block (bit r of byte r / 8), or NULL: every row of a non-NULL block is present */
};

/* The k most probable classes of each row, in order of falling probability. Both views have the same count and width k. */
struct kernel_topk {
    struct kernel_rows probability;  /* k elements a row */
    const void *const *class_blocks; /* as probability.blocks, but of k uint16_t class indices a row */
    size_t class_row_bytes;          /* distance from one row of class_blocks to the next, in bytes */
};
