#include "selector/kernel/finite.h"

#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <stdatomic.h>

enum { TILE_BYTES = 1 << 20 };

/* The exponent of what is not finite is all ones. Answers the bits that some element has all of them. */
KERNEL_INLINE void check32_body(const char *values, size_t count, bool *finite)
{
    const int32_t ones = 0x7f800000;
    kernel_i8 bad = {0};
    int32_t rest = 0;
    size_t i = 0;
    for (; i + KERNEL_LANES <= count; i += KERNEL_LANES) {
        kernel_i8 bits;
        memcpy(&bits, values + i * sizeof(float), sizeof bits);
        bad |= (bits & ones) == ones;
    }
    for (; i < count; i++) {
        int32_t bits;
        memcpy(&bits, values + i * sizeof(float), sizeof bits);
        rest |= (bits & ones) == ones;
    }
    for (size_t lane = 0; lane < KERNEL_LANES; lane++)
        rest |= bad[lane];
    *finite = rest == 0;
}

KERNEL_VARIANTS(check32, (const char *values, size_t count, bool *finite), (values, count, finite))

typedef int16_t half16 __attribute__((vector_size(32)));

KERNEL_INLINE void check16_body(const char *values, size_t count, bool *finite)
{
    enum { LANES = 16 };
    const int16_t ones = 0x7c00;
    half16 bad = {0};
    int rest = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        half16 bits;
        memcpy(&bits, values + i * sizeof ones, sizeof bits);
        bad |= (bits & ones) == ones;
    }
    for (; i < count; i++) {
        int16_t bits;
        memcpy(&bits, values + i * sizeof bits, sizeof bits);
        rest |= (bits & ones) == ones;
    }
    for (size_t lane = 0; lane < LANES; lane++)
        rest |= bad[lane];
    *finite = rest == 0;
}

KERNEL_VARIANTS(check16, (const char *values, size_t count, bool *finite), (values, count, finite))

bool kernel_finite(const void *values, enum kernel_dtype dtype, size_t count)
{
    bool finite;
    if (dtype == KERNEL_F16)
        check16(values, count, &finite);
    else
        check32(values, count, &finite);
    return finite;
}

struct search {
    const struct kernel_rows *rows;
    size_t tile_rows;
    atomic_size_t first; /* the lowest row found: a minimum does not show who found it */
};

/* Whether rows from..end-1 lie in one piece, as those of a whole block do, and all are finite: then none need be looked at. */
static bool finite_piece(const struct kernel_rows *rows, size_t from, size_t end)
{
    size_t bytes = rows->width * (rows->dtype == KERNEL_F16 ? 2 : 4);
    bool piece =
        rows->row_bytes == bytes && rows->present == NULL && from / rows->rows_per_block == (end - 1) / rows->rows_per_block;
    const void *first = piece ? kernel_row(rows, from) : NULL;
    return first != NULL && kernel_finite(first, rows->dtype, (end - from) * rows->width);
}

static void search_tile(void *context, size_t tile, unsigned worker)
{
    struct search *search = context;
    const struct kernel_rows *rows = search->rows;
    size_t end = (tile + 1) * search->tile_rows < rows->count ? (tile + 1) * search->tile_rows : rows->count;
    (void)worker;
    if (finite_piece(rows, tile * search->tile_rows, end))
        return;
    for (size_t i = tile * search->tile_rows; i < end; i++) {
        const void *row = kernel_row(rows, i);
        if (row == NULL || kernel_finite(row, rows->dtype, rows->width))
            continue;
        size_t first = atomic_load(&search->first);
        while (i < first && !atomic_compare_exchange_weak(&search->first, &first, i))
            ;
        return;
    }
}

enum kernel_status kernel_finite_rows(struct kernel_team *team, const struct kernel_rows *rows, size_t *row)
{
    struct search search = {.rows = rows, .tile_rows = TILE_BYTES / rows->row_bytes + 1, .first = rows->count};
    bool done = kernel_team_run(team, (rows->count + search.tile_rows - 1) / search.tile_rows, search_tile, &search);
    *row = atomic_load(&search.first);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}
