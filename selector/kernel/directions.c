#include "selector/kernel/directions.h"

#include "selector/kernel/centered.h"
#include "selector/kernel/gemm.h"
#include "selector/kernel/random.h"
#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum {
    COUNT_STEP = 16,
    ROWS_TILE = 256,   /* rows of the sample in one matrix product */
    COLUMNS_TILE = 64, /* columns of the directions in one matrix product */
};

/* What is left of a direction beside those before it, as a share of its length, below which it is rounding. */
static const float share_least = 1e-5F;

struct search {
    size_t width;
    size_t sample;
    size_t count;     /* directions */
    float *values;    /* [count x width] */
    double *variance; /* [count] along each, times the sample's size */
    float *rows;      /* [sample x width] less their mean, of mean squared length 1 */
    float *turned;    /* [width x sample] */
    float *along;     /* [count x sample] coordinates of the rows */
};

/* row -= along * other */
KERNEL_INLINE void subtract_body(float *row, const float *other, float along, size_t width)
{
    size_t j = 0;
    for (; j + KERNEL_LANES <= width; j += KERNEL_LANES) {
        kernel_f8 a, b;
        kernel_load8(row + j, &a);
        kernel_load8(other + j, &b);
        a = a - b * along;
        kernel_store8(row + j, &a);
    }
    for (; j < width; j++)
        row[j] -= other[j] * along;
}

KERNEL_VARIANTS(subtract, (float *row, const float *other, float along, size_t width), (row, other, along, width))

/* Takes what is along the `at` rows before it off row `at`, and makes it of length 1. Returns the length that was left; 0:
 * nothing but rounding. */
static float orthonormalize(float *rows, size_t at, size_t width)
{
    float *row = rows + at * width;
    float before = sqrtf(kernel_norm2(row, width));
    for (size_t i = 0; i < 2 * at; i++) {
        const float *other = rows + i % at * width; /* each twice, for the sake of the digits */
        subtract(row, other, kernel_dot(other, row, width), width);
    }
    float length = sqrtf(kernel_norm2(row, width));
    if (!(length > share_least * before))
        return 0;
    for (size_t j = 0; j < width; j++)
        row[j] /= length;
    return length;
}

/* Makes the directions orthonormal and drops those that depend on others. False if it was stopped. */
static bool orthonormalize_all(struct search *search, struct kernel_team *team)
{
    size_t kept = 0;
    for (size_t i = 0; i < search->count; i++) {
        if (kernel_team_stopped(team))
            return false;
        memmove(
            search->values + kept * search->width, search->values + i * search->width, search->width * sizeof *search->values);
        float length = orthonormalize(search->values, kept, search->width);
        search->variance[kept] = (double)length;
        kept += length > 0;
    }
    search->count = kept;
    return true;
}

static void along_tile(void *context, size_t tile, unsigned worker)
{
    (void)worker;
    const struct search *search = context;
    size_t from = tile * ROWS_TILE;
    size_t m = search->sample - from < ROWS_TILE ? search->sample - from : ROWS_TILE;
    kernel_gemm_nt(search->count, m, search->width, search->values, search->width, search->rows + from * search->width,
        search->width, search->along + from, search->sample);
}

static void values_tile(void *context, size_t tile, unsigned worker)
{
    (void)worker;
    const struct search *search = context;
    size_t from = tile * COLUMNS_TILE;
    size_t m = search->width - from < COLUMNS_TILE ? search->width - from : COLUMNS_TILE;
    kernel_gemm_nt(search->count, m, search->sample, search->along, search->sample, search->turned + from * search->sample,
        search->sample, search->values + from, search->width);
}

/* Multiplies the directions by the sample's covariance, the rows' own product with themselves. False if it was stopped. */
static bool iterate(struct search *search, struct kernel_team *team)
{
    return kernel_team_run(team, (search->sample + ROWS_TILE - 1) / ROWS_TILE, along_tile, search) &&
           kernel_team_run(team, (search->width + COLUMNS_TILE - 1) / COLUMNS_TILE, values_tile, search) &&
           orthonormalize_all(search, team);
}

