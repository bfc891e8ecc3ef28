/*
 * bench_large.c - selection from a large pool that lies in blocks as the store's does, beside one product of all of it with 100
 * centres in the same run: seconds, peak memory over that of the embeddings, and the longest time between two calls of the
 * progress function.
 *
 *     bench_large ROWS WIDTH f32|f16 STRATEGY[@SECONDS]...
 *
 * A strategy with seconds behind it is told to stop after so many, and the time that it takes to return is printed too.
 */
#include "selector/kernel/gemm.h"
#include "selector/kernel/random.h"
#include "selector/kernel/team.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/select.h"
#include "test/bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    BLOCK = 256,   /* rows */
    HEADER = 64,   /* bytes between blocks, so that they are not one array */
    CLUMPS = 2000, /* of samples around one centre */
    NOISE = 1 << 16,
    CLASSES = 10,
    DRAWS = 4,
    LABELED = 1000,
    PICKS = 1000,
    CENTERS = 100,
    WORKERS = 64,
};

struct pool {
    size_t n;
    size_t width;
    enum kernel_dtype dtype;
    struct kernel_team *team;
    size_t block_bytes;
    char *memory;
    const void **blocks;
    const uint8_t **presents;
    float *numbers; /* [n x CLASSES] probabilities */
    float *centers; /* [CLUMPS x width] */
    float *noise;   /* [NOISE + width] */
    struct kernel_rows embeddings;
    struct kernel_rows probabilities;
    struct kernel_rows utility;
    struct kernel_rows draws[DRAWS];
    uint8_t present[BLOCK / 8];
    uint8_t *state;
    int32_t *label;
    int64_t *price;
    uint64_t *tags;
    float *scratch[WORKERS];
};

static size_t blocks_of(size_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

/* Nearly normal. */
static float normal(uint64_t stream, uint64_t i)
{
    double sum = -2;
    for (uint64_t j = 0; j < 4; j++)
        sum += kernel_random_uniform(1, stream, 4 * i + j);
    return (float)(sum * 1.7320508);
}

/* Spread of a coordinate: few directions hold most of the variance, as in embeddings. */
static float spread(size_t j)
{
    return 1 / (1 + (float)j / 16);
}

/* Towards zero; what a half cannot hold becomes 0. */
static uint16_t half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t magnitude = bits & 0x7fffffff;
    uint32_t half = magnitude < 113U << 23 ? 0 : (magnitude - (112U << 23)) >> 13;
    return (uint16_t)(half | (bits >> 16 & 0x8000));
}

static void fill_block(void *context, size_t block, unsigned worker)
{
    struct pool *pool = context;
    char *to = pool->memory + block * pool->block_bytes;
    float *row = pool->scratch[worker];
    for (size_t i = block * BLOCK; i < (block + 1) * BLOCK && i < pool->n; i++) {
        const float *center = pool->centers + kernel_random_bits(2, 0, i) % CLUMPS * pool->width;
        const float *noise = pool->noise + kernel_random_bits(2, 1, i) % NOISE;
        for (size_t j = 0; j < pool->width; j++) {
            row[j] = center[j] + 0.5F * spread(j) * noise[j];
            if (pool->dtype == KERNEL_F16)
                ((uint16_t *)(void *)to)[j] = half_of(row[j]);
        }
        if (pool->dtype == KERNEL_F32)
            memcpy(to, row, pool->embeddings.row_bytes);
        to += pool->embeddings.row_bytes;
    }
}

static void fill_probabilities(struct pool *pool, float *to)
{
    for (size_t i = 0; i < pool->n; i++, to += CLASSES) {
        float sum = 0;
        for (size_t c = 0; c < CLASSES; c++) {
            float u = (float)kernel_random_uniform(3, c, i);
            to[c] = u * u * u;
            sum += to[c];
        }
        for (size_t c = 0; c < CLASSES; c++)
            to[c] /= sum;
    }
}

/* A view with the blocks of `from`, `step` further on. */
static struct kernel_rows blocks_view(const struct pool *pool, size_t width, const char *from, size_t bytes, size_t step)
{
    size_t count = blocks_of(pool->n);
    const void **blocks = malloc(count * sizeof *blocks);
    for (size_t b = 0; blocks != NULL && b < count; b++)
        blocks[b] = from + (b + step) % (count > 1 ? count - 1 : 1) * bytes;
    return (struct kernel_rows){.count = pool->n, .width = width, .rows_per_block = BLOCK, .blocks = blocks};
}

