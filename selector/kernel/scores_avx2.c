#include "selector/kernel/scores_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

enum { KERNEL_LANES = 8 };

#define AVX2        __attribute__((target("avx2,f16c")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,f16c")))

AVX2_INLINE __m256 load_whole(const char *from, enum kernel_dtype dtype)
{
    if (dtype == KERNEL_F16)
        return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
    return _mm256_loadu_ps((const float *)(const void *)from);
}

/* The last `rest` < 8 elements of a row, -inf in the lanes before them; *first is the place that lane 0 stands for. */
AVX2_INLINE __m256 load_rest(const char *row, size_t width, enum kernel_dtype dtype, size_t rest, int32_t *first)
{
    static const int32_t masks[2 * KERNEL_LANES] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};
    size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    char copy[KERNEL_LANES * sizeof(float)] = {0};
    const char *from = row + (width - rest) * bytes - (KERNEL_LANES - rest) * bytes;
    if (width < KERNEL_LANES) {
        memcpy(copy + (KERNEL_LANES - rest) * bytes, row, rest * bytes);
        from = copy;
    }
    *first = (int32_t)width - KERNEL_LANES;
    __m256 mask = _mm256_loadu_ps((const float *)(const void *)(masks + rest));
    return _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), load_whole(from, dtype), mask);
}

AVX2_INLINE float max_lane(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    m = _mm_max_ss(m, _mm_movehdup_ps(m));
    return _mm_cvtss_f32(m);
}

AVX2_INLINE int32_t min_lane(__m256i v)
{
    __m128i m = _mm_min_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_min_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_min_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtsi128_si32(m);
}

/* What each lane knows of its classes: the largest, its first place, the second largest. */
struct lanes {
    __m256 first;
    __m256 second;
    __m256i place;
};

AVX2_INLINE void lanes_join(struct lanes *lanes, __m256 v, __m256i at)
{
    __m256 above = _mm256_cmp_ps(v, lanes->first, _CMP_GT_OQ);
    lanes->second = _mm256_max_ps(lanes->second, _mm256_min_ps(v, lanes->first));
    lanes->first = _mm256_max_ps(v, lanes->first);
    lanes->place = _mm256_blendv_epi8(lanes->place, at, _mm256_castps_si256(above));
}

AVX2_INLINE void top2(const char *row, size_t width, enum kernel_dtype dtype, struct kernel_top2 *top)
{
    const size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    const __m256i step = _mm256_set1_epi32(KERNEL_LANES);
    const __m256i none = _mm256_set1_epi32(INT32_MAX);
    const __m256i count = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256 least = _mm256_set1_ps(-INFINITY);
    struct lanes lanes = {least, least, none};
    __m256i at = count;
    size_t j = 0;
    for (; j + KERNEL_LANES <= width; j += KERNEL_LANES) {
        lanes_join(&lanes, load_whole(row + j * bytes, dtype), at);
        at = _mm256_add_epi32(at, step);
    }
    if (j < width) {
        int32_t start;
        __m256 rest = load_rest(row, width, dtype, width - j, &start);
        lanes_join(&lanes, rest, _mm256_add_epi32(count, _mm256_set1_epi32(start)));
    }
    __m256 first = lanes.first;
    __m256i place = lanes.place;
    float most = max_lane(first);
    __m256i unequal = _mm256_castps_si256(_mm256_cmp_ps(first, _mm256_set1_ps(most), _CMP_NEQ_OQ));
    int32_t winner_place = min_lane(_mm256_blendv_epi8(place, none, unequal));
    /* The lane of the winner gives its second, every other lane its first. */
    __m256 winner = _mm256_castsi256_ps(_mm256_cmpeq_epi32(place, _mm256_set1_epi32(winner_place)));
    *top = (struct kernel_top2){
        .first = most, .second = max_lane(_mm256_blendv_ps(first, lanes.second, winner)), .place = winner_place};
}

AVX2 void kernel_top2_avx2(const void *row, size_t width, enum kernel_dtype dtype, struct kernel_top2 *result)
{
    if (dtype == KERNEL_F16)
        top2(row, width, KERNEL_F16, result);
    else
        top2(row, width, KERNEL_F32, result);
}

/* --- eight rows at once ------------------------------------------------------------------------------------------------- */

