/*
 * simd.h - eight floats at a time, by the compiler's vector extension; for kernel/'s own sources.
 *
 * A loop is written once as an inline body and compiled twice, plain and for AVX2 (KERNEL_VARIANTS). Both do the same
 * operations in the same order and no multiply-add is fused, so their results are equal bit for bit. Vectors are passed by
 * pointer: by value the calling convention would depend on the target.
 */
#pragma once

#include "selector/kernel/cpu.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

enum { KERNEL_LANES = 8 };

typedef float kernel_f8 __attribute__((vector_size(32)));
typedef int32_t kernel_i8 __attribute__((vector_size(32)));
typedef uint16_t kernel_h8 __attribute__((vector_size(16)));

#define KERNEL_INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define KERNEL_AVX2 __attribute__((target("avx2")))
#else
#define KERNEL_AVX2
#endif

/* Defines void `name`, which runs `name`_body compiled for this processor; `arguments` are the parameters' names. */
#define KERNEL_VARIANTS(name, parameters, arguments)                                                                           \
    static void name##_plain parameters                                                                                        \
    {                                                                                                                          \
        name##_body arguments;                                                                                                 \
    }                                                                                                                          \
    KERNEL_AVX2 static void name##_avx2 parameters                                                                             \
    {                                                                                                                          \
        name##_body arguments;                                                                                                 \
    }                                                                                                                          \
    static void name parameters                                                                                                \
    {                                                                                                                          \
        if (kernel_cpu_avx2())                                                                                                 \
            name##_avx2 arguments;                                                                                             \
        else                                                                                                                   \
            name##_plain arguments;                                                                                            \
    }

KERNEL_INLINE void kernel_load8(const float *from, kernel_f8 *to)
{
    memcpy(to, from, sizeof *to);
}

KERNEL_INLINE void kernel_store8(float *to, const kernel_f8 *from)
{
    memcpy(to, from, sizeof *from);
}

/* mask ? a : b, lane by lane; a mask lane is all ones or zero, as comparisons give it. */
KERNEL_INLINE void kernel_select8(const kernel_i8 *mask, const kernel_f8 *a, const kernel_f8 *b, kernel_f8 *to)
{
    *to = (kernel_f8)((*mask & (kernel_i8)*a) | (~*mask & (kernel_i8)*b));
}

KERNEL_INLINE void kernel_max8(const kernel_f8 *a, const kernel_f8 *b, kernel_f8 *to)
{
    kernel_i8 mask = *a > *b;
    kernel_select8(&mask, a, b, to);
}

KERNEL_INLINE void kernel_min8(const kernel_f8 *a, const kernel_f8 *b, kernel_f8 *to)
{
    kernel_i8 mask = *a < *b;
    kernel_select8(&mask, a, b, to);
}

/* The sum of the lanes, in a fixed order. */
KERNEL_INLINE float kernel_sum8(const kernel_f8 *v)
{
    float lane[KERNEL_LANES];
    memcpy(lane, v, sizeof lane);
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* Eight finite binary16 numbers, exact. Numbers below 2^-14 take the second form: no denormal float is ever touched. */
KERNEL_INLINE void kernel_load8_half(const void *from, kernel_f8 *to)
{
    kernel_h8 half;
    memcpy(&half, from, sizeof half);
    kernel_i8 bits = __builtin_convertvector(half, kernel_i8);
    kernel_i8 magnitude = (bits & 0x7fff) << 13;
    kernel_i8 normal = magnitude + (112 << 23);
    kernel_f8 small = (kernel_f8)(magnitude + (113 << 23)) - 0x1p-14F;
    kernel_i8 is_small = magnitude < (1 << 23);
    kernel_i8 value = (is_small & (kernel_i8)small) | (~is_small & normal);
    *to = (kernel_f8)(value | ((bits & 0x8000) << 16));
}

/* exp(x) for x <= 0, 0 below -87; relative error under 3e-7. Cody and Waite's reduction, then a polynomial. */
KERNEL_INLINE void kernel_exp8(kernel_f8 *x)
{
    kernel_i8 tiny = *x < -87.0F;
    kernel_f8 t = *x * 1.44269504F;
    kernel_f8 zero = {0};
    kernel_f8 rounder = zero + 12582912.0F;
    kernel_f8 n = (t + rounder) - rounder;
    kernel_f8 r = *x - n * 0.693359375F;
    r = r + n * 2.12194440e-4F;
    kernel_f8 p = zero + 1.3930436e-3F;
    p = p * r + 8.3609234e-3F;
    p = p * r + 4.1666102e-2F;
    p = p * r + 1.6666575e-1F;
    p = p * r + 5.0000000e-1F;
    p = p * r + 1.0F;
    p = p * r + 1.0F;
    kernel_i8 power = (__builtin_convertvector(n, kernel_i8) + 127) << 23;
    kernel_f8 e = p * (kernel_f8)power;
    kernel_select8(&tiny, &zero, &e, x);
}

/* ln(x) for x > 0 and normal; absolute error under 2e-7 near 1, relative elsewhere. ln of what is below 2^-126 is -87.3. */
KERNEL_INLINE void kernel_log8(kernel_f8 *x)
{
    kernel_f8 zero = {0};
    kernel_f8 least = zero + 0x1p-126F;
    kernel_max8(x, &least, x);
    /* x = 2^e m with m in [sqrt(1/2), sqrt(2)) */
    kernel_i8 bits = (kernel_i8)*x - 0x3f3504f3;
    kernel_i8 e = bits >> 23;
    kernel_f8 m = (kernel_f8)((bits & 0x007fffff) + 0x3f3504f3);
    /* ln m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172 */
    kernel_f8 s = (m - 1.0F) / (m + 1.0F);
    kernel_f8 z = s * s;
    kernel_f8 p = zero + 0.22222222F;
    p = p * z + 0.28571429F;
    p = p * z + 0.4F;
    p = p * z + 0.66666667F;
    kernel_f8 series = s * 2.0F + s * z * p;
    *x = __builtin_convertvector(e, kernel_f8) * 0.69314718F + series;
}
