#include "selector/kernel/directions.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/random.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLE = 2048,
    WIDTH_MIN = 96,   /* of rows worth it */
    WIDTH_MAX = 4096, /* of rows whose covariance is worth its memory */
    COUNT_STEP = 16,
    COUNT_MAX = 192,
    TILE = 64,
    ROUNDS = 6,
};

static const double rest_wanted = 0.10; /* share of the variance outside the directions */
static const double rest_most = 0.25;   /* more, and they bound too little */

struct search {
    size_t width;
    size_t sample;
    float *centered;   /* [sample x width], then turned: [width x sample] */
    float *turned;     /* [width x sample] */
    float *covariance; /* [width x width] times the sample's size */
    float *next;       /* [COUNT_MAX x width] */
};

static void covariance_tile(void *context, size_t tile, unsigned worker)
{
    struct search *search = context;
    (void)worker;
    size_t from = tile * TILE;
    size_t count = search->width - from < TILE ? search->width - from : TILE;
    kernel_gemm_nt(count, search->width, search->sample, search->turned + from * search->sample, search->sample, search->turned,
        search->sample, search->covariance + from * search->width, search->width);
}

static void turn(const float *from, size_t rows, size_t columns, float *to)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
    }
}

static double dot(const float *a, const float *b, size_t width)
{
    double sum[4] = {0};
    size_t j = 0;
    for (; j + 4 <= width; j += 4) {
        for (size_t l = 0; l < 4; l++)
            sum[l] += (double)a[j + l] * (double)b[j + l];
    }
    for (; j < width; j++)
        sum[0] += (double)a[j] * (double)b[j];
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/* Takes what is along the rows before it off row `at`, and makes it of length 1. Returns the length it had; 0: nothing is left.
 */
static double orthonormalize(float *rows, size_t at, size_t width)
{
    float *row = rows + at * width;
    for (unsigned twice = 0; twice < 2; twice++) {
        for (size_t i = 0; i < at; i++) {
            float along = (float)dot(rows + i * width, row, width);
            for (size_t j = 0; j < width; j++)
                row[j] -= along * rows[i * width + j];
        }
    }
    double length = sqrt(dot(row, row, width));
    float scale = length > 0 ? (float)(1 / length) : 0;
    for (size_t j = 0; j < width; j++)
        row[j] *= scale;
    return length;
}

/* As few directions as leave little of the variance; 0 where too much is left. */
static size_t count_wanted(const double *variance, size_t most, double total)
{
    double rest = total;
    for (size_t i = 0; i < most; i++) {
        if (variance[i] <= 0)
            return i / COUNT_STEP * COUNT_STEP;
        rest -= variance[i];
        if ((i + 1) % COUNT_STEP == 0 && rest <= rest_wanted * total)
            return i + 1;
    }
    return rest <= rest_most * total ? most : 0;
}

/* Orthogonal iteration from random directions. */
static enum kernel_status iterate(struct kernel_directions *directions, struct kernel_team *team, struct search *search)
{
    size_t width = search->width;
    size_t most = width / 2 < COUNT_MAX ? width / 2 / COUNT_STEP * COUNT_STEP : COUNT_MAX;
    double variance[COUNT_MAX];
    for (size_t i = 0; i < most * width; i++)
        search->next[i] = (float)kernel_random_uniform(0, 0, i) - 0.5F;
    for (unsigned round = 0; round <= ROUNDS; round++) {
        for (size_t i = 0; i < most; i++) {
            if (kernel_team_stopped(team))
                return KERNEL_STOPPED;
            variance[i] = orthonormalize(search->next, i, width);
        }
        memcpy(directions->values, search->next, most * width * sizeof *search->next);
        kernel_gemm_nt(most, width, width, directions->values, width, search->covariance, width, search->next, width);
    }
    double total = 0;
    for (size_t j = 0; j < width; j++)
        total += (double)search->covariance[j * width + j];
    directions->count = isfinite(total) && total > 0 ? count_wanted(variance, most, total) : 0;
    return KERNEL_OK;
}

/* The Frobenius norm bounds the spectral norm. */
static void measure(struct kernel_directions *directions, size_t width)
{
    double sum = 0;
    for (size_t i = 0; i < directions->count; i++) {
        for (size_t j = 0; j <= i; j++) {
            double off = dot(directions->values + i * width, directions->values + j * width, width) - (i == j ? 1 : 0);
            sum += (i == j ? 1 : 2) * off * off;
        }
    }
    directions->error = sqrt(sum) + 1e-9;
    turn(directions->values, directions->count, width, directions->turned);
}

static enum kernel_status find(struct kernel_directions *directions, struct kernel_team *team, struct search *search)
{
    size_t width = search->width;
    search->turned = malloc(width * search->sample * sizeof *search->turned);
    search->covariance = malloc(width * width * sizeof *search->covariance);
    search->next = malloc(COUNT_MAX * width * sizeof *search->next);
    directions->values = malloc(COUNT_MAX * width * sizeof *directions->values);
    directions->turned = malloc(COUNT_MAX * width * sizeof *directions->turned);
    if (search->turned == NULL || search->covariance == NULL || search->next == NULL || directions->values == NULL ||
        directions->turned == NULL)
        return KERNEL_NO_MEMORY;
    turn(search->centered, search->sample, width, search->turned);
    if (!kernel_team_run(team, (width + TILE - 1) / TILE, covariance_tile, search))
        return KERNEL_STOPPED;
    enum kernel_status status = iterate(directions, team, search);
    if (status == KERNEL_OK)
        measure(directions, width);
    return status;
}

enum kernel_status kernel_directions_init(struct kernel_directions *directions, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, float *origin)
{
    *directions = (struct kernel_directions){0};
    size_t sample = count < SAMPLE ? count : SAMPLE;
    struct search search = {
        .width = rows->width,
        .sample = sample,
        .centered = malloc((sample * rows->width + 1) * sizeof *search.centered),
    };
    uint32_t *chosen = calloc(sample + 1, sizeof *chosen);
    float *norm2 = malloc((sample + 1) * sizeof *norm2);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (search.centered == NULL || chosen == NULL || norm2 == NULL)
        goto done;
    for (size_t i = 0; i < sample; i++)
        chosen[i] = slots[i * count / sample];
    kernel_gather_centered(rows, chosen, sample, origin, search.centered, norm2);
    status = KERNEL_OK;
    if (sample == SAMPLE && rows->width >= WIDTH_MIN && rows->width <= WIDTH_MAX)
        status = find(directions, team, &search);
done:
    free(search.centered);
    free(search.turned);
    free(search.covariance);
    free(search.next);
    free(chosen);
    free(norm2);
    return status;
}

void kernel_directions_deinit(struct kernel_directions *directions)
{
    free(directions->values);
    free(directions->turned);
    *directions = (struct kernel_directions){0};
}
