/*
 * gemm_avx512.c - the inner loops of the matrix product for AVX-512: 12 rows by 32 columns are 24 of the 32 registers, two hold
 * the sliver's next row and the others the elements of a, so two multiply-adds a cycle need 14 loads in 12 cycles.
 */
#include "selector/kernel/gemm_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { ROWS = 12, LANES = 16, COLUMNS = 2 * LANES };

#define AVX512        __attribute__((target("avx512f")))
#define AVX512_INLINE AVX512 static inline __attribute__((always_inline))

static __mmask16 lanes(size_t count)
{
    return (__mmask16)((1U << (count < LANES ? count : LANES)) - 1);
}

AVX512_INLINE void store(float *c, __mmask16 mask, __m512 sum, bool add)
{
    if (add)
        sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum);
    _mm512_mask_storeu_ps(c, mask, sum);
}

/* `rows` and `wide` are constants where this is expanded, so that the sums stay in registers. */
AVX512_INLINE void multiply_body(size_t rows, bool wide, size_t count, size_t depth, const float *a, size_t lda,
    const float *sliver, float *c, size_t ldc, bool add)
{
    __m512 left[ROWS];
    __m512 right[ROWS];
#pragma GCC unroll 12
    for (size_t i = 0; i < rows; i++)
        left[i] = right[i] = _mm512_setzero_ps();
#pragma GCC unroll 4
    for (size_t p = 0; p < depth; p++) {
        __m512 l = _mm512_load_ps(sliver + p * COLUMNS);
        __m512 r = wide ? _mm512_load_ps(sliver + p * COLUMNS + LANES) : _mm512_setzero_ps();
#pragma GCC unroll 12
        for (size_t i = 0; i < rows; i++) {
            __m512 x = _mm512_set1_ps(a[i * lda + p]);
            left[i] = _mm512_fmadd_ps(x, l, left[i]);
            if (wide)
                right[i] = _mm512_fmadd_ps(x, r, right[i]);
        }
    }
#pragma GCC unroll 12
    for (size_t i = 0; i < rows; i++) {
        store(c + i * ldc, lanes(count), left[i], add);
        if (wide)
            store(c + i * ldc + LANES, lanes(count - LANES), right[i], add);
    }
}

typedef void multiply_fn(
    size_t count, size_t depth, const float *a, size_t lda, const float *sliver, float *c, size_t ldc, bool add);

#define MULTIPLY(rows)                                                                                                         \
    AVX512 static void multiply_##rows(                                                                                        \
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
MULTIPLY(7)
MULTIPLY(8)
MULTIPLY(9)
MULTIPLY(10)
MULTIPLY(11)
MULTIPLY(12)

static void multiply(
    size_t rows, size_t count, size_t depth, const float *a, size_t lda, const float *sliver, float *c, size_t ldc, bool add)
{
    static multiply_fn *const by_rows[ROWS] = {multiply_1, multiply_2, multiply_3, multiply_4, multiply_5, multiply_6,
        multiply_7, multiply_8, multiply_9, multiply_10, multiply_11, multiply_12};
    by_rows[rows - 1](count, depth, a, lda, sliver, c, ldc, add);
}

/* Turns a square of 16 x 16: r[i] lane j becomes r[j] lane i. */
AVX512_INLINE void turn(__m512 *r)
{
    __m512 t[LANES];
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
    }
}

AVX512 static void pack(const float *b, size_t ldb, size_t count, size_t depth, float *sliver)
{
    for (size_t half = 0; half < COLUMNS; half += LANES) {
        for (size_t p = 0; p < depth; p += LANES) {
            __mmask16 mask = lanes(depth - p);
            __m512 r[LANES];
#pragma GCC unroll 16
            for (size_t i = 0; i < LANES; i++)
                r[i] = half + i < count ? _mm512_maskz_loadu_ps(mask, b + (half + i) * ldb + p) : _mm512_setzero_ps();
            turn(r);
#pragma GCC unroll 16
            for (size_t i = 0; i < LANES; i++) {
                if (p + i < depth)
                    _mm512_store_ps(sliver + (p + i) * COLUMNS + half, r[i]);
            }
        }
    }
}

const struct gemm_tile gemm_tile_avx512 = {.rows = ROWS, .columns = COLUMNS, .pack = pack, .multiply = multiply};
#endif