static bool make_embeddings(struct pool *pool)
{
    size_t count = blocks_of(pool->n);
    size_t row_bytes = pool->width * (pool->dtype == KERNEL_F16 ? 2 : 4);
    pool->block_bytes = BLOCK * row_bytes + HEADER;
    void *memory = mmap(NULL, count * pool->block_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pool->blocks = malloc(count * sizeof *pool->blocks);
    pool->presents = malloc(count * sizeof *pool->presents);
    pool->centers = malloc(CLUMPS * pool->width * sizeof *pool->centers);
    pool->noise = malloc((NOISE + pool->width) * sizeof *pool->noise);
    if (memory == MAP_FAILED || pool->blocks == NULL || pool->presents == NULL || pool->centers == NULL || pool->noise == NULL)
        return false;
    pool->memory = memory;
    for (size_t i = 0; i < CLUMPS * pool->width; i++)
        pool->centers[i] = 2 * spread(i % pool->width) * normal(4, i);
    for (size_t i = 0; i < NOISE + pool->width; i++)
        pool->noise[i] = normal(5, i);
    memset(pool->present, 0xff, sizeof pool->present);
    pool->present[BLOCK / 8 - 1] = 0x7f; /* the last row of each block is absent */
    for (size_t b = 0; b < count; b++) {
        pool->blocks[b] = pool->memory + b * pool->block_bytes;
        pool->presents[b] = pool->present;
    }
    pool->embeddings = (struct kernel_rows){pool->n, pool->width, row_bytes, pool->dtype, BLOCK, pool->blocks, pool->presents};
    return kernel_team_run(pool->team, count, fill_block, pool);
}

static bool make_columns(struct pool *pool)
{
    pool->numbers = malloc((blocks_of(pool->n) * BLOCK) * CLASSES * sizeof *pool->numbers);
    pool->state = malloc(pool->n);
    pool->label = malloc(pool->n * sizeof *pool->label);
    pool->price = malloc(pool->n * sizeof *pool->price);
    pool->tags = malloc(pool->n * sizeof *pool->tags);
    if (pool->numbers == NULL || pool->state == NULL || pool->label == NULL || pool->price == NULL || pool->tags == NULL)
        return false;
    fill_probabilities(pool, pool->numbers);
    size_t bytes = (size_t)BLOCK * CLASSES * sizeof *pool->numbers;
    for (size_t d = 0; d < DRAWS; d++) {
        pool->draws[d] = blocks_view(pool, CLASSES, (const char *)pool->numbers, bytes, d);
        pool->draws[d].row_bytes = CLASSES * sizeof *pool->numbers;
        if (pool->draws[d].blocks == NULL)
            return false;
    }
    pool->probabilities = pool->draws[0];
    pool->utility = pool->draws[1]; /* of its first class: any number will do */
    pool->utility.width = 1;
    size_t step = pool->n > LABELED ? pool->n / LABELED : 1;
    for (size_t i = 0; i < pool->n; i++) {
        bool labeled = i % step == 0;
        pool->state[i] = labeled ? SELECT_LABELED : SELECT_CANDIDATE;
        pool->label[i] = labeled ? (int32_t)(kernel_random_bits(6, 0, i) % CLASSES) : -1;
        pool->price[i] = (int64_t)(50000 + kernel_random_bits(6, 1, i) % 100000);
        pool->tags[i] = kernel_random_bits(6, 2, i) % 20 == 0;
    }
    return true;
}

/* --- one product of the pool with some centres -------------------------------------------------------------------------- */

static void product_block(void *context, size_t block, unsigned worker)
{
    struct pool *pool = context;
    const float *rows = (const float *)pool->embeddings.blocks[block];
    float *out = pool->scratch[worker] + BLOCK * pool->width;
    size_t count = pool->n - block * BLOCK < BLOCK ? pool->n - block * BLOCK : BLOCK;
    if (pool->dtype == KERNEL_F16) {
        kernel_widen(rows, KERNEL_F16, count * pool->width, pool->scratch[worker]);
        rows = pool->scratch[worker];
    }
    kernel_gemm_nt(count, CENTERS, pool->width, rows, pool->width, pool->centers, pool->width, out, CENTERS);
}

static double time_product(struct pool *pool)
{
    double best = 1e9;
    for (int i = 0; i < 3; i++) {
        double start = bench_seconds();
        kernel_team_run(pool->team, blocks_of(pool->n), product_block, pool);
        double seconds = bench_seconds() - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

/* --- one selection ------------------------------------------------------------------------------------------------------ */

/* A line of /proc/self/status in bytes, 0 where there is none. */
static double status_bytes(const char *field)
{
    char line[256];
    double kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0)
            kilobytes = strtod(line + strlen(field) + 1, NULL);
    }
    if (file != NULL)
        fclose(file);
    return 1024 * kilobytes;
}

/* Makes the peak of memory start from here. */
static void reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file == NULL)
        return;
    fputs("5", file);
    fclose(file);
}

struct watch {
    double last;
    double longest; /* seconds between two calls */
    double done;    /* where that was */
    double stop_at; /* a time; INFINITY: never */
    double stopped; /* when it was told to stop; 0: never */
};

