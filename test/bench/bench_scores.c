/*
 * bench_scores.c - scores of class probabilities against a plain read of the same memory, each the best of five, one thread and
 * two, and two without AVX-512 where there is any. A ratio of 1 is the speed of memory. The cases named `cached` score as many
 * rows, but the same 256 again and again: what they take is arithmetic, and no memory could make the other ones quicker.
 */
#include "selector/kernel/cpu.h"
#include "selector/kernel/scores.h"
#include "test/bench/bench.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 5, BLOCK_ROWS = 256 };

typedef uint64_t vector __attribute__((vector_size(32), aligned(8), may_alias));

struct read {
    const vector *memory;
    size_t tile_vectors;
    uint64_t sums[64]; /* by worker */
};

#if defined(__x86_64__)
__attribute__((target("avx2")))
#endif
static void
read_tile(void *context, size_t tile, unsigned worker)
{
    struct read *read = context;
    const vector *from = read->memory + tile * read->tile_vectors;
    vector sum0 = {0}, sum1 = {0}, sum2 = {0}, sum3 = {0};
    for (size_t i = 0; i + 4 <= read->tile_vectors; i += 4) {
        sum0 += from[i];
        sum1 += from[i + 1];
        sum2 += from[i + 2];
        sum3 += from[i + 3];
    }
    sum0 += sum1 + sum2 + sum3;
    for (size_t j = 0; j < 4; j++)
        read->sums[worker] += sum0[j];
}

static double time_read(struct kernel_team *team, const void *memory, size_t bytes)
{
    double best = 1e9;
    struct read read = {.memory = memory, .tile_vectors = 1 << 14};
    for (int i = 0; i < REPEATS; i++) {
        double start = bench_seconds();
        kernel_team_run(team, bytes / sizeof(vector) / read.tile_vectors, read_tile, &read);
        double seconds = bench_seconds() - start;
        best = seconds < best ? seconds : best;
    }
    /* The sum is used, so that the read is not left out. */
    return read.sums[0] == 1 ? 0 : best;
}

static double time_scores(struct kernel_team *team, const struct kernel_rows *rows, const struct kernel_scores *out)
{
    double best = 1e9;
    for (int i = 0; i < REPEATS; i++) {
        double start = bench_seconds();
        kernel_scores_dense(team, rows, 1, out);
        double seconds = bench_seconds() - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

/* The three kinds of scores of a pool. */
static void bench_pool(struct kernel_team *team, const struct kernel_rows *rows, const struct kernel_scores *all,
    const char *suffix, double baseline)
{
    const struct kernel_scores margin = {all->first, all->second, all->predicted, NULL};
    const struct kernel_scores entropy = {NULL, NULL, NULL, all->entropy};
    const struct kernel_scores *const kinds[] = {&margin, &entropy, all};
    static const char *const names[] = {"margin", "entropy", "both"};
    for (size_t i = 0; i < 3; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s-%s", names[i], suffix);
        bench_print("scores", name, time_scores(team, rows, kinds[i]), "plain-read", baseline);
    }
}

static void fill(void *memory, size_t elements, enum kernel_dtype dtype)
{
    for (size_t i = 0; i < elements; i++) {
        uint16_t half = (uint16_t)(i * 2654435761U >> 18 & 0x3bff);
        float single = (float)(i * 2654435761U >> 8 & 0xffff) / 65536;
        if (dtype == KERNEL_F16)
            memcpy((char *)memory + 2 * i, &half, sizeof half);
        else
            memcpy((char *)memory + 4 * i, &single, sizeof single);
    }
}

static int run_case(unsigned threads, size_t count, size_t width, enum kernel_dtype dtype)
{
    const size_t row_bytes = width * (dtype == KERNEL_F16 ? 2 : 4);
    const size_t block_count = (count + BLOCK_ROWS - 1) / BLOCK_ROWS;
    void *memory = malloc(count * row_bytes);
    const void **blocks = malloc(block_count * sizeof *blocks);
    const struct kernel_scores all = {
        .first = malloc(count * sizeof(float)),
        .second = malloc(count * sizeof(float)),
        .predicted = malloc(count * sizeof(int32_t)),
        .entropy = malloc(count * sizeof(float)),
    };
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    int failed = memory == NULL || blocks == NULL || all.first == NULL || all.second == NULL || all.entropy == NULL ||
                 all.predicted == NULL || team == NULL;
    if (!failed) {
        const void *one[1] = {memory};
        const struct kernel_rows rows = {count, width, row_bytes, dtype, count, one, NULL};
        const struct kernel_rows cached = {count, width, row_bytes, dtype, BLOCK_ROWS, blocks, NULL};
        const char *vectors = kernel_cpu_avx512() ? "avx512" : kernel_cpu_fma() ? "avx2" : "plain";
        char suffix[80];
        for (size_t i = 0; i < block_count; i++)
            blocks[i] = memory;
        fill(memory, count * width, dtype);
        const double baseline = time_read(team, memory, count * row_bytes);
        snprintf(suffix, sizeof suffix, "%zux%zu-%s-%s-threads%u", count, width, dtype == KERNEL_F16 ? "f16" : "f32", vectors,
            threads);
        bench_pool(team, &rows, &all, suffix, baseline);
        strcat(suffix, "-cached");
        bench_pool(team, &cached, &all, suffix, baseline);
    }
    kernel_team_free(&team);
    free(memory);
    free(blocks);
    free(all.first);
    free(all.second);
    free(all.predicted);
    free(all.entropy);
    return failed;
}

static int run_cases(unsigned threads)
{
    int failed = run_case(threads, 4000000, 10, KERNEL_F32);
    failed |= run_case(threads, 1000000, 100, KERNEL_F32);
    failed |= run_case(threads, 1000000, 100, KERNEL_F16);
    failed |= run_case(threads, 200000, 1000, KERNEL_F32);
    return failed;
}

int main(void)
{
    int failed = run_cases(1) | run_cases(2);
    if (kernel_cpu_avx512()) {
        kernel_cpu_avx512_off(true);
        failed |= run_cases(2);
    }
    return failed;
}
