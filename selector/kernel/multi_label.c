#include "selector/kernel/multi_label.h"

#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS_TILE = 512 };

struct pass {
    const struct kernel_rows *rows;
    const struct kernel_topk *topk; /* NULL: a column a class */
    size_t classes;
    double power; /* 1 / temperature */
    enum kernel_aggregate aggregate;
    const struct kernel_scores *out;
    float *buffers; /* one a worker: [width, and zeros to a whole number of vectors] */
    size_t buffer_size;
};

/* Over the classes of a row: largest and sum of min(p, 1 - p) and of the entropy. */
struct totals {
    float doubt_max;
    float doubt_sum;
    float entropy_max;
    float entropy_sum;
};

KERNEL_INLINE float max_lane(const kernel_f8 *v)
{
    float most = (*v)[0];
    for (size_t lane = 1; lane < KERNEL_LANES; lane++)
        most = (*v)[lane] > most ? (*v)[lane] : most;
    return most;
}

/* -p ln p; 0 where p is not above 0. */
KERNEL_INLINE void entropy_term(const kernel_f8 *p, kernel_f8 *term)
{
    kernel_f8 l = *p;
    kernel_log8(&l);
    kernel_i8 positive = *p > 0.0F;
    l = *p * l;
    *term = -(kernel_f8)(positive & (kernel_i8)l);
}

/* The row is followed by zeros to a whole number of vectors, which add nothing. */
KERNEL_INLINE void total_body(const float *row, size_t width, struct totals *totals)
{
    kernel_f8 zero = {0}, one = zero + 1.0F;
    kernel_f8 doubt_max = zero, doubt_sum = zero, entropy_max = zero, entropy_sum = zero;
    for (size_t j = 0; j < width; j += KERNEL_LANES) {
        kernel_f8 p, no, doubt, yes_term, no_term;
        kernel_load8(row + j, &p);
        kernel_max8(&p, &zero, &p);
        kernel_min8(&p, &one, &p);
        no = one - p;
        kernel_min8(&p, &no, &doubt);
        entropy_term(&p, &yes_term);
        entropy_term(&no, &no_term);
        yes_term = yes_term + no_term;
        kernel_max8(&doubt, &doubt_max, &doubt_max);
        kernel_max8(&yes_term, &entropy_max, &entropy_max);
        doubt_sum = doubt_sum + doubt;
        entropy_sum = entropy_sum + yes_term;
    }
    *totals = (struct totals){max_lane(&doubt_max), kernel_sum8(&doubt_sum), max_lane(&entropy_max), kernel_sum8(&entropy_sum)};
}

KERNEL_VARIANTS(total, (const float *row, size_t width, struct totals *totals), (row, width, totals))

static void temper(float *row, size_t width, double power)
{
    for (size_t j = 0; j < width; j++) {
        double yes = pow(fmax((double)row[j], 0), power);
        double no = pow(fmax(1 - (double)row[j], 0), power);
        row[j] = yes + no > 0 ? (float)(yes / (yes + no)) : row[j];
    }
}

static double aggregated(const struct pass *pass, float most, float sum)
{
    switch (pass->aggregate) {
    case KERNEL_AGGREGATE_MEAN:
        return (double)sum / (double)pass->classes;
    case KERNEL_AGGREGATE_SUM:
        return (double)sum;
    case KERNEL_AGGREGATE_MAX:
        break;
    }
    return (double)most;
}

static void put(const struct kernel_scores *out, size_t i, double first, double second, double entropy, int32_t predicted)
{
    if (out->first != NULL)
        out->first[i] = (float)first;
    if (out->second != NULL)
        out->second[i] = (float)second;
    if (out->predicted != NULL)
        out->predicted[i] = predicted;
    if (out->entropy != NULL)
        out->entropy[i] = (float)entropy;
}

/* The class of column `column` of row i. */
static int32_t class_of(const struct pass *pass, size_t i, size_t column)
{
    if (pass->topk == NULL)
        return (int32_t)column;
    size_t per_block = pass->rows->rows_per_block;
    const char *block = pass->topk->class_blocks[i / per_block];
    uint16_t class;
    memcpy(&class, block + i % per_block * pass->topk->class_row_bytes + column * sizeof class, sizeof class);
    return class;
}

static bool present(const struct pass *pass, size_t i)
{
    return kernel_row(pass->rows, i) != NULL &&
           (pass->topk == NULL || pass->topk->class_blocks[i / pass->rows->rows_per_block] != NULL);
}

static void multi_label_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    size_t width = pass->rows->width;
    float *row = pass->buffers + worker * pass->buffer_size;
    size_t end = (tile + 1) * ROWS_TILE < pass->rows->count ? (tile + 1) * ROWS_TILE : pass->rows->count;
    for (size_t i = tile * ROWS_TILE; i < end; i++) {
        if (!present(pass, i)) {
            put(pass->out, i, 0, 0, 0, -1);
            continue;
        }
        kernel_widen(kernel_row(pass->rows, i), pass->rows->dtype, width, row);
        if (pass->power < 1 || pass->power > 1)
            temper(row, width, pass->power);
        size_t most = 0;
        for (size_t j = 1; j < width; j++)
            most = row[j] > row[most] ? j : most;
        struct totals totals;
        total(row, width, &totals);
        double doubt = aggregated(pass, totals.doubt_max, totals.doubt_sum);
        put(pass->out, i, 1 - doubt, doubt, aggregated(pass, totals.entropy_max, totals.entropy_sum), class_of(pass, i, most));
    }
}

static enum kernel_status run(struct kernel_team *team, struct pass *pass)
{
    pass->buffer_size = (pass->rows->width + KERNEL_LANES) / KERNEL_LANES * KERNEL_LANES + KERNEL_LANES;
    pass->buffers = calloc(kernel_team_size(team) * pass->buffer_size, sizeof *pass->buffers);
    if (pass->buffers == NULL)
        return KERNEL_NO_MEMORY;
    bool done = kernel_team_run(team, (pass->rows->count + ROWS_TILE - 1) / ROWS_TILE, multi_label_tile, pass);
    free(pass->buffers);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status kernel_scores_multi_label(struct kernel_team *team, const struct kernel_rows *rows, double temperature,
    enum kernel_aggregate aggregate, const struct kernel_scores *out)
{
    struct pass pass = {.rows = rows, .classes = rows->width, .power = 1 / temperature, .aggregate = aggregate, .out = out};
    return run(team, &pass);
}

enum kernel_status kernel_scores_multi_label_topk(struct kernel_team *team, const struct kernel_topk *topk, size_t classes,
    double temperature, enum kernel_aggregate aggregate, const struct kernel_scores *out)
{
    struct pass pass = {.rows = &topk->probability,
        .topk = topk,
        .classes = classes,
        .power = 1 / temperature,
        .aggregate = aggregate,
        .out = out};
    return run(team, &pass);
}
