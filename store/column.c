#include "store/column.h"

#include <stdlib.h>
#include <string.h>

struct column_id column_of_model(uint32_t project, enum column_kind kind, int64_t version)
{
    struct column_id id = {.project = project, .kind = kind, .name_size = 8};
    for (int i = 0; i < 8; i++)
        id.name[i] = (char)((uint64_t)version >> (56 - 8 * i));
    return id;
}

struct column_id column_of_space(uint32_t project, const char *space, size_t size)
{
    struct column_id id = {.project = project, .kind = COLUMN_EMBEDDINGS};
    id.name_size = (uint8_t)(size < sizeof id.name ? size : sizeof id.name);
    memcpy(id.name, space, id.name_size);
    return id;
}

static struct key key_of_column(const struct column_id *id)
{
    struct key key = key_project(id->project);
    key_add_u8(&key, (uint8_t)id->kind);
    key_add_text(&key, id->name, id->name_size);
    return key;
}

/* The name's size comes before it, so that no column's blocks are a prefix of another's. */
static struct key key_of_blocks(const struct column_id *id)
{
    struct key key = key_project(id->project);
    key_add_u8(&key, (uint8_t)id->kind);
    key_add_u8(&key, id->name_size);
    key_add_text(&key, id->name, id->name_size);
    return key;
}

static struct key key_of_block(const struct column_id *id, uint32_t number)
{
    struct key key = key_of_blocks(id);
    key_add_u32(&key, number);
    return key;
}

bool column_get(struct txn *txn, const struct column_id *id, struct column *column)
{
    const struct key key = key_of_column(id);
    return txn_get_record(txn, VECTORS_COLUMNS, &key, column, sizeof *column);
}

static size_t row_size(const struct column *column)
{
    return (size_t)column->width * array_dtype_size((enum array_dtype)column->dtype);
}

static size_t class_row_size(const struct column_id *id, const struct column *column)
{
    return id->kind == COLUMN_TOPK ? column->width * sizeof(uint16_t) : 0;
}

/* The size of a stored block without its padding. */
static size_t content_size(const struct column_id *id, const struct column *column)
{
    return sizeof(struct block) + COLUMN_BLOCK_ROWS * (row_size(column) + class_row_size(id, column));
}

static size_t block_size(const struct txn *txn, const struct column_id *id, const struct column *column)
{
    const size_t content = content_size(id, column);
    const size_t minimum = txn->database->page_bytes / 2;
    return content > minimum ? content : minimum;
}

void column_each(struct txn *txn, uint32_t project, enum column_kind kind,
    bool (*visit)(void *context, const struct column_id *id, const struct column *column), void *context)
{
    struct key prefix = key_project(project);
    key_add_u8(&prefix, (uint8_t)kind);
    struct cursor cursor;
    cursor_open(&cursor, txn, VECTORS_COLUMNS, &prefix, NULL);
    while (cursor_next(&cursor)) {
        struct column_id id = {.project = project, .kind = kind};
        struct column column;
        const size_t name_size = cursor.key.size - prefix.size;
        if (cursor.data.size != sizeof column || name_size > sizeof id.name) {
            txn_corrupt(txn);
            break;
        }
        id.name_size = (uint8_t)name_size;
        memcpy(id.name, (const char *)cursor.key.data + prefix.size, name_size);
        memcpy(&column, cursor.data.data, sizeof column);
        if (!visit(context, &id, &column))
            break;
    }
    cursor_close(&cursor);
}

static bool keep_first(void *context, const struct column_id *id, const struct column *column)
{
    if (column->order == 1)
        *(struct column_id *)context = *id;
    return column->order != 1;
}

