#include "selector/kernel/kmeans.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/random.h"
#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Tile sizes are part of the result's bits: they never depend on the number of threads. */
enum { TILE = 256, CENTERS_TILE = 256, ORIGIN_SAMPLE = 4096 };

/* Rows of a batch that D^2 sampling draws seeds from, at least, and for each seed: more make no better seeds. */
enum { SEED_ROWS = 4096, ROWS_A_SEED = 16 };

enum stream { STREAM_BATCH = 1, STREAM_SEED };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t tiles_of(size_t count)
{
    return (count + TILE - 1) / TILE;
}

/* --- assignment --------------------------------------------------------------------------------------------------------- */

struct assignment {
    const struct kernel_kmeans *kmeans;
    struct kernel_team *team;
    const struct kernel_rows *rows;
    const uint32_t *slots;
    size_t count;
    uint32_t *cluster;
    float *scratch; /* for each worker: rows, products */
};

static size_t assignment_scratch(size_t width)
{
    return TILE * (width + CENTERS_TILE);
}

/* Joins `count` centres, numbered from `from`, into the nearest so far: eight running ones, each with the lowest of equals. */
KERNEL_INLINE void nearest_center_body(
    const float *products, const float *norm2, size_t count, uint32_t from, float *best, uint32_t *cluster)
{
    kernel_f8 best8 = (kernel_f8){0} + INFINITY;
    kernel_i8 at8 = {0};
    kernel_i8 number8 = {0, 1, 2, 3, 4, 5, 6, 7};
    size_t c = 0;
    for (; c + KERNEL_LANES <= count; c += KERNEL_LANES) {
        kernel_f8 product, norm;
        kernel_load8(products + c, &product);
        kernel_load8(norm2 + c, &norm);
        kernel_f8 score = norm - product * 2.0F;
        kernel_i8 less = score < best8;
        kernel_select8(&less, &score, &best8, &best8);
        at8 = (less & number8) | (~less & at8);
        number8 += KERNEL_LANES;
    }
    for (size_t l = 0; l < KERNEL_LANES; l++) {
        uint32_t at = from + (uint32_t)at8[l];
        if (best8[l] < *best || (best8[l] <= *best && at < *cluster)) {
            *best = best8[l];
            *cluster = at;
        }
    }
    for (; c < count; c++) {
        float score = norm2[c] - 2 * products[c];
        if (score < *best) {
            *best = score;
            *cluster = from + (uint32_t)c;
        }
    }
}

KERNEL_VARIANTS(nearest_center,
    (const float *products, const float *norm2, size_t count, uint32_t from, float *best, uint32_t *cluster),
    (products, norm2, count, from, best, cluster))

static void assign_tile(void *context, size_t tile, unsigned worker)
{
    const struct assignment *assignment = context;
    const struct kernel_kmeans *kmeans = assignment->kmeans;
    size_t width = kmeans->width;
    size_t from = tile * TILE;
    size_t m = least(assignment->count - from, TILE);
    float *rows = assignment->scratch + worker * assignment_scratch(width);
    float *products = rows + TILE * width;
    float best[TILE];
    for (size_t i = 0; i < m; i++) {
        best[i] = INFINITY;
        assignment->cluster[from + i] = UINT32_MAX;
    }
    kernel_gather(assignment->rows, assignment->slots + from, m, kmeans->origin, rows);
    for (size_t c = 0; c < kmeans->clusters && !kernel_team_poll(assignment->team, worker); c += CENTERS_TILE) {
        size_t n = least(kmeans->clusters - c, CENTERS_TILE);
        kernel_gemm_nt(m, n, width, rows, width, kmeans->centers + c * width, width, products, n);
        for (size_t i = 0; i < m; i++)
            nearest_center(products + i * n, kmeans->norm2 + c, n, (uint32_t)c, &best[i], &assignment->cluster[from + i]);
    }
}

