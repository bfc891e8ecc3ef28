#include "selector/kernel/scores.h"

#include "selector/kernel/scores_avx2.h"
#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS_TILE = 2048 };

struct score {
    float first;
    float second;
    int32_t predicted;
    float entropy;
};

/* --- one row ------------------------------------------------------------------------------------------------------------ */

static void top2_plain(const float *row, size_t width, struct score *score)
{
    float first = -INFINITY;
    float second = -INFINITY;
    int32_t predicted = 0;
    for (size_t j = 0; j < width; j++) {
        float p = row[j];
        float lower = p < first ? p : first;
        second = lower > second ? lower : second;
        predicted = p > first ? (int32_t)j : predicted;
        first = p > first ? p : first;
    }
    *score = (struct score){.first = first, .second = second, .predicted = predicted};
}

#if defined(__x86_64__)

static void top2_avx2(const void *row, size_t width, enum kernel_dtype dtype, struct score *score)
{
    struct kernel_top2 top;
    kernel_top2_avx2(row, width, dtype, &top);
    *score = (struct score){.first = top.first, .second = top.second, .predicted = top.place};
}

static void top2_row_avx2(const float *row, size_t width, struct score *score)
{
    top2_avx2(row, width, KERNEL_F32, score);
}

#endif

/* Adds p ln p to the running sum; what is not above 0 adds nothing. */
KERNEL_INLINE void entropy_term(const kernel_f8 *p, kernel_f8 *sum)
{
    kernel_f8 zero = {0};
    kernel_f8 l = *p;
    kernel_log8(&l);
    kernel_f8 term = *p * l;
    kernel_i8 positive = *p > zero;
    term = (kernel_f8)(positive & (kernel_i8)term);
    *sum = *sum - term;
}

/* The row is followed by zeros to a whole number of vectors. */
KERNEL_INLINE float entropy(const float *row, size_t width)
{
    kernel_f8 sum = {0};
    kernel_f8 p;
    for (size_t j = 0; j < width; j += KERNEL_LANES) {
        kernel_load8(row + j, &p);
        entropy_term(&p, &sum);
    }
    float total = kernel_sum8(&sum);
    return total > 0 ? total : 0;
}

/* --- many rows ---------------------------------------------------------------------------------------------------------- */

struct run {
    const char *base;
    size_t row_bytes;
    size_t width;
    size_t count;
    const uint8_t *present; /* of the block, NULL: all */
    size_t within;          /* of the block, where the run starts */
    size_t row;             /* of the output, where the run starts */
    float power;            /* 1 / temperature; 1: leave the rows as they are */
    enum kernel_dtype dtype;
    float *buffer; /* [width + KERNEL_LANES] */
    const struct kernel_scores *out;
};

static void put(const struct kernel_scores *out, size_t i, const struct score *score)
{
    if (out->first != NULL)
        out->first[i] = score->first;
    if (out->second != NULL)
        out->second[i] = score->second;
    if (out->predicted != NULL)
        out->predicted[i] = score->predicted;
    if (out->entropy != NULL)
        out->entropy[i] = score->entropy;
}

static const struct score absent = {.predicted = -1};

/* p^power, normalised; the row is followed by zeros to a whole number of vectors. */
KERNEL_INLINE void temper(float *buffer, size_t width, float power)
{
    kernel_f8 zero = {0};
    float most = 0;
    for (size_t j = 0; j < width; j++)
        most = buffer[j] > most ? buffer[j] : most;
    if (!(most > 0))
        return;
    float total = 0;
    for (size_t j = 0; j < width; j += KERNEL_LANES) {
        kernel_f8 p, v;
        kernel_load8(buffer + j, &p);
        v = p * (1 / most);
        kernel_log8(&v);
        v = v * power;
        kernel_min8(&v, &zero, &v);
        kernel_exp8(&v);
        kernel_i8 positive = p > zero;
        kernel_select8(&positive, &v, &zero, &v);
        total += kernel_sum8(&v);
        kernel_store8(buffer + j, &v);
    }
    for (size_t j = 0; j < width; j++)
        buffer[j] /= total;
}