static bool watch_progress(void *context, double done)
{
    struct watch *watch = context;
    double now = bench_seconds();
    if (now - watch->last > watch->longest) {
        watch->longest = now - watch->last;
        watch->done = done;
    }
    watch->last = now;
    if (now < watch->stop_at)
        return false;
    watch->stopped = now;
    return true;
}

static struct select_policy policy_of(enum select_strategy strategy, struct watch *watch)
{
    static const struct select_share shares[] = {
        {.is_class = true, .index = 3, .share = 0.2, .maximum = 1}, {.index = 0, .share = 0.1, .maximum = 0.3}};
    struct select_policy policy = select_policy_default();
    policy.strategy = strategy;
    policy.seed = 1;
    policy.progress = watch_progress;
    policy.progress_context = watch;
    policy.count = strategy == SELECT_AUTO ? SIZE_MAX : PICKS;
    if (strategy == SELECT_AUTO) {
        policy.budget = (int64_t)PICKS * 100000;
        policy.shares = shares;
        policy.share_count = sizeof shares / sizeof shares[0];
    }
    return policy;
}

static int run_strategy(const struct pool *pool, const char *name, double product)
{
    enum select_strategy strategy;
    size_t length = strcspn(name, "@");
    double most = name[length] != 0 ? strtod(name + length + 1, NULL) : INFINITY;
    if (!select_strategy_parse(name, length, &strategy)) {
        fprintf(stderr, "no such strategy: %s\n", name);
        return 1;
    }
    struct select_input input = {
        .n = pool->n,
        .classes = CLASSES,
        .state = pool->state,
        .label = pool->label,
        .price = pool->price,
        .tags = pool->tags,
        .probabilities = &pool->probabilities,
        .draws = pool->draws,
        .draw_count = DRAWS,
        .utility = &pool->utility,
        .embeddings = &pool->embeddings,
    };
    struct select_result result = {0};
    struct select_error error = {0};
    struct watch watch = {.last = bench_seconds()};
    watch.stop_at = watch.last + most;
    struct select_policy policy = policy_of(strategy, &watch);
    reset_peak();
    double before = status_bytes("VmRSS");
    double start = watch.last;
    enum select_status status = select_run(&input, &policy, &result, &error);
    double seconds = bench_seconds() - start;
    double stopping = watch.stopped > 0 ? start + seconds - watch.stopped : 0;
    watch_progress(&watch, 1);
    if (status != SELECT_OK && status != SELECT_CANCELED) {
        fprintf(stderr, "%s: status %d, %s: expected %s, got %s\n", name, (int)status, error.field, error.expected, error.got);
        return 1;
    }
    double bytes = (double)pool->n * (double)pool->embeddings.row_bytes;
    printf("{\"bench\": \"large\", \"case\": \"%s-%zux%zu-%s\", \"seconds\": %.4f, \"baseline\": \"product-with-%d-centres\", "
           "\"baseline_seconds\": %.4f, \"ratio\": %.4f, \"picks\": %zu, \"peak_memory_share\": %.3f, \"peak_mb\": %.1f, "
           "\"longest_silence_ms\": %.1f, \"silence_at\": %.3f, \"stop_ms\": %.1f}\n",
        name, pool->n, pool->width, pool->dtype == KERNEL_F16 ? "f16" : "f32", seconds, CENTERS, product, product / seconds,
        result.count, 1 + (status_bytes("VmHWM") - before) / bytes, (status_bytes("VmHWM") - before) / 1e6,
        1000 * watch.longest, watch.done, 1000 * stopping);
    fflush(stdout);
    select_result_deinit(&result);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: bench_large ROWS WIDTH f32|f16 STRATEGY[@SECONDS]...\n");
        return 2;
    }
    static struct pool pool;
    pool.n = strtoull(argv[1], NULL, 10);
    pool.width = strtoull(argv[2], NULL, 10);
    pool.dtype = strcmp(argv[3], "f16") == 0 ? KERNEL_F16 : KERNEL_F32;
    pool.team = kernel_team_new(0, NULL, NULL);
    bool ok = pool.n > 0 && pool.width > 0 && pool.team != NULL;
    for (unsigned w = 0; ok && w < kernel_team_size(pool.team); w++) {
        pool.scratch[w] = malloc(BLOCK * (pool.width + CENTERS) * sizeof *pool.scratch[w]);
        ok = pool.scratch[w] != NULL;
    }
    if (!ok || !make_embeddings(&pool) || !make_columns(&pool)) {
        fprintf(stderr, "not enough memory for %s rows of %s\n", argv[1], argv[2]);
        return 1;
    }
    double product = time_product(&pool);
    int failed = 0;
    for (int i = 4; i < argc; i++)
        failed |= run_strategy(&pool, argv[i], product);
    return failed;
}