enum kernel_status kernel_kmeans_assign(const struct kernel_kmeans *kmeans, struct kernel_team *team,
    const struct kernel_rows *rows, const uint32_t *slots, size_t count, uint32_t *cluster)
{
    struct assignment assignment = {
        .kmeans = kmeans,
        .team = team,
        .rows = rows,
        .slots = slots,
        .count = count,
        .cluster = cluster,
        .scratch = malloc(kernel_team_size(team) * assignment_scratch(kmeans->width) * sizeof *assignment.scratch),
    };
    if (assignment.scratch == NULL)
        return KERNEL_NO_MEMORY;
    bool done = kernel_team_run(team, tiles_of(count), assign_tile, &assignment);
    free(assignment.scratch);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

void kernel_kmeans_members(const uint32_t *cluster, size_t count, size_t clusters, uint32_t *items, size_t *first)
{
    memset(first, 0, (clusters + 1) * sizeof *first);
    for (size_t i = 0; i < count; i++)
        first[cluster[i] + 1]++;
    for (size_t c = 0; c < clusters; c++)
        first[c + 1] += first[c];
    for (size_t i = 0; i < count; i++)
        items[first[cluster[i]]++] = (uint32_t)i;
    for (size_t c = clusters; c > 0; c--)
        first[c] = first[c - 1];
    first[0] = 0;
}

/* --- rounds ------------------------------------------------------------------------------------------------------------- */

struct rounds {
    struct kernel_kmeans *kmeans;
    struct kernel_team *team;
    const struct kernel_rows *rows;
    const uint32_t *slots;
    size_t count;
    const struct kernel_kmeans_plan *plan;
    size_t batch;
    size_t seed_rows;  /* of a batch, for D^2 sampling */
    uint32_t *drawn;   /* [batch] slots of this round */
    uint32_t *cluster; /* [batch] */
    uint32_t *members; /* [batch] */
    size_t *first;     /* [clusters + 1] */
    double *weight;    /* [clusters] rows that a centre is the mean of already */
    double *sums;      /* [workers x width] */
    float *row;        /* [workers x width] */
    float *seed;       /* [width] D^2 sampling: the last seed, with the origin */
    float *nearest2;   /* [batch] D^2 sampling */
    double *tile_sums; /* [tiles of batch] */
};

/* Draws `size` rows: a batch, or fewer. */
static void draw(struct rounds *rounds, uint64_t round, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        size_t at = i;
        if (rounds->plan->batch != 0 && size < rounds->count) {
            double part = kernel_random_uniform(rounds->plan->seed, STREAM_BATCH, round * rounds->batch + i);
            /* One of each stretch: evenly spread, and near ones share pages. */
            at = (size_t)(((double)i + part) / (double)size * (double)rounds->count);
        }
        rounds->drawn[i] = rounds->slots[least(at, rounds->count - 1)];
    }
}

/* The mean of the rows a centre had and of those it has now; all of them anew where every round sees all rows. */
static void update_center(void *context, size_t c, unsigned worker)
{
    const struct rounds *rounds = context;
    struct kernel_kmeans *kmeans = rounds->kmeans;
    size_t width = kmeans->width;
    size_t size = rounds->first[c + 1] - rounds->first[c];
    if (size == 0)
        return;
    double *sum = rounds->sums + worker * width;
    float *row = rounds->row + worker * width;
    float *center = kmeans->centers + c * width;
    for (size_t j = 0; j < width; j++)
        sum[j] = rounds->weight[c] * (double)center[j];
    for (size_t i = rounds->first[c]; i < rounds->first[c + 1]; i++) {
        /* All rows may be of one cluster. */
        if (i % TILE == 0 && kernel_team_poll(rounds->team, worker))
            return;
        kernel_gather(rounds->rows, &rounds->drawn[rounds->members[i]], 1, kmeans->origin, row);
        for (size_t j = 0; j < width; j++)
            sum[j] += (double)row[j];
    }
    for (size_t j = 0; j < width; j++)
        center[j] = (float)(sum[j] / (rounds->weight[c] + (double)size));
    kmeans->norm2[c] = kernel_norm2(center, width);
    if (rounds->plan->batch != 0)
        rounds->weight[c] += (double)size;
}

static enum kernel_status run_rounds(struct rounds *rounds)
{
    for (unsigned round = 0; round < rounds->plan->rounds; round++) {
        draw(rounds, round + 1, rounds->batch);
        enum kernel_status status =
            kernel_kmeans_assign(rounds->kmeans, rounds->team, rounds->rows, rounds->drawn, rounds->batch, rounds->cluster);
        if (status != KERNEL_OK)
            return status;
        kernel_kmeans_members(rounds->cluster, rounds->batch, rounds->kmeans->clusters, rounds->members, rounds->first);
        if (!kernel_team_run(rounds->team, rounds->kmeans->clusters, update_center, rounds))
            return KERNEL_STOPPED;
    }
    return KERNEL_OK;
}

