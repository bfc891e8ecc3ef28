#include "selector/kernel/ball_cover.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/heap.h"
#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    TILE = 256,     /* candidates on either side of one matrix product */
    WORD = 64,      /* bits */
    BATCH_MIN = 16, /* candidates whose balls are looked up together, doubled while more are wanted */
    BATCH_MAX = TILE,
};

/* Bytes of balls kept at most. */
static const size_t balls_max = (size_t)256 << 20;

struct kernel_ball_cover {
    struct kernel_team *team;
    struct kernel_subset candidates;
    const double *divisor;
    float radius2;
    float slack;         /* error bound of a distance by matrix product, as a share of both squared lengths */
    float *norm2;        /* [count] */
    int32_t *open;       /* [count] -1: not covered yet, 0: covered */
    uint64_t *covered;   /* [words] the same as bits */
    size_t words;        /* of a set of candidates */
    atomic_uint *degree; /* [count] open candidates in the ball, an upper bound while seen is not the number of takes */
    uint32_t *seen;      /* [count] takes when the degree was counted */
    uint8_t *taken;      /* [count] */
    uint64_t **ball;     /* [count] candidates in the ball, or NULL */
    size_t ball_count;   /* that are kept */
    double *key;         /* [count] degree / divisor */
    struct kernel_heap heap;
    uint32_t takes;
    const uint32_t *rows; /* [row_count] slots of the rows whose balls are looked up */
    uint64_t **found;     /* [row_count] */
    size_t row_count;
    float *scratch; /* for each worker: rows of two tiles, squared lengths of one, products */
    size_t scratch_size;
};

/* --- which pairs are near ------------------------------------------------------------------------------------------------ */

/*
 * near[j] = -1 where candidate j of a tile is surely within the radius of a row, 1 where rounding leaves it open, else 0.
 * Output: whether any is open. `products` are those of the row with the tile.
 */
KERNEL_INLINE void compare_body(const float *products, const float *norm2, size_t count, float x_norm2, float radius2,
    float slack, int32_t *near, bool *open)
{
    kernel_i8 any = {0};
    size_t j = 0;
    for (; j + KERNEL_LANES <= count; j += KERNEL_LANES) {
        kernel_f8 product, lengths;
        kernel_load8(products + j, &product);
        kernel_load8(norm2 + j, &lengths);
        lengths = lengths + x_norm2;
        kernel_f8 distance2 = lengths - product * 2.0F;
        kernel_f8 error = lengths * slack;
        kernel_i8 inside = distance2 < radius2 - error;
        kernel_i8 outside = distance2 > radius2 + error;
        kernel_i8 unsure = ~(inside | outside);
        any |= unsure;
        kernel_i8 value = inside | (unsure & 1);
        memcpy(near + j, &value, sizeof value);
    }
    int32_t found = 0;
    for (size_t lane = 0; lane < KERNEL_LANES; lane++)
        found |= any[lane];
    for (; j < count; j++) {
        float lengths = norm2[j] + x_norm2;
        float distance2 = lengths - products[j] * 2.0F;
        bool inside = distance2 < radius2 - lengths * slack;
        bool outside = distance2 > radius2 + lengths * slack;
        near[j] = inside ? -1 : !outside;
        found |= near[j] == 1;
    }
    *open = found != 0;
}

KERNEL_VARIANTS(compare,
    (const float *products, const float *norm2, size_t count, float x_norm2, float radius2, float slack, int32_t *near,
        bool *open),
    (products, norm2, count, x_norm2, radius2, slack, near, open))

/* Scratch memory of one worker. */
struct tile {
    float *x;        /* [TILE x width] rows */
    float *y;        /* [TILE x width] candidates */
    float *norm2;    /* [TILE] of the rows */
    float *products; /* [TILE x TILE] */
};

static struct tile tile_of(const struct kernel_ball_cover *cover, unsigned worker)
{
    size_t width = cover->candidates.rows->width;
    float *scratch = cover->scratch + worker * cover->scratch_size;
    return (struct tile){scratch, scratch + TILE * width, scratch + 2 * TILE * width, scratch + (2 * width + 1) * TILE};
}