bool column_first_space(struct txn *txn, uint32_t project, struct column_id *id)
{
    id->name_size = 0;
    column_each(txn, project, COLUMN_EMBEDDINGS, keep_first, id);
    return id->name_size > 0;
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

static bool count_one(void *context, const struct column_id *id, const struct column *column)
{
    (void)id;
    uint64_t *order = context;
    if (column->order > *order)
        *order = column->order;
    return true;
}

/* One row of the input, with where it goes. */
struct placed {
    uint32_t slot;
    uint32_t row;
};

static int compare_placed(const void *left, const void *right)
{
    const uint32_t a = ((const struct placed *)left)->slot;
    const uint32_t b = ((const struct placed *)right)->slot;
    return (a > b) - (a < b);
}

/* The rows in order of slot, so that each block is written once. NULL: out of memory. */
static struct placed *place(const struct column_rows *rows)
{
    struct placed *placed = malloc(rows->count * sizeof *placed);
    if (!placed)
        return NULL;
    bool rising = true;
    for (size_t i = 0; i < rows->count; i++) {
        placed[i] = (struct placed){rows->slots[i], (uint32_t)i};
        rising = rising && (i == 0 || rows->slots[i - 1] < rows->slots[i]);
    }
    if (!rising)
        qsort(placed, rows->count, sizeof *placed, compare_placed);
    return placed;
}

/* Writes rows that all belong to one block. `scratch` has room for a block. Returns how many rows are new; SIZE_MAX on failure.
 */
static size_t write_block(struct txn *txn, const struct column_id *id, const struct column *column, const struct placed *placed,
    size_t count, const struct column_rows *rows, uint8_t *scratch)
{
    const size_t row_bytes = row_size(column);
    const size_t class_bytes = class_row_size(id, column);
    const size_t block_bytes = block_size(txn, id, column);
    const struct key key = key_of_block(id, placed[0].slot / COLUMN_BLOCK_ROWS);
    struct value old;
    const bool exists = txn_get(txn, VECTORS_BLOCKS, &key, &old);
    if (exists && old.size != block_bytes) {
        txn_corrupt(txn);
        return SIZE_MAX;
    }
    /* A whole new block is filled in place; what is changed is copied out first, since the old pages go with the write. */
    const bool whole = count == COLUMN_BLOCK_ROWS && block_bytes == content_size(id, column);
    if (exists)
        memcpy(scratch, old.data, whole ? sizeof(struct block) : block_bytes);
    uint8_t *bytes = txn_put_reserve(txn, VECTORS_BLOCKS, &key, block_bytes);
    if (!bytes)
        return SIZE_MAX;
    if (exists)
        memcpy(bytes, scratch, whole ? sizeof(struct block) : block_bytes);
    else
        memset(bytes, 0, whole ? sizeof(struct block) : block_bytes);

    struct block *block = (struct block *)(void *)bytes;
    block->row_bytes = (uint32_t)row_bytes;
    block->class_row_bytes = (uint32_t)class_bytes;
    uint8_t *first_row = bytes + sizeof *block;
    uint8_t *first_class = first_row + COLUMN_BLOCK_ROWS * row_bytes;
    size_t added = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t at = placed[i].slot % COLUMN_BLOCK_ROWS;
        const uint8_t bit = (uint8_t)(1u << (at % 8));
        added += (block->present[at / 8] & bit) == 0;
        block->present[at / 8] |= bit;
        memcpy(first_row + at * row_bytes, rows->rows + placed[i].row * row_bytes, row_bytes);
        if (class_bytes > 0)
            memcpy(first_class + at * class_bytes, rows->classes + placed[i].row * class_bytes, class_bytes);
    }
    return added;
}

void column_write(
    struct txn *txn, const struct column_id *id, enum array_dtype dtype, size_t width, const struct column_rows *rows)
{
    if (rows->count == 0 || txn->status != DATABASE_OK)
        return;
    struct column column;
    if (!column_get(txn, id, &column)) {
        column = (struct column){.dtype = (uint32_t)dtype, .width = (uint32_t)width};
        column_each(txn, id->project, id->kind, count_one, &column.order);
        column.order++;
    }
    const size_t block_bytes = block_size(txn, id, &column);
    struct placed *placed = place(rows);
    uint8_t *scratch = malloc(block_bytes);
    if (!placed || !scratch) {
        txn->status = DATABASE_NO_MEMORY;
        goto done;
    }
    column.rewrites += placed[0].slot < column.high;
    for (size_t i = 0; i < rows->count;) {
        size_t end = i + 1;
        while (end < rows->count && placed[end].slot / COLUMN_BLOCK_ROWS == placed[i].slot / COLUMN_BLOCK_ROWS)
            end++;
        const size_t added = write_block(txn, id, &column, placed + i, end - i, rows, scratch);
        if (added == SIZE_MAX)
            goto done;
        column.rows += added;
        i = end;
    }
    const uint64_t high = (uint64_t)placed[rows->count - 1].slot + 1;
    column.high = high > column.high ? high : column.high;
    const struct key key = key_of_column(id);
    txn_put(txn, VECTORS_COLUMNS, &key, &column, sizeof column);
done:
    free(scratch);
    free(placed);
}

