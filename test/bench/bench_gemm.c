/*
 * bench_gemm.c - the matrix product in the shapes that selection makes, on one thread and on two at once, each with a product
 * of its own; beside BLIS on the same product and the processor's peak, both of the same run. Rates are of all threads
 * together.
 */
#include "selector/kernel/blis.h"
#include "selector/kernel/cpu.h"
#include "selector/kernel/gemm.h"
#include "selector/kernel/random.h"
#include "test/bench/bench.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { THREADS = 2, REPEATS = 7 };

struct product {
    size_t m, n, k;
    float *a, *b, *c;
};

typedef void run_fn(const struct product *product);

static void ours(const struct product *p)
{
    kernel_gemm_nt(p->m, p->n, p->k, p->a, p->k, p->b, p->k, p->c, p->n);
}

static void blis(const struct product *p)
{
    rntm_t runtime;
    bli_rntm_init(&runtime);
    bli_rntm_set_num_threads(1, &runtime);
    float one = 1;
    float zero = 0;
    bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_TRANSPOSE, (dim_t)p->m, (dim_t)p->n, (dim_t)p->k, &one, p->a, (inc_t)p->k, 1, p->b,
        (inc_t)p->k, 1, &zero, p->c, (inc_t)p->n, 1, NULL, &runtime);
}

/* Multiply-adds in registers alone, as many at once as it takes to keep every unit busy: [m x n x k] of the product's. */
#if defined(__x86_64__)
#define PEAK(name, features, vector, lanes, zero, fma, chains)                                                                 \
    __attribute__((target(features))) static void name(const struct product *p)                                                \
    {                                                                                                                          \
        vector sum[chains];                                                                                                    \
        vector x = zero();                                                                                                     \
        for (int i = 0; i < (chains); i++)                                                                                     \
            sum[i] = zero();                                                                                                   \
        for (size_t step = p->m * p->n * p->k / ((lanes) * (chains)); step > 0; step--) {                                      \
            _Pragma("GCC unroll 12") for (int i = 0; i < (chains); i++) sum[i] = fma(x, x, sum[i]);                            \
            __asm__ volatile("" : "+v"(x));                                                                                    \
        }                                                                                                                      \
        for (int i = 0; i < (chains); i++)                                                                                     \
            __asm__ volatile("" ::"v"(sum[i]));                                                                                \
    }
PEAK(peak_avx512, "avx512f", __m512, 16, _mm512_setzero_ps, _mm512_fmadd_ps, 12)
PEAK(peak_avx2, "avx2,fma", __m256, 8, _mm256_setzero_ps, _mm256_fmadd_ps, 12)
#endif

static run_fn *peak(void)
{
#if defined(__x86_64__)
    if (kernel_cpu_avx512())
        return peak_avx512;
    if (kernel_cpu_fma())
        return peak_avx2;
#endif
    return NULL;
}

struct runner {
    pthread_t thread;
    pthread_barrier_t *start;
    const struct product *product;
    run_fn *run;
    unsigned times;
    double began;
    double ended;
};

static void *run_thread(void *argument)
{
    struct runner *runner = argument;
    pthread_barrier_wait(runner->start);
    runner->began = bench_seconds();
    for (unsigned i = 0; i < runner->times; i++)
        runner->run(runner->product);
    runner->ended = bench_seconds();
    return NULL;
}

/* From the first thread's start to the last one's end, by their own clocks: this thread may be woken late. */
static double run_once(const struct product *products, unsigned threads, run_fn *run, unsigned times)
{
    pthread_barrier_t start;
    struct runner runners[THREADS];
    pthread_barrier_init(&start, NULL, threads);
    for (unsigned t = 0; t < threads; t++) {
        runners[t] = (struct runner){.start = &start, .product = &products[t], .run = run, .times = times};
        pthread_create(&runners[t].thread, NULL, run_thread, &runners[t]);
    }
    double began = HUGE_VAL;
    double ended = 0;
    for (unsigned t = 0; t < threads; t++) {
        pthread_join(runners[t].thread, NULL);
        began = fmin(began, runners[t].began);
        ended = fmax(ended, runners[t].ended);
    }
    pthread_barrier_destroy(&start);
    return (ended - began) / times;
}

/* Best of several: the machine has other work too. */
static double seconds_of(const struct product *products, unsigned threads, run_fn *run)
{
    double flops = 2.0 * (double)products->m * (double)products->n * (double)products->k;
    unsigned times = (unsigned)(3e9 / flops) + 1;
    double best = INFINITY;
    for (unsigned i = 0; i < REPEATS; i++)
        best = fmin(best, run_once(products, threads, run, times));
    return best;
}

static bool product_init(struct product *p, size_t m, size_t n, size_t k)
{
    *p = (struct product){.m = m, .n = n, .k = k};
    p->a = malloc(m * k * sizeof *p->a);
    p->b = malloc(n * k * sizeof *p->b);
    p->c = malloc(m * n * sizeof *p->c);
    if (p->a == NULL || p->b == NULL || p->c == NULL)
        return false;
    for (size_t i = 0; i < m * k; i++)
        p->a[i] = (float)kernel_random_uniform(1, 1, i) - 0.5F;
    for (size_t i = 0; i < n * k; i++)
        p->b[i] = (float)kernel_random_uniform(1, 2, i) - 0.5F;
    return true;
}

static void product_deinit(struct product *p)
{
    free(p->a);
    free(p->b);
    free(p->c);
}

static void report(const struct product *products, unsigned threads)
{
    const struct product *p = products;
    double flops = 2e-9 * (double)threads * (double)p->m * (double)p->n * (double)p->k;
    double mine = seconds_of(products, threads, ours);
    double baseline = seconds_of(products, threads, blis);
    double top = peak() != NULL ? flops / seconds_of(products, threads, peak()) : 0;
    printf("{\"bench\": \"gemm\", \"case\": \"%zux%zux%zu-threads%u-%s\", \"seconds\": %.3g, \"baseline\": \"blis-%s\", "
           "\"baseline_seconds\": %.3g, \"ratio\": %.3f, \"gflops\": %.1f, \"peak_gflops\": %.1f}\n",
        p->m, p->n, p->k, threads, kernel_cpu_gemm(), mine, bli_arch_string(bli_arch_query_id()), baseline, baseline / mine,
        flops / mine, top);
    fflush(stdout);
}

int main(void)
{
    static const size_t shapes[][3] = {{64, 1000, 64}, {64, 1000, 512}, {128, 512, 64}, {128, 512, 512}, {128, 512, 784},
        {512, 100, 512}, {512, 1000, 64}, {512, 1000, 512}, {512, 3000, 784}};
    int failed = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && !failed; i++) {
        struct product products[THREADS] = {0};
        for (unsigned t = 0; t < THREADS; t++)
            failed |= !product_init(&products[t], shapes[i][0], shapes[i][1], shapes[i][2]);
        for (unsigned threads = 1; threads <= THREADS && !failed; threads++) {
            report(products, threads);
            if (kernel_cpu_avx512()) {
                kernel_cpu_avx512_off(true);
                report(products, threads);
                kernel_cpu_avx512_off(false);
            }
        }
        for (unsigned t = 0; t < THREADS; t++)
            product_deinit(&products[t]);
    }
    if (failed)
        fprintf(stderr, "bench_gemm: no memory\n");
    return failed;
}
