/*
 * gemm_avx2.c - the inner loops of the matrix product for AVX2 with FMA: 6 rows by 16 columns are 12 of the 16 registers, two
 * hold the sliver's next row and two the elements of a.
 */
#include "selector/kernel/gemm_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum { ROWS = 6, LANES = 8, COLUMNS = 2 * LANES };

#define AVX2        __attribute__((target("avx2,fma")))
#define AVX2_INLINE AVX2 static inline __attribute__((always_inline))

/* The first `count` lanes. */
AVX2_INLINE __m256i lanes(size_t count)
{
    __m256i number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < LANES ? (int)count : LANES), number);
}

AVX2_INLINE void store(float *c, __m256i mask, __m256 sum, bool add)
{
    if (add)
        sum = _mm256_add_ps(_mm256_maskload_ps(c, mask), sum);
    _mm256_maskstore_ps(c, mask, sum);
}

/* `rows` and `wide` are constants where this is expanded, so that the sums stay in registers. */
AVX2_INLINE void multiply_body(size_t rows, bool wide, size_t count, size_t depth, const float *a, size_t lda,
    const float *sliver, float *c, size_t ldc, bool add)
{
    __m256 left[ROWS];
    __m256 right[ROWS];
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++)
        left[i] = right[i] = _mm256_setzero_ps();
#pragma GCC unroll 4
    for (size_t p = 0; p < depth; p++) {
        __m256 l = _mm256_load_ps(sliver + p * COLUMNS);
        __m256 r = wide ? _mm256_load_ps(sliver + p * COLUMNS + LANES) : _mm256_setzero_ps();
#pragma GCC unroll 6
        for (size_t i = 0; i < rows; i++) {
            __m256 x = _mm256_broadcast_ss(a + i * lda + p);
            left[i] = _mm256_fmadd_ps(x, l, left[i]);
            if (wide)
                right[i] = _mm256_fmadd_ps(x, r, right[i]);
        }
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++) {
        store(c + i * ldc, lanes(count), left[i], add);
        if (wide)
            store(c + i * ldc + LANES, lanes(count - LANES), right[i], add);
    }
}

typedef void multiply_fn(
    size_t count, size_t depth, const float *a, size_t lda, const float *sliver, float *c, size_t ldc, bool add);

#define MULTIPLY(rows)                                                                                                         \
    AVX2 static void multiply_##rows(                                                                                          \
        size_t count, size_t depth, const float *a, size_t lda, const float *sliver, float *c, size_t ldc, bool add)           \
    {                                                                                                                          \
        if (count > LANES)                                                                                                     \
            multiply_body(rows, true, count, depth, a, lda, sliver, c, ldc, add);                                              \
        else                                                                                                                   \
            multiply_body(rows, false, count, depth, a, lda, sliver, c, ldc, add);                                             \
    }
MULTIPLY(1)
MULTIPLY(2)
MULTIPLY(3)
MULTIPLY(4)
MULTIPLY(5)
MULTIPLY(6)

static void multiply(
    size_t rows, size_t count, size_t depth, const float *a, size_t lda, const float *sliver, float *c, size_t ldc, bool add)
{
    static multiply_fn *const by_rows[ROWS] = {multiply_1, multiply_2, multiply_3, multiply_4, multiply_5, multiply_6};
    by_rows[rows - 1](count, depth, a, lda, sliver, c, ldc, add);
}

/* Turns a square of 8 x 8: r[i] lane j becomes r[j] lane i. */
AVX2_INLINE void turn(__m256 *r)
{
    __m256 t[LANES];
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    memcpy(r, t, sizeof t);
}

AVX2 static void pack(const float *b, size_t ldb, size_t count, size_t depth, float *sliver)
{
    for (size_t half = 0; half < COLUMNS; half += LANES) {
        for (size_t p = 0; p < depth; p += LANES) {
            __m256i mask = lanes(depth - p);
            __m256 r[LANES];
#pragma GCC unroll 8
            for (size_t i = 0; i < LANES; i++)
                r[i] = half + i < count ? _mm256_maskload_ps(b + (half + i) * ldb + p, mask) : _mm256_setzero_ps();
            turn(r);
#pragma GCC unroll 8
            for (size_t i = 0; i < LANES; i++) {
                if (p + i < depth)
                    _mm256_store_ps(sliver + (p + i) * COLUMNS + half, r[i]);
            }
        }
    }
}

const struct gemm_tile gemm_tile_avx2 = {.rows = ROWS, .columns = COLUMNS, .pack = pack, .multiply = multiply};
#endif