/* The products of `rows` rows with the candidates from number `from` on; returns how many of these there are. */
static size_t multiply(
    const struct kernel_ball_cover *cover, const struct tile *tile, const uint32_t *rows, size_t row_count, size_t from)
{
    const struct kernel_subset *candidates = &cover->candidates;
    size_t width = candidates->rows->width;
    size_t count = candidates->count - from < TILE ? candidates->count - from : TILE;
    kernel_gather(candidates->rows, rows, row_count, candidates->origin, tile->x);
    kernel_gather(candidates->rows, candidates->slots + from, count, candidates->origin, tile->y);
    for (size_t i = 0; i < row_count; i++)
        tile->norm2[i] = kernel_norm2(tile->x + i * width, width);
    kernel_gemm_nt(row_count, count, width, tile->x, width, tile->y, width, tile->products, count);
    return count;
}

/* near[j] = -1 or 0: whether candidate from + j is within the radius of row i of the tile. */
static void find_near(
    const struct kernel_ball_cover *cover, const struct tile *tile, size_t i, size_t from, size_t count, int32_t *near)
{
    size_t width = cover->candidates.rows->width;
    bool open;
    compare(tile->products + i * count, cover->norm2 + from, count, tile->norm2[i], cover->radius2, cover->slack, near, &open);
    for (size_t j = 0; open && j < count; j++) {
        if (near[j] == 1)
            near[j] = -(kernel_distance2(tile->x + i * width, tile->y + j * width, width) < cover->radius2);
    }
}

/* --- how many each candidate covers -------------------------------------------------------------------------------------- */

/* Counts one row's near candidates that are open, and the row, where it is open, for each near candidate. */
KERNEL_INLINE void count_body(
    const int32_t *near, const int32_t *open, size_t count, int32_t row_open, int32_t *columns, int32_t *row)
{
    int32_t sum = 0;
    for (size_t j = 0; j < count; j++) {
        sum -= near[j] & open[j];
        columns[j] -= near[j] & row_open;
    }
    *row = sum;
}

KERNEL_VARIANTS(count,
    (const int32_t *near, const int32_t *open, size_t count, int32_t row_open, int32_t *columns, int32_t *row),
    (near, open, count, row_open, columns, row))

/* Pairs of one block on or above the diagonal. Counts are whole numbers: the order of adding them does not show. */
static void degree_tile(void *context, size_t number, unsigned worker)
{
    struct kernel_ball_cover *cover = context;
    size_t blocks = (cover->candidates.count + TILE - 1) / TILE;
    size_t block = 0;
    for (; number >= blocks - block; block++)
        number -= blocks - block;
    size_t first = block * TILE;
    size_t from = (block + number) * TILE;
    size_t row_count = cover->candidates.count - first < TILE ? cover->candidates.count - first : TILE;
    struct tile tile = tile_of(cover, worker);
    size_t m = multiply(cover, &tile, cover->candidates.slots + first, row_count, from);
    int32_t near[TILE];
    int32_t columns[TILE] = {0};
    for (size_t i = 0; i < row_count; i++) {
        int32_t row;
        find_near(cover, &tile, i, from, m, near);
        count(near, cover->open + from, m, cover->open[first + i], columns, &row);
        atomic_fetch_add(&cover->degree[first + i], (unsigned)row);
    }
    for (size_t j = 0; j < m && from != first; j++)
        atomic_fetch_add(&cover->degree[from + j], (unsigned)columns[j]);
}

