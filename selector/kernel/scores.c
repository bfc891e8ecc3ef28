#include "selector/kernel/scores.h"

#include "selector/kernel/scores_rows.h"
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

static const struct score absent = {.predicted = -1};

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

/* --- rows of one block -------------------------------------------------------------------------------------------------- */

struct run {
    const char *base;
    size_t row_bytes;
    size_t width;
    size_t count;
    const uint8_t *present; /* of the block, NULL: all */
    size_t within;          /* of the block, where the run starts */
    size_t row;             /* of the output, where the run starts */
    float power;            /* 1 / temperature */
    enum kernel_dtype dtype;
    const struct kernel_score_path *path;
    float *buffer; /* [width + KERNEL_LANES] */
    const struct kernel_scores *out;
};

/* Scores on their way, and those that nobody asked for. */
struct scratch {
    float first[KERNEL_GROUP_MAX];
    float second[KERNEL_GROUP_MAX];
    int32_t place[KERNEL_GROUP_MAX];
    float entropy[KERNEL_GROUP_MAX];
};

static struct kernel_row_scores scratch_out(struct scratch *scratch, bool entropy)
{
    return (struct kernel_row_scores){scratch->first, scratch->second, scratch->place, entropy ? scratch->entropy : NULL};
}

static void put_scratch(const struct kernel_scores *out, size_t i, const struct scratch *scratch, size_t j)
{
    float entropy = out->entropy != NULL ? scratch->entropy[j] : 0;
    put(out, i, &(struct score){scratch->first[j], scratch->second[j], scratch->place[j], entropy});
}

static bool run_has(const struct run *run, size_t i)
{
    size_t within = run->within + i;
    return run->present == NULL || (run->present[within / 8] >> (within % 8) & 1);
}

static const void *run_row(const struct run *run, size_t i)
{
    return run->base + (run->within + i) * run->row_bytes;
}

/* p^power, normalised; the row is followed by zeros to a whole number of vectors. */
KERNEL_INLINE void temper_body(float *buffer, size_t width, float power)
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

KERNEL_VARIANTS(temper, (float *buffer, size_t width, float power), (buffer, width, power))

/* Each row is made plain floats first. */
static void run_tempered(const struct run *run)
{
    struct scratch scratch;
    struct kernel_row_scores scores = scratch_out(&scratch, run->out->entropy != NULL);
    memset(run->buffer + run->width, 0, KERNEL_LANES * sizeof *run->buffer);
    for (size_t i = 0; i < run->count; i++) {
        put(run->out, run->row + i, &absent);
        if (!run_has(run, i))
            continue;
        kernel_widen(run_row(run, i), run->dtype, run->width, run->buffer);
        temper(run->buffer, run->width, run->power);
        const void *rows[1] = {run->buffer};
        run->path->wide(rows, 1, run->width, KERNEL_F32, &scores);
        put_scratch(run->out, run->row + i, &scratch, 0);
    }
}

/* A group of which not every row is there, or that is not full. */
static void score_some(const struct run *run, kernel_score_rows_fn *score, size_t from, size_t count)
{
    const void *rows[KERNEL_GROUP_MAX];
    size_t of[KERNEL_GROUP_MAX];
    size_t found = 0;
    for (size_t i = from; i < from + count; i++) {
        put(run->out, run->row + i, &absent);
        if (run_has(run, i)) {
            rows[found] = run_row(run, i);
            of[found++] = run->row + i;
        }
    }
    if (found == 0)
        return;
    struct scratch scratch;
    struct kernel_row_scores scores = scratch_out(&scratch, run->out->entropy != NULL);
    score(rows, found, run->width, run->dtype, &scores);
    for (size_t j = 0; j < found; j++)
        put_scratch(run->out, of[j], &scratch, j);
}

/* A full group, straight to the outputs. */
static void score_all(const struct run *run, kernel_score_rows_fn *score, size_t from, size_t count)
{
    const struct kernel_scores *out = run->out;
    const void *rows[KERNEL_GROUP_MAX];
    for (size_t j = 0; j < count; j++)
        rows[j] = run_row(run, from + j);
    struct scratch scratch;
    struct kernel_row_scores scores = {
        .first = out->first != NULL ? out->first + run->row + from : scratch.first,
        .second = out->second != NULL ? out->second + run->row + from : scratch.second,
        .place = out->predicted != NULL ? out->predicted + run->row + from : scratch.place,
        .entropy = out->entropy != NULL ? out->entropy + run->row + from : NULL,
    };
    score(rows, count, run->width, run->dtype, &scores);
}

static bool run_has_all(const struct run *run, size_t from, size_t count)
{
    bool all = true;
    for (size_t i = from; run->present != NULL && all && i < from + count; i++)
        all = run_has(run, i);
    return all;
}

/* Straight from memory, group by group. */
static void run_direct(const struct run *run)
{
    const struct kernel_score_path *path = run->path;
    bool narrow = run->width >= path->narrow_min && run->width <= path->narrow_max;
    kernel_score_rows_fn *score = narrow ? path->narrow : path->wide;
    bool alone = run->out->first == NULL && run->out->second == NULL && run->out->predicted == NULL;
    if (alone && !narrow && path->entropy != NULL)
        score = path->entropy;
    for (size_t i = 0; i < run->count; i += path->group_rows) {
        size_t count = run->count - i < path->group_rows ? run->count - i : path->group_rows;
        if (count == path->group_rows && run_has_all(run, i, count))
            score_all(run, score, i, count);
        else
            score_some(run, score, i, count);
    }
}

/* --- all rows ----------------------------------------------------------------------------------------------------------- */

struct pass {
    const struct kernel_rows *rows;
    const struct kernel_topk *topk; /* NULL: dense */
    size_t classes;
    float power;
    const struct kernel_scores *out;
    const struct kernel_score_path *path;
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
            .path = pass->path,
            .buffer = pass->buffers + worker * pass->buffer_size,
            .out = pass->out};
        if (run.base != NULL) {
            (run.power < 1 || run.power > 1 ? run_tempered : run_direct)(&run);
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
    pass->path = kernel_score_path();
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