KERNEL_INLINE bool run_has(const struct run *run, size_t within)
{
    return run->present == NULL || (run->present[within / 8] >> (within % 8) & 1);
}

typedef void top2_fn(const float *row, size_t width, struct score *score);

/* Any case: each row is made plain floats first. */
KERNEL_INLINE void run_any_body(const struct run *run, top2_fn *top2)
{
    memset(run->buffer + run->width, 0, KERNEL_LANES * sizeof *run->buffer);
    for (size_t i = 0; i < run->count; i++) {
        size_t within = run->within + i;
        if (!run_has(run, within)) {
            put(run->out, run->row + i, &absent);
            continue;
        }
        kernel_widen(run->base + within * run->row_bytes, run->dtype, run->width, run->buffer);
        if (run->power < 1 || run->power > 1)
            temper(run->buffer, run->width, run->power);
        struct score score;
        top2(run->buffer, run->width, &score);
        score.second = score.second > 0 ? score.second : 0;
        if (run->out->entropy != NULL)
            score.entropy = entropy(run->buffer, run->width);
        put(run->out, run->row + i, &score);
    }
}

KERNEL_VARIANTS(run_any, (const struct run *run, top2_fn *top2), (run, top2))

#if defined(__x86_64__)

enum { EIGHT_WIDTH_MAX = 40 }; /* longer rows are read quicker one by one */

/* Whether the eight rows from `within` on are all there. */
static bool run_has_eight(const struct run *run, size_t i)
{
    bool all = i + KERNEL_LANES <= run->count;
    for (size_t j = 0; all && run->present != NULL && j < KERNEL_LANES; j++)
        all = run_has(run, run->within + i + j);
    return all;
}

static void put_eight(const struct kernel_scores *out, size_t i, const float *first, const float *second, const int32_t *place)
{
    if (out->first != NULL)
        memcpy(out->first + i, first, KERNEL_LANES * sizeof *first);
    if (out->second != NULL)
        memcpy(out->second + i, second, KERNEL_LANES * sizeof *second);
    if (out->predicted != NULL)
        memcpy(out->predicted + i, place, KERNEL_LANES * sizeof *place);
}

/* The common case, straight from memory: no entropy, no temperature. */
static void run_direct(const struct run *run)
{
    bool by_eight = run->width >= KERNEL_LANES && run->width <= EIGHT_WIDTH_MAX;
    struct score score;
    for (size_t i = 0; i < run->count;) {
        const char *row = run->base + (run->within + i) * run->row_bytes;
        if (by_eight && run_has_eight(run, i)) {
            float first[KERNEL_LANES];
            float second[KERNEL_LANES];
            int32_t place[KERNEL_LANES];
            kernel_top2_by_eight_avx2(row, run->row_bytes, run->width, run->dtype, first, second, place);
            put_eight(run->out, run->row + i, first, second, place);
            i += KERNEL_LANES;
            continue;
        }
        score = absent;
        if (run_has(run, run->within + i)) {
            top2_avx2(row, run->width, run->dtype, &score);
            score.second = score.second > 0 ? score.second : 0;
        }
        put(run->out, run->row + i, &score);
        i++;
    }
}

#endif

static void run_scores(const struct run *run)
{
#if defined(__x86_64__)
    bool direct = run->out->entropy == NULL && !(run->power < 1 || run->power > 1);
    if (kernel_cpu_avx2() && direct)
        run_direct(run);
    else
        run_any(run, kernel_cpu_avx2() ? top2_row_avx2 : top2_plain);
#else
    run_any(run, top2_plain);
#endif
}

struct pass {
    const struct kernel_rows *rows;
    const struct kernel_topk *topk; /* NULL: dense */
    size_t classes;
    float power;
    const struct kernel_scores *out;
    float *buffers; /* one a worker */
    size_t buffer_size;
};