/* --- seeds -------------------------------------------------------------------------------------------------------------- */

static void set_center(struct rounds *rounds, size_t c, uint32_t slot)
{
    struct kernel_kmeans *kmeans = rounds->kmeans;
    kernel_gather(rounds->rows, &slot, 1, kmeans->origin, kmeans->centers + c * kmeans->width);
    kmeans->norm2[c] = kernel_norm2(kmeans->centers + c * kmeans->width, kmeans->width);
    kmeans->clusters = c + 1;
}

/* Rows at even distances in an order drawn at random are as good as any. */
static void seed_random(struct rounds *rounds, size_t clusters)
{
    for (size_t c = 0; c < clusters; c++) {
        double part = kernel_random_uniform(rounds->plan->seed, STREAM_SEED, c);
        size_t at = (size_t)(((double)c + part) / (double)clusters * (double)rounds->batch);
        set_center(rounds, c, rounds->drawn[least(at, rounds->batch - 1)]);
    }
}

/* Lowers the distances to the nearest seed by the last one. */
static void spread_tile(void *context, size_t tile, unsigned worker)
{
    const struct rounds *rounds = context;
    size_t width = rounds->kmeans->width;
    double sum = 0;
    for (size_t i = tile * TILE; i < least((tile + 1) * TILE, rounds->seed_rows); i++) {
        const float *row = kernel_row_floats(rounds->rows, rounds->drawn[i], rounds->row + worker * width);
        float d = kernel_distance2(row, rounds->seed, width);
        rounds->nearest2[i] = d < rounds->nearest2[i] ? d : rounds->nearest2[i];
        sum += (double)rounds->nearest2[i];
    }
    rounds->tile_sums[tile] = sum;
}

/* A row drawn in proportion to its squared distance; an even draw where all distances are 0. */
static size_t draw_far(const struct rounds *rounds, double part)
{
    size_t tiles = tiles_of(rounds->seed_rows);
    double total = 0;
    for (size_t t = 0; t < tiles; t++)
        total += rounds->tile_sums[t];
    if (!(total > 0))
        return least((size_t)(part * (double)rounds->seed_rows), rounds->seed_rows - 1);
    double left = part * total;
    size_t tile = 0;
    while (tile + 1 < tiles && left >= rounds->tile_sums[tile])
        left -= rounds->tile_sums[tile++];
    size_t last = tile * TILE;
    for (size_t i = tile * TILE; i < least((tile + 1) * TILE, rounds->seed_rows); i++) {
        if (!(rounds->nearest2[i] > 0))
            continue;
        last = i;
        if (left < (double)rounds->nearest2[i])
            break;
        left -= (double)rounds->nearest2[i];
    }
    return last;
}

static enum kernel_status seed_spread(struct rounds *rounds, size_t clusters)
{
    for (size_t i = 0; i < rounds->seed_rows; i++)
        rounds->nearest2[i] = INFINITY;
    for (size_t c = 0; c < clusters; c++) {
        double part = kernel_random_uniform(rounds->plan->seed, STREAM_SEED, c);
        size_t at = c == 0 ? least((size_t)(part * (double)rounds->seed_rows), rounds->seed_rows - 1) : draw_far(rounds, part);
        set_center(rounds, c, rounds->drawn[at]);
        kernel_gather(rounds->rows, &rounds->drawn[at], 1, NULL, rounds->seed);
        if (c + 1 < clusters && !kernel_team_run(rounds->team, tiles_of(rounds->seed_rows), spread_tile, rounds))
            return KERNEL_STOPPED;
    }
    return KERNEL_OK;
}

/* --- all together ------------------------------------------------------------------------------------------------------- */

