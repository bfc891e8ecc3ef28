/* The matrix product against sums in double precision, at every size near the edges of tiles, on every kind of processor. */
#include "selector/kernel/cpu.h"
#include "selector/kernel/gemm.h"
#include "selector/kernel/random.h"
#include "test/unit/tests.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { M_MAX = 530, N_MAX = 300, K_MAX = 600, PAD = 3 };

static const float guard = 12345.0F;

struct world {
    float *a, *b, *c, *other;
};

static void *floats(size_t count)
{
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)kernel_random_uniform(count, 7, i) - 0.5F;
    return values;
}

static int setup(void **state)
{
    static struct world world;
    world = (struct world){
        .a = floats(M_MAX * (K_MAX + PAD)),
        .b = floats(N_MAX * (K_MAX + PAD)),
        .c = floats(M_MAX * (N_MAX + PAD)),
        .other = floats(M_MAX * (N_MAX + PAD)),
    };
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    free(world->a);
    free(world->b);
    free(world->c);
    free(world->other);
    return 0;
}

enum cpu { CPU_BEST, CPU_AVX2, CPU_PLAIN, CPUS };

static void use(enum cpu cpu)
{
    if (cpu == CPU_PLAIN)
        kernel_cpu_plain(true);
    else
        kernel_cpu_avx512_off(cpu == CPU_AVX2);
}

/* Rows `pad` elements farther apart than they are long; what lies between stays as it is. */
static void check(const struct world *world, size_t m, size_t n, size_t k, size_t pad)
{
    for (size_t i = 0; i < m * (n + pad); i++)
        world->c[i] = guard;
    assert_true(kernel_gemm_nt(m, n, k, world->a, k + pad, world->b, k + pad, world->c, n + pad));
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0, size = 0;
            for (size_t p = 0; p < k; p++) {
                double term = (double)world->a[i * (k + pad) + p] * (double)world->b[j * (k + pad) + p];
                sum += term;
                size += fabs(term);
            }
            if (fabs((double)world->c[i * (n + pad) + j] - sum) > 260 * 0x1p-24 * size)
                fail_msg("%zu x %zu x %zu: element %zu, %zu", m, n, k, i, j);
        }
        for (size_t j = n; j < n + pad; j++)
            assert_memory_equal(&world->c[i * (n + pad) + j], &guard, sizeof guard);
    }
}

static void test_edges(void **state)
{
    static const size_t depths[] = {0, 1, 2, 15, 16, 17, 33};
    for (enum cpu cpu = CPU_BEST; cpu < CPUS; cpu++) {
        use(cpu);
        for (size_t m = 0; m <= 26; m++) {
            for (size_t n = 0; n <= 34; n++)
                check(*state, m, n, depths[(m + n) % 7], (m + n) % 2 * PAD);
        }
        for (size_t k = 0; k <= 40; k++)
            check(*state, 13, 19, k, k % 2 * PAD);
    }
    kernel_cpu_plain(false);
}

static void test_blocks(void **state)
{
    static const size_t shapes[][3] = {{1, 300, 600}, {530, 1, 512}, {513, 129, 257}, {100, 300, 255}, {512, 128, 256}};
    for (enum cpu cpu = CPU_BEST; cpu < CPUS; cpu++) {
        use(cpu);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            check(*state, shapes[i][0], shapes[i][1], shapes[i][2], i % 2 * PAD);
    }
    kernel_cpu_plain(false);
}

/* An element's bits depend on its two rows alone. */
static void test_bits(void **state)
{
    const struct world *world = *state;
    size_t m = 200, n = 150, k = 520;
    if (!kernel_cpu_fma())
        skip(); /* the bits of BLIS's products depend on their shape */
    kernel_gemm_nt(m, n, k, world->a, k, world->b, k, world->c, n);
    kernel_gemm_nt(n, m, k, world->b, k, world->a, k, world->other, m);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++)
            assert_memory_equal(&world->c[i * n + j], &world->other[j * m + i], sizeof(float));
    }
    kernel_gemm_nt(7, 5, k, world->a + 31 * k, k, world->b + 17 * k, k, world->other, 5);
    for (size_t i = 0; i < 7; i++)
        assert_memory_equal(&world->c[(31 + i) * n + 17], &world->other[i * 5], 5 * sizeof(float));
    kernel_cpu_avx512_off(true);
    kernel_gemm_nt(m, n, k, world->a, k, world->b, k, world->other, n);
    kernel_cpu_avx512_off(false);
    assert_memory_equal(world->c, world->other, m * n * sizeof(float));
}

static void test_hostile(void **state)
{
    const struct world *world = *state;
    size_t huge = SIZE_MAX, most = (size_t)1 << 30;
    world->c[0] = guard;
    assert_false(kernel_gemm_nt(huge, 1, 1, world->a, 1, world->b, 1, world->c, 1));
    assert_false(kernel_gemm_nt(1, huge, 1, world->a, 1, world->b, 1, world->c, huge));
    assert_false(kernel_gemm_nt(1, 1, huge, world->a, huge, world->b, huge, world->c, 1));
    assert_false(kernel_gemm_nt(1, 1, 1, world->a, most + 1, world->b, 1, world->c, 1));
    assert_false(kernel_gemm_nt(1, 1, 2, world->a, 1, world->b, 2, world->c, 1));
    assert_false(kernel_gemm_nt(1, 1, 2, world->a, 2, world->b, 1, world->c, 1));
    assert_false(kernel_gemm_nt(1, 2, 1, world->a, 1, world->b, 1, world->c, 1));
    assert_memory_equal(world->c, &guard, sizeof guard);
    assert_true(kernel_gemm_nt(0, 0, 0, NULL, 0, NULL, 0, NULL, 0));
}

static void test_name(void **state)
{
    (void)state;
    if (kernel_cpu_avx512())
        assert_string_equal(kernel_cpu_gemm(), "avx512");
    kernel_cpu_avx512_off(true);
    if (kernel_cpu_fma())
        assert_string_equal(kernel_cpu_gemm(), "avx2");
    kernel_cpu_plain(true);
    assert_false(kernel_cpu_fma() || kernel_cpu_avx512());
    assert_true(strlen(kernel_cpu_gemm()) > 0);
    kernel_cpu_plain(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_name),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