static void dense_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    const struct kernel_rows *rows = pass->rows;
    size_t end = (tile + 1) * ROWS_TILE < rows->count ? (tile + 1) * ROWS_TILE : rows->count;
    for (size_t row = tile * ROWS_TILE; row < end;) {
        size_t block = row / rows->rows_per_block;
        size_t within = row % rows->rows_per_block;
        size_t count = rows->rows_per_block - within < end - row ? rows->rows_per_block - within : end - row;
        struct run run = {.base = rows->blocks[block],
            .row_bytes = rows->row_bytes,
            .width = rows->width,
            .count = count,
            .present = rows->present != NULL ? rows->present[block] : NULL,
            .within = within,
            .row = row,
            .power = pass->power,
            .dtype = rows->dtype,
            .buffer = pass->buffers + worker * pass->buffer_size,
            .out = pass->out};
        if (run.base != NULL) {
            run_scores(&run);
        } else {
            for (size_t i = 0; i < count; i++)
                put(pass->out, row + i, &absent);
        }
        row += count;
    }
}

/* One row of the k most probable classes; `p` has room for k floats. */
static void topk_row(const struct pass *pass, const void *probabilities, const char *classes, float *p, struct score *score)
{
    size_t k = pass->rows->width;
    kernel_widen(probabilities, pass->rows->dtype, k, p);
    uint16_t predicted;
    memcpy(&predicted, classes, sizeof predicted);
    double rest = 1;
    double total = 0;
    double power = (double)pass->power;
    for (size_t j = 0; j < k; j++) {
        rest -= (double)p[j];
        p[j] = pass->power < 1 || pass->power > 1 ? (float)pow((double)p[j], power) : p[j];
        total += (double)p[j];
    }
    double others = pass->classes > k ? (double)(pass->classes - k) : 0;
    double other = rest > 0 && others > 0 ? pow(rest / others, power) : 0;
    total += others * other;
    double scale = total > 0 && (pass->power < 1 || pass->power > 1) ? 1 / total : 1;
    double sum = other > 0 ? -others * other * scale * log(other * scale) : 0;
    for (size_t j = 0; j < k; j++)
        sum -= p[j] > 0 ? (double)p[j] * scale * log((double)p[j] * scale) : 0;
    double first = (double)p[0] * scale;
    double second = k > 1 ? (double)p[1] * scale : fmin(first, others * other * scale);
    *score = (struct score){(float)first, (float)second, predicted, sum > 0 ? (float)sum : 0};
}

static void topk_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    const struct kernel_rows *rows = pass->rows;
    size_t end = (tile + 1) * ROWS_TILE < rows->count ? (tile + 1) * ROWS_TILE : rows->count;
    for (size_t i = tile * ROWS_TILE; i < end; i++) {
        const void *row = kernel_row(rows, i);
        const char *classes = pass->topk->class_blocks[i / rows->rows_per_block];
        struct score score = absent;
        if (row != NULL && classes != NULL)
            topk_row(pass, row, classes + i % rows->rows_per_block * pass->topk->class_row_bytes,
                pass->buffers + worker * pass->buffer_size, &score);
        put(pass->out, i, &score);
    }
}

static enum kernel_status pass_run(struct kernel_team *team, struct pass *pass, kernel_tile_fn *tile)
{
    pass->buffer_size = pass->rows->width + 2 * (size_t)KERNEL_LANES;
    pass->buffers = malloc(kernel_team_size(team) * pass->buffer_size * sizeof *pass->buffers);
    if (pass->buffers == NULL)
        return KERNEL_NO_MEMORY;
    bool done = kernel_team_run(team, (pass->rows->count + ROWS_TILE - 1) / ROWS_TILE, tile, pass);
    free(pass->buffers);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status kernel_scores_dense(
    struct kernel_team *team, const struct kernel_rows *probabilities, double temperature, const struct kernel_scores *out)
{
    struct pass pass = {.rows = probabilities, .classes = probabilities->width, .power = (float)(1 / temperature), .out = out};
    return pass_run(team, &pass, dense_tile);
}

enum kernel_status kernel_scores_topk(struct kernel_team *team, const struct kernel_topk *topk, size_t classes,
    double temperature, const struct kernel_scores *out)
{
    struct pass pass = {
        .rows = &topk->probability, .topk = topk, .classes = classes, .power = (float)(1 / temperature), .out = out};
    return pass_run(team, &pass, topk_tile);
}