/* Turns eight rows of eight into eight columns. Written out: in loops the compiler would keep the vectors in memory. */
AVX2_INLINE void transpose(__m256 v[KERNEL_LANES])
{
    __m256 pair0 = _mm256_unpacklo_ps(v[0], v[1]);
    __m256 pair1 = _mm256_unpackhi_ps(v[0], v[1]);
    __m256 pair2 = _mm256_unpacklo_ps(v[2], v[3]);
    __m256 pair3 = _mm256_unpackhi_ps(v[2], v[3]);
    __m256 pair4 = _mm256_unpacklo_ps(v[4], v[5]);
    __m256 pair5 = _mm256_unpackhi_ps(v[4], v[5]);
    __m256 pair6 = _mm256_unpacklo_ps(v[6], v[7]);
    __m256 pair7 = _mm256_unpackhi_ps(v[6], v[7]);
    __m256 quad0 = _mm256_shuffle_ps(pair0, pair2, 0x44);
    __m256 quad1 = _mm256_shuffle_ps(pair0, pair2, 0xee);
    __m256 quad2 = _mm256_shuffle_ps(pair1, pair3, 0x44);
    __m256 quad3 = _mm256_shuffle_ps(pair1, pair3, 0xee);
    __m256 quad4 = _mm256_shuffle_ps(pair4, pair6, 0x44);
    __m256 quad5 = _mm256_shuffle_ps(pair4, pair6, 0xee);
    __m256 quad6 = _mm256_shuffle_ps(pair5, pair7, 0x44);
    __m256 quad7 = _mm256_shuffle_ps(pair5, pair7, 0xee);
    v[0] = _mm256_permute2f128_ps(quad0, quad4, 0x20);
    v[1] = _mm256_permute2f128_ps(quad1, quad5, 0x20);
    v[2] = _mm256_permute2f128_ps(quad2, quad6, 0x20);
    v[3] = _mm256_permute2f128_ps(quad3, quad7, 0x20);
    v[4] = _mm256_permute2f128_ps(quad0, quad4, 0x31);
    v[5] = _mm256_permute2f128_ps(quad1, quad5, 0x31);
    v[6] = _mm256_permute2f128_ps(quad2, quad6, 0x31);
    v[7] = _mm256_permute2f128_ps(quad3, quad7, 0x31);
}

/* A lane is a row here, so nothing is left to join. The last columns are read with some before them a second time. */
AVX2_INLINE struct lanes by_eight(const char *rows, size_t row_bytes, size_t width, enum kernel_dtype dtype)
{
    const size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    const __m256 least = _mm256_set1_ps(-INFINITY);
    struct lanes lanes = {least, least, _mm256_setzero_si256()};
    for (size_t j = 0; j < width; j += KERNEL_LANES) {
        size_t skip = j + KERNEL_LANES <= width ? 0 : j + KERNEL_LANES - width;
        const char *from = rows + (j - skip) * bytes;
        const __m256i at = _mm256_set1_epi32((int32_t)(j - skip));
        __m256 column[KERNEL_LANES];
        column[0] = load_whole(from, dtype);
        column[1] = load_whole(from + 1 * row_bytes, dtype);
        column[2] = load_whole(from + 2 * row_bytes, dtype);
        column[3] = load_whole(from + 3 * row_bytes, dtype);
        column[4] = load_whole(from + 4 * row_bytes, dtype);
        column[5] = load_whole(from + 5 * row_bytes, dtype);
        column[6] = load_whole(from + 6 * row_bytes, dtype);
        column[7] = load_whole(from + 7 * row_bytes, dtype);
        transpose(column);
        if (skip == 0)
            lanes_join(&lanes, column[0], _mm256_add_epi32(at, _mm256_set1_epi32(0)));
        if (skip <= 1)
            lanes_join(&lanes, column[1], _mm256_add_epi32(at, _mm256_set1_epi32(1)));
        if (skip <= 2)
            lanes_join(&lanes, column[2], _mm256_add_epi32(at, _mm256_set1_epi32(2)));
        if (skip <= 3)
            lanes_join(&lanes, column[3], _mm256_add_epi32(at, _mm256_set1_epi32(3)));
        if (skip <= 4)
            lanes_join(&lanes, column[4], _mm256_add_epi32(at, _mm256_set1_epi32(4)));
        if (skip <= 5)
            lanes_join(&lanes, column[5], _mm256_add_epi32(at, _mm256_set1_epi32(5)));
        if (skip <= 6)
            lanes_join(&lanes, column[6], _mm256_add_epi32(at, _mm256_set1_epi32(6)));
        if (skip <= 7)
            lanes_join(&lanes, column[7], _mm256_add_epi32(at, _mm256_set1_epi32(7)));
    }
    return lanes;
}

AVX2 void kernel_top2_by_eight_avx2(const void *rows, size_t row_bytes, size_t width, enum kernel_dtype dtype, float first[8],
    float second[8], int32_t place[8])
{
    struct lanes lanes =
        dtype == KERNEL_F16 ? by_eight(rows, row_bytes, width, KERNEL_F16) : by_eight(rows, row_bytes, width, KERNEL_F32);
    _mm256_storeu_ps(first, lanes.first);
    _mm256_storeu_ps(second, lanes.second);
    _mm256_storeu_si256((__m256i *)(void *)place, lanes.place);
}

#endif
