/*
 * bench_kcenter.c - k-center on a file of points against the plain loop: every point against every new centre, with AVX2, on
 * two threads. Both must give the same picks.
 *
 *     bench_kcenter FILE ROWS WIDTH K      FILE: raw little-endian float32, ROWS x WIDTH
 */
#include "selector/kernel/kcenter.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"
#include "test/bench/bench.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 2, REPEATS = 3 };

struct points {
    const float *values;
    size_t rows;
    size_t width;
};

/* One thread's half of the plain loop; it meets the other twice for each centre. */
struct half {
    const struct points *points;
    size_t k;
    uint32_t *picks;
    float *bound;
    uint32_t (*farthest)[THREADS];
    pthread_barrier_t *barrier;
    size_t index;
    size_t from;
    size_t to;
};

static void *plain_half(void *argument)
{
    struct half *half = argument;
    size_t width = half->points->width;
    for (size_t step = 1; step < half->k; step++) {
        const float *center = half->points->values + half->picks[step - 1] * width;
        uint32_t farthest = (uint32_t)half->from;
        for (size_t i = half->from; i < half->to; i++) {
            float d = kernel_distance2(half->points->values + i * width, center, width);
            half->bound[i] = d < half->bound[i] ? d : half->bound[i];
            farthest = half->bound[i] > half->bound[farthest] ? (uint32_t)i : farthest;
        }
        (*half->farthest)[half->index] = farthest;
        pthread_barrier_wait(half->barrier);
        uint32_t a = (*half->farthest)[0];
        uint32_t b = (*half->farthest)[1];
        if (half->index == 0)
            half->picks[step] = half->bound[b] > half->bound[a] ? b : a;
        pthread_barrier_wait(half->barrier);
    }
    return NULL;
}

/* picks[0] is given. */
static void plain(const struct points *points, size_t k, uint32_t *picks, float *bound)
{
    pthread_barrier_t barrier;
    pthread_t threads[THREADS];
    struct half halves[THREADS];
    uint32_t farthest[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (size_t i = 0; i < points->rows; i++)
        bound[i] = INFINITY;
    for (size_t t = 0; t < THREADS; t++) {
        halves[t] = (struct half){
            points, k, picks, bound, &farthest, &barrier, t, points->rows * t / THREADS, points->rows * (t + 1) / THREADS};
        pthread_create(&threads[t], NULL, plain_half, &halves[t]);
    }
    for (size_t t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    pthread_barrier_destroy(&barrier);
}

static int lazy(const struct points *points, unsigned threads, size_t k, uint32_t *slots, uint32_t *picks)
{
    const void *blocks[1] = {points->values};
    struct kernel_rows rows = {
        points->rows, points->width, points->width * sizeof(float), KERNEL_F32, points->rows, blocks, NULL};
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    struct kernel_kcenter *kcenter = team != NULL ? kernel_kcenter_new(team, &rows, slots, points->rows) : NULL;
    int failed = kcenter == NULL;
    if (!failed)
        kernel_kcenter_rewind(kcenter, NULL, NULL);
    for (size_t i = 0; i < k && !failed; i++) {
        double distance2;
        failed = kernel_kcenter_next(kcenter, NULL, NULL, &picks[i], &distance2) != KERNEL_OK ||
                 kernel_kcenter_take(kcenter, picks[i]) != KERNEL_OK;
    }
    kernel_kcenter_free(&kcenter);
    kernel_team_free(&team);
    return failed;
}

/* The median time of a few: it is short beside the plain loop's, which evens out what the machine does by itself. */
static int time_lazy(const struct points *points, unsigned threads, size_t k, uint32_t *slots, uint32_t *picks, double *seconds)
{
    float times[REPEATS];
    for (size_t i = 0; i < REPEATS; i++) {
        double start = bench_seconds();
        if (lazy(points, threads, k, slots, picks))
            return 1;
        times[i] = (float)(bench_seconds() - start);
    }
    kernel_sort_floats(times, REPEATS);
    *seconds = (double)times[REPEATS / 2];
    return 0;
}

static int compare(const struct points *points, size_t k)
{
    uint32_t *slots = malloc(points->rows * sizeof *slots);
    uint32_t *picks = malloc(k * sizeof *picks);
    uint32_t *expected = malloc(k * sizeof *expected);
    float *bound = malloc(points->rows * sizeof *bound);
    int failed = slots == NULL || picks == NULL || expected == NULL || bound == NULL;
    double seconds[THREADS] = {0};
    for (uint32_t i = 0; !failed && i < points->rows; i++)
        slots[i] = i;
    for (unsigned threads = 1; threads <= THREADS && !failed; threads++) {
        failed = time_lazy(points, threads, k, slots, picks, &seconds[threads - 1]);
    }
    if (!failed) {
        expected[0] = picks[0];
        double start = bench_seconds();
        plain(points, k, expected, bound);
        double baseline = bench_seconds() - start;
        failed = memcmp(picks, expected, k * sizeof *picks) != 0;
        for (unsigned threads = 1; threads <= THREADS && !failed; threads++) {
            char name[64];
            snprintf(name, sizeof name, "%zux%zu-k%zu-threads%u", points->rows, points->width, k, threads);
            bench_print("kcenter", name, seconds[threads - 1], "plain-avx2-2-threads", baseline);
        }
    }
    if (failed)
        fprintf(stderr, "bench_kcenter: no memory, or other picks than the plain loop's\n");
    free(slots);
    free(picks);
    free(expected);
    free(bound);
    return failed;
}

int main(int count, char **arguments)
{
    if (count != 5) {
        fprintf(stderr, "usage: bench_kcenter FILE ROWS WIDTH K\n");
        return 2;
    }
    size_t rows = strtoull(arguments[2], NULL, 10);
    size_t width = strtoull(arguments[3], NULL, 10);
    size_t k = strtoull(arguments[4], NULL, 10);
    if (rows < 2 || rows > 1U << 31 || width == 0 || width > 1U << 20 || k == 0 || k > rows) {
        fprintf(stderr, "bench_kcenter: 2 <= ROWS <= 2^31, 1 <= WIDTH <= 2^20, 1 <= K <= ROWS\n");
        return 2;
    }
    FILE *file = fopen(arguments[1], "rb");
    float *values = file != NULL ? malloc(rows * width * sizeof *values) : NULL;
    int failed = values == NULL || fread(values, width * sizeof *values, rows, file) != rows;
    if (failed)
        fprintf(stderr, "bench_kcenter: %s does not hold %zu rows of %zu floats\n", arguments[1], rows, width);
    else
        failed = compare(&(struct points){values, rows, width}, k);
    if (file != NULL)
        fclose(file);
    free(values);
    return failed;
}
