#include "selector/kernel/cosine.h"

#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum { TILE = 2048 };

struct pass {
    const struct kernel_rows *rows;
    const uint32_t *slots;
    size_t count;
    double *sums;      /* [tiles x width] sums of unit vectors, one a tile, joined in their order */
    double *mean;      /* [width] */
    float *scratch;    /* [workers x width] */
    float *similarity; /* [count] */
};

/* Row i as floats, and its length. */
static double load(const struct pass *pass, size_t i, float *row)
{
    kernel_gather(pass->rows, &pass->slots[i], 1, NULL, row);
    return sqrt((double)kernel_norm2(row, pass->rows->width));
}

static size_t tile_end(const struct pass *pass, size_t tile)
{
    return pass->count < (tile + 1) * TILE ? pass->count : (tile + 1) * TILE;
}

static void sum_tile(void *context, size_t tile, unsigned worker)
{
    struct pass *pass = context;
    size_t width = pass->rows->width;
    float *row = pass->scratch + worker * width;
    double *sum = pass->sums + tile * width;
    for (size_t i = tile * TILE; i < tile_end(pass, tile); i++) {
        double length = load(pass, i, row);
        for (size_t j = 0; length > 0 && j < width; j++)
            sum[j] += (double)row[j] / length;
    }
}

static void product_tile(void *context, size_t tile, unsigned worker)
{
    struct pass *pass = context;
    size_t width = pass->rows->width;
    float *row = pass->scratch + worker * width;
    for (size_t i = tile * TILE; i < tile_end(pass, tile); i++) {
        double length = load(pass, i, row);
        double product = 0;
        for (size_t j = 0; j < width; j++)
            product += (double)row[j] * pass->mean[j];
        pass->similarity[i] = length > 0 ? (float)(product / length) : 0;
    }
}

static enum kernel_status run(struct kernel_team *team, struct pass *pass, size_t tiles)
{
    size_t width = pass->rows->width;
    if (!kernel_team_run(team, tiles, sum_tile, pass))
        return KERNEL_STOPPED;
    for (size_t tile = 0; tile < tiles; tile++) {
        for (size_t j = 0; j < width; j++)
            pass->mean[j] += pass->sums[tile * width + j] / (double)pass->count;
    }
    return kernel_team_run(team, tiles, product_tile, pass) ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status kernel_mean_cosine(
    struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count, float *similarity)
{
    size_t tiles = (count + TILE - 1) / TILE;
    struct pass pass = {
        .rows = rows,
        .slots = slots,
        .count = count,
        .sums = calloc(tiles * rows->width + 1, sizeof *pass.sums),
        .mean = calloc(rows->width + 1, sizeof *pass.mean),
        .scratch = malloc(kernel_team_size(team) * rows->width * sizeof *pass.scratch),
        .similarity = similarity,
    };
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (pass.sums != NULL && pass.mean != NULL && pass.scratch != NULL)
        status = run(team, &pass, tiles);
    free(pass.sums);
    free(pass.mean);
    free(pass.scratch);
    return status;
}
