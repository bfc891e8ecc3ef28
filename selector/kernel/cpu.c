#include "selector/kernel/cpu.h"

#include "selector/kernel/blis.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <stdio.h>
#include <stdlib.h>

static bool has_avx2;
static bool has_fma;
static bool has_avx512;

#if defined(__x86_64__)

/* AVX2 and, which every processor with it has, the binary16 conversions. */
static bool cpu_avx2(void)
{
    unsigned eax, ebx, ecx = 0, edx;
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

/* The parts of AVX-512 that every processor with it but the very first has. */
static bool cpu_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}

static void look(void)
{
    has_avx2 = cpu_avx2();
    has_fma = has_avx2 && __builtin_cpu_supports("fma");
    has_avx512 = has_fma && cpu_avx512();
}

/*
 * The BLIS architecture for this processor, or -1 to let BLIS choose. The skx kernels hold instructions that AMD's processors
 * with AVX-512 stop at, so there zen3 is the best that is safe.
 */
static int blis_arch(void)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return -1;
    if (__builtin_cpu_is("amd"))
        return BLIS_ARCH_ZEN3;
    if (__builtin_cpu_is("intel") && cpu_avx512())
        return BLIS_ARCH_SKX;
    return BLIS_ARCH_HASWELL;
}

/*
 * Runs when the library is loaded, so that a program has one thread yet: setenv is not safe beside other threads' getenv.
 * The variable is taken back, so that no child process inherits a choice made for this one.
 */
__attribute__((constructor)) static void choose(void)
{
    __builtin_cpu_init();
    look();
    int arch = blis_arch();
    if (arch < 0 || getenv("BLIS_ARCH_TYPE") != NULL)
        return;
    char number[16];
    snprintf(number, sizeof number, "%d", arch);
    if (setenv("BLIS_ARCH_TYPE", number, 1) != 0)
        return;
    bli_init();
    unsetenv("BLIS_ARCH_TYPE");
}

#endif

bool kernel_cpu_avx2(void)
{
    return has_avx2;
}

bool kernel_cpu_fma(void)
{
    return has_fma;
}

bool kernel_cpu_avx512(void)
{
    return has_avx512;
}

void kernel_cpu_plain(bool plain)
{
#if defined(__x86_64__)
    look();
#endif
    has_avx2 = has_avx2 && !plain;
    has_fma = has_fma && !plain;
    has_avx512 = has_avx512 && !plain;
}

void kernel_cpu_avx512_off(bool off)
{
    kernel_cpu_plain(false);
    has_avx512 = has_avx512 && !off;
}

const char *kernel_cpu_gemm(void)
{
    return has_avx512 ? "avx512" : has_fma ? "avx2" : bli_arch_string(bli_arch_query_id());
}
