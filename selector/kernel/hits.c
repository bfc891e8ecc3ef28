#include "selector/kernel/hits.h"

#include "selector/kernel/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static size_t hits_plain(const float *products, size_t from, size_t count, float cut, uint32_t *hits, size_t found)
{
    for (size_t j = from; j < count; j++) {
        hits[found] = (uint32_t)j;
        found += !(products[j] > cut);
    }
    return found;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static size_t hits_avx2(const float *products, size_t count, float cut, uint32_t *hits)
{
    __m256 limit = _mm256_set1_ps(cut);
    size_t found = 0;
    size_t j = 0;
    for (; j + 8 <= count; j += 8) {
        __m256 within = _mm256_cmp_ps(_mm256_loadu_ps(products + j), limit, _CMP_NGT_UQ);
        for (unsigned mask = (unsigned)_mm256_movemask_ps(within); mask != 0; mask &= mask - 1)
            hits[found++] = (uint32_t)j + (uint32_t)__builtin_ctz(mask);
    }
    return hits_plain(products, j, count, cut, hits, found);
}
#endif

size_t kernel_hits(const float *products, size_t count, float cut, uint32_t *hits)
{
#if defined(__x86_64__)
    if (kernel_cpu_avx2())
        return hits_avx2(products, count, cut, hits);
#endif
    return hits_plain(products, 0, count, cut, hits, 0);
}