static bool rounds_init(struct rounds *rounds, size_t clusters)
{
    size_t workers = kernel_team_size(rounds->team);
    size_t width = rounds->kmeans->width;
    size_t batch = rounds->batch;
    rounds->drawn = malloc((batch + 1) * sizeof *rounds->drawn);
    rounds->cluster = malloc((batch + 1) * sizeof *rounds->cluster);
    rounds->members = malloc((batch + 1) * sizeof *rounds->members);
    rounds->first = malloc((clusters + 1) * sizeof *rounds->first);
    rounds->weight = calloc(clusters + 1, sizeof *rounds->weight);
    rounds->sums = malloc(workers * width * sizeof *rounds->sums);
    rounds->row = malloc(workers * width * sizeof *rounds->row);
    rounds->seed = malloc(width * sizeof *rounds->seed);
    rounds->nearest2 = malloc((batch + 1) * sizeof *rounds->nearest2);
    rounds->tile_sums = malloc((tiles_of(batch) + 1) * sizeof *rounds->tile_sums);
    return rounds->drawn != NULL && rounds->cluster != NULL && rounds->members != NULL && rounds->first != NULL &&
           rounds->weight != NULL && rounds->sums != NULL && rounds->row != NULL && rounds->seed != NULL &&
           rounds->nearest2 != NULL && rounds->tile_sums != NULL;
}

static void rounds_deinit(struct rounds *rounds)
{
    free(rounds->drawn);
    free(rounds->cluster);
    free(rounds->members);
    free(rounds->first);
    free(rounds->weight);
    free(rounds->sums);
    free(rounds->row);
    free(rounds->seed);
    free(rounds->nearest2);
    free(rounds->tile_sums);
}

/* The mean of rows evenly spaced. */
static bool find_origin(const struct rounds *rounds)
{
    size_t width = rounds->kmeans->width;
    double *sum = calloc(width + 1, sizeof *sum);
    float *row = malloc(width * sizeof *row);
    size_t sample = least(rounds->count, ORIGIN_SAMPLE);
    bool ok = sum != NULL && row != NULL;
    for (size_t i = 0; ok && i < sample; i++) {
        kernel_gather(rounds->rows, &rounds->slots[i * rounds->count / sample], 1, NULL, row);
        for (size_t j = 0; j < width; j++)
            sum[j] += (double)row[j];
    }
    for (size_t j = 0; ok && j < width; j++)
        rounds->kmeans->origin[j] = (float)(sum[j] / (double)sample);
    free(sum);
    free(row);
    return ok;
}

static enum kernel_status cluster(struct rounds *rounds, size_t clusters)
{
    if (!rounds_init(rounds, clusters) || !find_origin(rounds))
        return KERNEL_NO_MEMORY;
    draw(rounds, 0, rounds->plan->spread ? rounds->seed_rows : rounds->batch);
    enum kernel_status status = KERNEL_OK;
    if (rounds->plan->spread)
        status = seed_spread(rounds, clusters);
    else
        seed_random(rounds, clusters);
    return status == KERNEL_OK ? run_rounds(rounds) : status;
}

enum kernel_status kernel_kmeans_init(struct kernel_kmeans *kmeans, struct kernel_team *team, const struct kernel_rows *rows,
    const uint32_t *slots, size_t count, const struct kernel_kmeans_plan *plan)
{
    size_t clusters = least(plan->clusters, count);
    *kmeans = (struct kernel_kmeans){
        .width = rows->width,
        .centers = malloc(clusters * rows->width * sizeof *kmeans->centers),
        .norm2 = malloc(clusters * sizeof *kmeans->norm2),
        .origin = malloc(rows->width * sizeof *kmeans->origin),
    };
    struct rounds rounds = {
        .kmeans = kmeans,
        .team = team,
        .rows = rows,
        .slots = slots,
        .count = count,
        .plan = plan,
        .batch = plan->batch != 0 ? least(plan->batch > clusters ? plan->batch : clusters, count) : count,
    };
    size_t enough = ROWS_A_SEED * clusters > SEED_ROWS ? ROWS_A_SEED * clusters : SEED_ROWS;
    rounds.seed_rows = plan->batch != 0 ? least(enough, rounds.batch) : rounds.batch;
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (kmeans->centers != NULL && kmeans->norm2 != NULL && kmeans->origin != NULL)
        status = cluster(&rounds, clusters);
    rounds_deinit(&rounds);
    return status;
}

void kernel_kmeans_deinit(struct kernel_kmeans *kmeans)
{
    free(kmeans->centers);
    free(kmeans->norm2);
    free(kmeans->origin);
    *kmeans = (struct kernel_kmeans){0};
}
