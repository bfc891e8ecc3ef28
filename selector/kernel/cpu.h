/*
 * cpu.h - what the processor can do, asked once, and which BLIS kernels follow from it.
 */
#pragma once

#include <stdbool.h>

/*
 * Whether the AVX2 variants of this library's loops may run, fused multiply-adds and binary16 conversions included. Those of
 * KERNEL_VARIANTS give the same results as the plain ones, bit for bit.
 */
bool kernel_cpu_avx2(void);

/* Whether AVX-512 (F, DQ, BW and VL) may be used. Never without kernel_cpu_avx2. */
bool kernel_cpu_avx512(void);

/* Runs the plain variants from now on (or what the processor has again): for tests that compare the two, with no other threads.
 */
void kernel_cpu_plain(bool plain);

/* Does without AVX-512 from now on, or with it again: for tests as above. */
void kernel_cpu_narrow(bool narrow);

/*
 * The BLIS kernels in use, e.g. "zen3"; static. BLIS chooses by a table of processors, and falls to kernels without vector
 * instructions on one it does not know. So this library tells it what to use, from its own check, when the library is loaded;
 * a BLIS_ARCH_TYPE in the environment is left alone.
 */
const char *kernel_cpu_blis(void);
