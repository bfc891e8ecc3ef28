#include "selector/kernel/centered.h"

#include "selector/kernel/vector.h"

enum {
    TILE = 256,   /* rows */
    COLUMNS = 64, /* summed at a time */
};

struct gather {
    const struct kernel_rows *rows;
    const uint32_t *slots;
    size_t count;
    float *origin;
    float *to;
    float *norm2;
};

static void gather_tile(void *context, size_t tile, unsigned worker)
{
    const struct gather *gather = context;
    size_t from = tile * TILE;
    size_t count = gather->count - from < TILE ? gather->count - from : TILE;
    (void)worker;
    kernel_gather(gather->rows, gather->slots + from, count, NULL, gather->to + from * gather->rows->width);
}

static void mean_tile(void *context, size_t tile, unsigned worker)
{
    const struct gather *gather = context;
    size_t width = gather->rows->width;
    size_t from = tile * COLUMNS;
    size_t columns = width - from < COLUMNS ? width - from : COLUMNS;
    double sums[COLUMNS] = {0};
    (void)worker;
    for (size_t i = 0; i < gather->count; i++) {
        for (size_t j = 0; j < columns; j++)
            sums[j] += (double)gather->to[i * width + from + j];
    }
    for (size_t j = 0; j < columns; j++)
        gather->origin[from + j] = gather->count > 0 ? (float)(sums[j] / (double)gather->count) : 0;
}

static void center_tile(void *context, size_t tile, unsigned worker)
{
    const struct gather *gather = context;
    size_t width = gather->rows->width;
    (void)worker;
    for (size_t i = tile * TILE; i < (tile + 1) * TILE && i < gather->count; i++) {
        float *row = gather->to + i * width;
        for (size_t j = 0; j < width; j++)
            row[j] -= gather->origin[j];
        gather->norm2[i] = kernel_norm2(row, width);
    }
}

bool kernel_gather_centered(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count,
    float *origin, float *to, float *norm2)
{
    struct gather gather = {rows, slots, count, origin, to, norm2};
    size_t tiles = (count + TILE - 1) / TILE;
    return kernel_team_run(team, tiles, gather_tile, &gather) &&
           kernel_team_run(team, (rows->width + COLUMNS - 1) / COLUMNS, mean_tile, &gather) &&
           kernel_team_run(team, tiles, center_tile, &gather);
}