static double dot(const float *a, const float *b, size_t width)
{
    double sum = 0;
    for (size_t j = 0; j < width; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}

/* Keeps as few directions as leave the wanted rest. The Frobenius norm bounds the spectral norm. */
static void keep(struct kernel_directions *directions, const struct search *search, double rest)
{
    double left = (double)search->sample;
    size_t count = 0;
    while (count < search->count && (count % COUNT_STEP != 0 || left > rest * (double)search->sample))
        left -= search->variance[count++];
    directions->count = count;
    directions->rest = left > 0 ? left / (double)search->sample : 0;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j <= i; j++) {
            double off = dot(search->values + i * search->width, search->values + j * search->width, search->width);
            off -= i == j ? 1 : 0;
            sum += (i == j ? 1 : 2) * off * off;
        }
    }
    directions->error = sqrt(sum) + 1e-9;
}

static enum kernel_status find(struct kernel_directions *directions, struct kernel_team *team, struct search *search,
    const struct kernel_directions_wish *wish)
{
    size_t size = wish->most * search->width;
    search->count = wish->most;
    search->values = directions->values = malloc(size * sizeof *search->values);
    search->variance = malloc(wish->most * sizeof *search->variance);
    search->turned = malloc(search->width * search->sample * sizeof *search->turned);
    search->along = malloc(wish->most * search->sample * sizeof *search->along);
    if (search->values == NULL || search->variance == NULL || search->turned == NULL || search->along == NULL)
        return KERNEL_NO_MEMORY;
    kernel_transpose(search->rows, search->sample, search->width, search->turned);
    for (size_t i = 0; i < size; i++)
        search->values[i] = (float)kernel_random_uniform(0, 0, i) - 0.5F;
    bool done = orthonormalize_all(search, team);
    for (unsigned round = 0; done && round < wish->rounds; round++)
        done = iterate(search, team);
    if (!done)
        return KERNEL_STOPPED;
    keep(directions, search, wish->rest);
    return KERNEL_OK;
}

/* Gives the sample a mean squared length of 1. False where that is no number. */
static bool scale(struct search *search, const float *norm2)
{
    double total = 0;
    for (size_t i = 0; i < search->sample; i++)
        total += (double)norm2[i];
    float factor = (float)sqrt((double)search->sample / total);
    if (!(total > 0) || !isfinite(total) || !isfinite(factor))
        return false;
    for (size_t i = 0; i < search->sample * search->width; i++)
        search->rows[i] *= factor;
    return true;
}

enum kernel_status kernel_directions_init(struct kernel_directions *directions, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, const struct kernel_directions_wish *wish,
    float *origin)
{
    *directions = (struct kernel_directions){.rest = 1};
    size_t sample = count < wish->sample ? count : wish->sample;
    struct search search = {.width = rows->width, .sample = sample};
    search.rows = malloc((sample * rows->width + 1) * sizeof *search.rows);
    uint32_t *chosen = calloc(sample + 1, sizeof *chosen);
    float *norm2 = malloc((sample + 1) * sizeof *norm2);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (search.rows == NULL || chosen == NULL || norm2 == NULL)
        goto done;
    for (size_t i = 0; i < sample; i++)
        chosen[i] = slots[i * count / sample];
    status = KERNEL_STOPPED;
    if (!kernel_gather_centered(team, rows, chosen, sample, origin, search.rows, norm2))
        goto done;
    status = KERNEL_OK;
    if (wish->most > 0 && scale(&search, norm2))
        status = find(directions, team, &search, wish);
done:
    free(search.rows);
    free(search.variance);
    free(search.turned);
    free(search.along);
    free(chosen);
    free(norm2);
    return status;
}

void kernel_directions_deinit(struct kernel_directions *directions)
{
    free(directions->values);
    *directions = (struct kernel_directions){0};
}
