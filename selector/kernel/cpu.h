/*
 * cpu.h - what the processor can do, asked once, and which kernels follow from it.
 */
#pragma once

#include <stdbool.h>

/* Whether the AVX2 variants of KERNEL_VARIANTS may run. The plain variants give the same results, bit for bit. */
bool kernel_cpu_avx2(void);

/*
 * Whether loops of their own for AVX-512 (F, DQ, BW and VL), and for AVX2 with fused multiply-add and binary16 conversions, may
 * run: the matrix product and scores. Their last bits differ from those of the plain ones.
 */
bool kernel_cpu_avx512(void);
bool kernel_cpu_fma(void);

/* Runs the plain variants from now on (or what the processor has again): for tests that compare the two, with no other threads.
 */
void kernel_cpu_plain(bool plain);

/* As above, for AVX-512 alone. */
void kernel_cpu_avx512_off(bool off);

/*
 * The kernels in use for the matrix product: "avx512" or "avx2", which are this library's own, or the name of BLIS's where the
 * processor has neither; static. BLIS chooses by a table of processors, and falls to kernels without vector instructions on
 * one it does not know. So this library tells it what to use, from its own check, when the library is loaded; a BLIS_ARCH_TYPE
 * in the environment is left alone.
 */
const char *kernel_cpu_gemm(void);