enum kernel_status kernel_ball_cover_begin(struct kernel_ball_cover *cover)
{
    size_t count = cover->candidates.count;
    for (size_t i = 0; i < count; i++)
        cover->open[i] = cover->covered[i / WORD] >> (i % WORD) & 1 ? 0 : -1;
    size_t blocks = (count + TILE - 1) / TILE;
    bool done = kernel_team_run(cover->team, blocks * (blocks + 1) / 2, degree_tile, cover);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

/* --- who is in a ball ----------------------------------------------------------------------------------------------------- */

static void ball_tile(void *context, size_t number, unsigned worker)
{
    struct kernel_ball_cover *cover = context;
    size_t from = number * TILE;
    struct tile tile = tile_of(cover, worker);
    size_t m = multiply(cover, &tile, cover->rows, cover->row_count, from);
    int32_t near[TILE];
    for (size_t i = 0; i < cover->row_count; i++) {
        find_near(cover, &tile, i, from, m, near);
        uint64_t *words = cover->found[i] + from / WORD;
        memset(words, 0, (m + WORD - 1) / WORD * sizeof *words);
        for (size_t j = 0; j < m; j++)
            words[j / WORD] |= (uint64_t)(near[j] & 1) << (j % WORD);
    }
}

/* Looks up the balls of at most TILE rows. */
static enum kernel_status find_balls(struct kernel_ball_cover *cover, const uint32_t *rows, size_t count, uint64_t **found)
{
    cover->rows = rows;
    cover->row_count = count;
    cover->found = found;
    bool done = kernel_team_run(cover->team, (cover->candidates.count + TILE - 1) / TILE, ball_tile, cover);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

static void absorb(struct kernel_ball_cover *cover, const uint64_t *ball)
{
    for (size_t w = 0; w < cover->words; w++)
        cover->covered[w] |= ball[w];
}

enum kernel_status kernel_ball_cover_add(struct kernel_ball_cover *cover, const uint32_t *slots, size_t count)
{
    uint64_t *memory = malloc((TILE * cover->words + 1) * sizeof *memory);
    uint64_t *balls[TILE];
    enum kernel_status status = memory != NULL ? KERNEL_OK : KERNEL_NO_MEMORY;
    for (size_t i = 0; i < TILE && status == KERNEL_OK; i++)
        balls[i] = memory + i * cover->words;
    for (size_t at = 0; at < count && status == KERNEL_OK; at += TILE) {
        size_t m = count - at < TILE ? count - at : TILE;
        status = find_balls(cover, slots + at, m, balls);
        for (size_t i = 0; i < m && status == KERNEL_OK; i++)
            absorb(cover, balls[i]);
    }
    free(memory);
    return status;
}

/* --- memory -------------------------------------------------------------------------------------------------------------- */

struct kernel_ball_cover *kernel_ball_cover_new(
    struct kernel_team *team, const struct kernel_subset *candidates, float radius2, const double *divisor)
{
    struct kernel_ball_cover *cover = calloc(1, sizeof *cover);
    if (cover == NULL)
        return NULL;
    size_t count = candidates->count + 1;
    size_t width = candidates->rows->width;
    cover->team = team;
    cover->candidates = *candidates;
    cover->divisor = divisor;
    cover->radius2 = radius2;
    cover->slack = (float)((double)width + 32) * 0x1p-23F;
    cover->words = (candidates->count + WORD - 1) / WORD;
    cover->scratch_size = TILE * (2 * width + 1 + TILE);
    cover->norm2 = malloc(count * sizeof *cover->norm2);
    cover->open = malloc(count * sizeof *cover->open);
    cover->covered = calloc(cover->words + 1, sizeof *cover->covered);
    cover->degree = calloc(count, sizeof *cover->degree);
    cover->seen = calloc(count, sizeof *cover->seen);
    cover->taken = calloc(count, sizeof *cover->taken);
    cover->ball = calloc(count, sizeof *cover->ball);
    cover->key = calloc(count, sizeof *cover->key);
    cover->heap.items = malloc(count * sizeof *cover->heap.items);
    cover->heap.keys = cover->key;
    cover->scratch = malloc(kernel_team_size(team) * cover->scratch_size * sizeof *cover->scratch);
    if (cover->norm2 == NULL || cover->open == NULL || cover->covered == NULL || cover->degree == NULL || cover->seen == NULL ||
        cover->taken == NULL || cover->ball == NULL || cover->key == NULL || cover->heap.items == NULL ||
        cover->scratch == NULL) {
        kernel_ball_cover_free(&cover);
        return NULL;
    }
    for (size_t i = 0; i < candidates->count; i++) {
        kernel_gather(candidates->rows, &candidates->slots[i], 1, candidates->origin, cover->scratch);
        cover->norm2[i] = kernel_norm2(cover->scratch, width);
    }
    return cover;
}

static void forget_balls(struct kernel_ball_cover *cover)
{
    for (size_t i = 0; i < cover->candidates.count; i++) {
        free(cover->ball[i]);
        cover->ball[i] = NULL;
    }
    cover->ball_count = 0;
}

void kernel_ball_cover_free(struct kernel_ball_cover **pointer)
{
    struct kernel_ball_cover *cover = *pointer;
    if (cover == NULL)
        return;
    if (cover->ball != NULL)
        forget_balls(cover);
    free(cover->norm2);
    free(cover->open);
    free(cover->covered);
    free(cover->degree);
    free(cover->seen);
    free(cover->taken);
    free(cover->ball);
    free(cover->key);
    free(cover->heap.items);
    free(cover->scratch);
    free(cover);
    *pointer = NULL;
}

/* --- the iteration ------------------------------------------------------------------------------------------------------- */

static void set_key(struct kernel_ball_cover *cover, uint32_t index)
{
    double degree = (double)atomic_load(&cover->degree[index]);
    cover->key[index] = cover->divisor != NULL ? degree / cover->divisor[index] : degree;
}

void kernel_ball_cover_rewind(struct kernel_ball_cover *cover, kernel_accept_fn *accept, void *context)
{
    cover->heap.count = 0;
    for (uint32_t i = 0; i < cover->candidates.count; i++) {
        if (cover->taken[i] || (accept != NULL && !accept(context, i)))
            continue;
        set_key(cover, i);
        cover->heap.items[cover->heap.count++] = i;
    }
    kernel_heap_build(&cover->heap);
}

/* Looks up the balls of up to `size` candidates from the top of the heap that have none, and puts them back. */
static enum kernel_status fill_top(struct kernel_ball_cover *cover, size_t size, kernel_accept_fn *accept, void *context)
{
    struct kernel_heap *heap = &cover->heap;
    uint32_t batch[BATCH_MAX];
    uint32_t slots[BATCH_MAX];
    uint64_t *balls[BATCH_MAX];
    size_t count = 0;
    enum kernel_status status = KERNEL_OK;
    if ((cover->ball_count + size) * cover->words * sizeof(uint64_t) > balls_max)
        forget_balls(cover);
    while (heap->count > 0 && count < size && cover->ball[heap->items[0]] == NULL) {
        uint32_t index = kernel_heap_pop(heap);
        if (accept != NULL && !accept(context, index))
            continue;
        cover->ball[index] = malloc((cover->words + 1) * sizeof(uint64_t));
        cover->ball_count++;
        batch[count] = index;
        slots[count] = cover->candidates.slots[index];
        balls[count++] = cover->ball[index];
        if (cover->ball[index] == NULL)
            status = KERNEL_NO_MEMORY;
    }
    if (status == KERNEL_OK)
        status = find_balls(cover, slots, count, balls);
    for (size_t i = 0; i < count; i++)
        kernel_heap_push(heap, batch[i]);
    return status;
}

static void refresh(struct kernel_ball_cover *cover, uint32_t index)
{
    const uint64_t *ball = cover->ball[index];
    unsigned degree = 0;
    for (size_t w = 0; w < cover->words; w++)
        degree += (unsigned)__builtin_popcountll(ball[w] & ~cover->covered[w]);
    atomic_store(&cover->degree[index], degree);
    cover->seen[index] = cover->takes;
    set_key(cover, index);
}

enum kernel_status kernel_ball_cover_next(
    struct kernel_ball_cover *cover, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    struct kernel_heap *heap = &cover->heap;
    size_t batch = BATCH_MIN;
    while (heap->count > 0) {
        uint32_t top = heap->items[0];
        if (accept != NULL && !accept(context, top)) {
            kernel_heap_pop(heap);
            continue;
        }
        unsigned degree = atomic_load(&cover->degree[top]);
        if (degree > 0 && cover->ball[top] == NULL) {
            enum kernel_status status = fill_top(cover, batch, accept, context);
            if (status != KERNEL_OK)
                return status;
            batch = batch < BATCH_MAX ? 2 * batch : BATCH_MAX;
            continue;
        }
        kernel_heap_pop(heap);
        if (degree == 0 || cover->seen[top] == cover->takes) {
            *index = top;
            *gain = (double)degree;
            return KERNEL_OK;
        }
        refresh(cover, top);
        kernel_heap_push(heap, top);
    }
    return KERNEL_END;
}

void kernel_ball_cover_take(struct kernel_ball_cover *cover, uint32_t index)
{
    cover->taken[index] = 1;
    cover->takes++;
    if (cover->ball[index] != NULL)
        absorb(cover, cover->ball[index]);
}