void column_delete(struct txn *txn, const struct column_id *id)
{
    const struct key key = key_of_column(id);
    const struct key blocks = key_of_blocks(id);
    if (txn_delete(txn, VECTORS_COLUMNS, &key))
        txn_delete_prefix(txn, VECTORS_BLOCKS, &blocks);
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

/* Checks a stored block against its column; NULL where it doesn't fit. */
static const struct block *check_block(
    const struct txn *txn, const struct column_id *id, const struct column *column, struct value value)
{
    const size_t row_bytes = row_size(column);
    const size_t class_bytes = class_row_size(id, column);
    const struct block *block = value.data;
    if (value.size != block_size(txn, id, column) || block->row_bytes != row_bytes || block->class_row_bytes != class_bytes)
        return NULL;
    return block;
}

/* Hides the rows of a block from `limit` on. */
static void cut_bitmap(struct column_view *view, size_t block, size_t limit)
{
    for (size_t row = 0; row < COLUMN_BLOCK_ROWS; row++)
        if (block * COLUMN_BLOCK_ROWS + row < limit)
            view->last_bitmap[row / 8] |= (uint8_t)(view->present[block][row / 8] & (1u << (row % 8)));
    view->present[block] = view->last_bitmap;
}

static void fill_view(struct column_view *view, struct txn *txn, const struct column_id *id, size_t limit)
{
    const struct key prefix = key_of_blocks(id);
    const size_t end = limit < view->count ? limit : view->count;
    struct cursor cursor;
    cursor_open(&cursor, txn, VECTORS_BLOCKS, &prefix, NULL);
    while (cursor_next(&cursor)) {
        const struct block *block = check_block(txn, id, &view->column, cursor.data);
        if (!block || cursor.key.size != prefix.size + 4) {
            txn_corrupt(txn);
            break;
        }
        const size_t number = key_read_u32((const uint8_t *)cursor.key.data + prefix.size);
        if (number * COLUMN_BLOCK_ROWS >= end)
            break;
        const uint8_t *rows = (const uint8_t *)(block + 1);
        view->blocks[number] = rows;
        view->present[number] = block->present;
        if (view->class_blocks)
            view->class_blocks[number] = rows + COLUMN_BLOCK_ROWS * view->row_bytes;
        if ((number + 1) * COLUMN_BLOCK_ROWS > end)
            cut_bitmap(view, number, end);
    }
    cursor_close(&cursor);
}

bool column_view_init(struct column_view *view, struct txn *txn, const struct column_id *id, size_t count, size_t limit)
{
    memset(view, 0, sizeof *view);
    if (!column_get(txn, id, &view->column))
        return false;
    view->count = count;
    view->row_bytes = row_size(&view->column);
    view->class_row_bytes = class_row_size(id, &view->column);
    const size_t blocks = (count + COLUMN_BLOCK_ROWS - 1) / COLUMN_BLOCK_ROWS + 1;
    view->blocks = calloc(blocks, sizeof *view->blocks);
    view->present = calloc(blocks, sizeof *view->present);
    view->class_blocks = view->class_row_bytes > 0 ? calloc(blocks, sizeof *view->class_blocks) : NULL;
    view->last_bitmap = calloc(1, COLUMN_BLOCK_ROWS / 8);
    if (!view->blocks || !view->present || !view->last_bitmap || (view->class_row_bytes > 0 && !view->class_blocks))
        txn->status = DATABASE_NO_MEMORY;
    else
        fill_view(view, txn, id, limit);
    if (txn->status == DATABASE_OK)
        return true;
    column_view_deinit(view);
    return false;
}

void column_view_deinit(struct column_view *view)
{
    free(view->blocks);
    free(view->present);
    free(view->class_blocks);
    free(view->last_bitmap);
    memset(view, 0, sizeof *view);
}

bool column_row(struct txn *txn, const struct column_id *id, uint32_t slot, struct column *column, const uint8_t **row,
    const uint8_t **classes)
{
    struct value value;
    const struct key key = key_of_block(id, slot / COLUMN_BLOCK_ROWS);
    if (!column_get(txn, id, column) || !txn_get(txn, VECTORS_BLOCKS, &key, &value))
        return false;
    const struct block *block = check_block(txn, id, column, value);
    if (!block)
        return txn_corrupt(txn);
    const size_t at = slot % COLUMN_BLOCK_ROWS;
    const uint8_t *rows = (const uint8_t *)(block + 1);
    *row = rows + at * row_size(column);
    if (classes)
        *classes = rows + COLUMN_BLOCK_ROWS * row_size(column) + at * class_row_size(id, column);
    return block->present[at / 8] >> (at % 8) & 1;
}

bool column_recount(struct txn *txn, const struct column_id *id, const struct column *column, uint64_t *rows)
{
    const struct key prefix = key_of_blocks(id);
    struct cursor cursor;
    bool sound = true;
    *rows = 0;
    cursor_open(&cursor, txn, VECTORS_BLOCKS, &prefix, NULL);
    while (sound && cursor_next(&cursor)) {
        const struct block *block = check_block(txn, id, column, cursor.data);
        sound = block != NULL;
        for (size_t i = 0; sound && i < sizeof block->present; i++)
            *rows += (uint64_t)__builtin_popcount(block->present[i]);
    }
    cursor_close(&cursor);
    return sound;
}
