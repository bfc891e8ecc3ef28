/*
 * column.h - predictions and embeddings: one row a sample, in blocks that a scan reads straight from the map.
 *
 * A block holds COLUMN_BLOCK_ROWS rows: a header with a bitmap of the rows that are there, then all rows (absent ones zero),
 * then for top-k predictions all rows of classes, then zeros up to half a page. Rows belong in blocks because LMDB gives a
 * value of half a page or more whole pages: they are aligned in the map, and can be read in place. Writers belong to the
 * columns thread.
 */
#pragma once

#include "protocol/array.h"
#include "store/store.h"

enum { COLUMN_BLOCK_ROWS = 256 };

/* What a column holds: the kind is part of its key. */
enum column_kind {
    COLUMN_PROBABILITIES = 'p', /* by model version: one probability a class */
    COLUMN_DRAWS = 'd',         /* by model version: draws x classes, with COLUMN_PROBABILITIES their mean, row for row */
    COLUMN_TOPK = 'k',          /* by model version: k probabilities, and k classes of two bytes */
    COLUMN_UTILITY = 'u',       /* by model version: one number */
    COLUMN_EMBEDDINGS = 'e',    /* by space */
};

/* Which column. */
struct column_id {
    uint32_t project;
    enum column_kind kind;
    uint8_t name_size;
    char name[64]; /* a space's name, or 8 bytes of a model version */
};

struct column {
    uint64_t rows;     /* present ones */
    uint64_t high;     /* 1 + the highest slot ever written */
    uint64_t rewrites; /* how many pushes touched rows below `high`: REPLAY compares it */
    uint64_t order;    /* 1 for the first column of its kind in the project, and so on */
    uint32_t dtype;    /* enum array_dtype of the rows: ARRAY_F4 or ARRAY_F2 */
    uint32_t width;    /* elements a row */
};
_Static_assert(sizeof(struct column) == 40, "a stored record");

struct block {
    uint32_t row_bytes;
    uint32_t class_row_bytes; /* of COLUMN_TOPK, else 0 */
    uint64_t unused[3];
    uint8_t present[COLUMN_BLOCK_ROWS / 8];
} __attribute__((packed)); /* LMDB promises nothing of the address of a value inside a page */
_Static_assert(sizeof(struct block) == 64, "a stored record");

struct column_id column_of_model(uint32_t project, enum column_kind kind, int64_t version);
struct column_id column_of_space(uint32_t project, const char *space, size_t size);

bool column_get(struct txn *txn, const struct column_id *id, struct column *column);

/* The embedding space that was pushed first; false where there is none. */
bool column_first_space(struct txn *txn, uint32_t project, struct column_id *id);

/* Calls `visit` for each column of a kind until it answers false. */
void column_each(struct txn *txn, uint32_t project, enum column_kind kind,
    bool (*visit)(void *context, const struct column_id *id, const struct column *column), void *context);

/* Rows to write: row i belongs to slots[i]. */
struct column_rows {
    size_t count;
    const uint32_t *slots;  /* each at most once */
    const uint8_t *rows;    /* count x width elements of the column's dtype */
    const uint8_t *classes; /* count x width x uint16_t for COLUMN_TOPK, else NULL */
};

/* Writes the rows; creates the column from dtype and width where it is missing. An existing one must have the same (checked by
 * the caller). */
void column_write(
    struct txn *txn, const struct column_id *id, enum array_dtype dtype, size_t width, const struct column_rows *rows);

/* Deletes the column and its blocks. */
void column_delete(struct txn *txn, const struct column_id *id);

/* A view into the map, valid as long as the transaction. Its arrays are owned by it. */
struct column_view {
    struct column column;
    size_t count; /* rows, absent ones included */
    size_t row_bytes;
    size_t class_row_bytes;
    const void **blocks;       /* [blocks] first row of each block, NULL: absent */
    const void **class_blocks; /* [blocks] likewise for COLUMN_TOPK, else NULL */
    const uint8_t **present;   /* [blocks] bitmaps */
    uint8_t *last_bitmap;      /* where `limit` cuts a block */
};

/*
 * The first `count` rows, of which those at or beyond `limit` read as absent. False where the column doesn't exist, on
 * corruption, or out of memory (txn->status tells). Partner: column_view_deinit.
 */
bool column_view_init(struct column_view *view, struct txn *txn, const struct column_id *id, size_t count, size_t limit);
void column_view_deinit(struct column_view *view);

/* One row, read straight from the map; false where it is absent. `classes` is an optional output, NULL unless the column is
 * COLUMN_TOPK. */
bool column_row(struct txn *txn, const struct column_id *id, uint32_t slot, struct column *column, const uint8_t **row,
    const uint8_t **classes);

/* Recounts the column's rows from its blocks; false where a block is malformed. */
bool column_recount(struct txn *txn, const struct column_id *id, const struct column *column, uint64_t *rows);
