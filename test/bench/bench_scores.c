/*
 * bench_scores.c - scores of class probabilities against a plain read of the same memory, each the best of five, one thread and
 * two, and two without AVX-512 where there is any. A ratio of 1 is the speed of memory.
 */
#include "selector/kernel/cpu.h"
#include "selector/kernel/scores.h"
#include "test/bench/bench.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 5 };

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

static int run_case(unsigned threads, size_t count, size_t width, enum kernel_dtype dtype)
{
    size_t row_bytes = width * (dtype == KERNEL_F16 ? 2 : 4);
    void *memory = malloc(count * row_bytes);
    float *first = malloc(count * sizeof *first);
    float *second = malloc(count * sizeof *second);
    float *entropy = malloc(count * sizeof *entropy);
    int32_t *predicted = malloc(count * sizeof *predicted);
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    int failed = memory == NULL || first == NULL || second == NULL || entropy == NULL || predicted == NULL || team == NULL;
    for (size_t i = 0; i < count * width && !failed; i++) {
        uint16_t half = (uint16_t)(i * 2654435761U >> 18 & 0x3bff);
        float single = (float)(i * 2654435761U >> 8 & 0xffff) / 65536;
        if (dtype == KERNEL_F16)
            memcpy((char *)memory + 2 * i, &half, sizeof half);
        else
            memcpy((char *)memory + 4 * i, &single, sizeof single);
    }
    if (!failed) {
        const void *blocks[1] = {memory};
        struct kernel_rows rows = {count, width, row_bytes, dtype, count, blocks, NULL};
        struct kernel_scores margin = {first, second, predicted, NULL};
        struct kernel_scores alone = {NULL, NULL, NULL, entropy};
        struct kernel_scores all = {first, second, predicted, entropy};
        double baseline = time_read(team, memory, count * row_bytes);
        char name[64];
        const char *type = dtype == KERNEL_F16 ? "f16" : "f32";
        const char *vectors = kernel_cpu_avx512() ? "avx512" : kernel_cpu_fma() ? "avx2" : "plain";
        snprintf(name, sizeof name, "margin-%zux%zu-%s-%s-threads%u", count, width, type, vectors, threads);
        bench_print("scores", name, time_scores(team, &rows, &margin), "plain-read", baseline);
        snprintf(name, sizeof name, "entropy-%zux%zu-%s-%s-threads%u", count, width, type, vectors, threads);
        bench_print("scores", name, time_scores(team, &rows, &alone), "plain-read", baseline);
        snprintf(name, sizeof name, "both-%zux%zu-%s-%s-threads%u", count, width, type, vectors, threads);
        bench_print("scores", name, time_scores(team, &rows, &all), "plain-read", baseline);
    }
    kernel_team_free(&team);
    free(memory);
    free(first);
    free(second);
    free(entropy);
    free(predicted);
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
