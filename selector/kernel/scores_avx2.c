#include "selector/kernel/scores_rows.h"

#if defined(__x86_64__)

#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* AHEAD: bytes to ask for early; rows of some hundred bytes are else waited for. */
enum { LANES = 8, AHEAD = 4096 };

#define AVX2        __attribute__((target("avx2,fma,f16c")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma,f16c")))

AVX2_INLINE __m256 load(const char *from, enum kernel_dtype dtype)
{
    if (dtype == KERNEL_F16)
        return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
    return _mm256_loadu_ps((const float *)(const void *)from);
}

/* The last `rest` < LANES elements of a row, -inf in the lanes before them; *first is the place that lane 0 stands for. */
AVX2_INLINE __m256 load_rest(const char *row, size_t width, enum kernel_dtype dtype, size_t rest, int32_t *first)
{
    static const int32_t masks[2 * LANES] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};
    size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    char copy[LANES * sizeof(float)] = {0};
    const char *from = row + (width - rest) * bytes - (LANES - rest) * bytes;
    if (width < LANES) {
        memcpy(copy + (LANES - rest) * bytes, row, rest * bytes);
        from = copy;
    }
    *first = (int32_t)width - LANES;
    __m256 mask = _mm256_loadu_ps((const float *)(const void *)(masks + rest));
    return _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), load(from, dtype), mask);
}

AVX2_INLINE float max_lane(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    m = _mm_max_ss(m, _mm_movehdup_ps(m));
    return _mm_cvtss_f32(m);
}

AVX2_INLINE float sum_lanes(__m256 v)
{
    __m128 m = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_add_ps(m, _mm_movehl_ps(m, m));
    m = _mm_add_ss(m, _mm_movehdup_ps(m));
    return _mm_cvtss_f32(m);
}

AVX2_INLINE int32_t min_lane(__m256i v)
{
    __m128i m = _mm_min_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_min_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_min_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtsi128_si32(m);
}

/* What each lane knows: the largest, the next largest, the first place of the largest, the sum of p log2 p. */
struct lanes {
    __m256 first;
    __m256 second;
    __m256i place;
    __m256 sum;
};

AVX2_INLINE struct lanes lanes_none(void)
{
    const __m256 least = _mm256_set1_ps(-INFINITY);
    return (struct lanes){least, least, _mm256_set1_epi32(INT32_MAX), _mm256_setzero_ps()};
}

AVX2_INLINE void join_top(struct lanes *lanes, __m256 v, __m256i at)
{
    __m256 above = _mm256_cmp_ps(v, lanes->first, _CMP_GT_OQ);
    lanes->second = _mm256_max_ps(lanes->second, _mm256_min_ps(v, lanes->first));
    lanes->first = _mm256_max_ps(v, lanes->first);
    lanes->place = _mm256_blendv_epi8(lanes->place, at, _mm256_castps_si256(above));
}

/* What is not above the least normal number counts as that: it adds 1e-36, and 0 needs no case of its own. */
AVX2_INLINE void join_entropy(struct lanes *lanes, __m256 v)
{
    const __m256i one = _mm256_set1_epi32(0x3f800000);
    const __m256 p = _mm256_max_ps(v, _mm256_set1_ps(FLT_MIN));
    const __m256i bits = _mm256_castps_si256(p);
    const __m256 exponent = _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_sub_epi32(bits, one), 23));
    const __m256i mantissa = _mm256_or_si256(_mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff)), one);
    const __m256 s = _mm256_sub_ps(_mm256_castsi256_ps(mantissa), _mm256_set1_ps(1));
    __m256 g = _mm256_fmadd_ps(_mm256_set1_ps(KERNEL_LOG2_5), s, _mm256_set1_ps(KERNEL_LOG2_4));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(KERNEL_LOG2_3));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(KERNEL_LOG2_2));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(KERNEL_LOG2_1));
    g = _mm256_fmadd_ps(g, s, _mm256_set1_ps(KERNEL_LOG2_0));
    lanes->sum = _mm256_fmadd_ps(p, _mm256_fmadd_ps(g, s, exponent), lanes->sum);
}

AVX2_INLINE float entropy_of(float sum)
{
    return sum < 0 ? -KERNEL_LN2 * sum : 0;
}

/* --- one row ------------------------------------------------------------------------------------------------------------ */

AVX2_INLINE struct lanes scan(const char *row, size_t width, enum kernel_dtype dtype, bool entropy)
{
    const size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    const __m256i count = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    struct lanes lanes = lanes_none();
    for (size_t j = 0; j < width; j += LANES) {
        int32_t start = (int32_t)j;
        _mm_prefetch(row + j * bytes + AHEAD, _MM_HINT_T0);
        const __m256 v = j + LANES <= width ? load(row + j * bytes, dtype) : load_rest(row, width, dtype, width - j, &start);
        const __m256i at = _mm256_add_epi32(count, _mm256_set1_epi32(start));
        join_top(&lanes, v, at);
        if (entropy)
            join_entropy(&lanes, v);
    }
    return lanes;
}

AVX2_INLINE void score_one(
    const char *row, size_t width, enum kernel_dtype dtype, bool entropy, const struct kernel_row_scores *scores, size_t i)
{
    struct lanes lanes = scan(row, width, dtype, entropy);
    const float first = max_lane(lanes.first);
    const __m256i lower = _mm256_castps_si256(_mm256_cmp_ps(lanes.first, _mm256_set1_ps(first), _CMP_NEQ_OQ));
    const int32_t place = min_lane(_mm256_blendv_epi8(lanes.place, _mm256_set1_epi32(INT32_MAX), lower));
    /* The lane of the winner gives its second, every other lane its first. */
    const __m256 winner = _mm256_castsi256_ps(_mm256_cmpeq_epi32(lanes.place, _mm256_set1_epi32(place)));
    scores->first[i] = first;
    const float second = max_lane(_mm256_blendv_ps(lanes.first, lanes.second, winner));
    scores->second[i] = second > 0 ? second : 0;
    scores->place[i] = place;
    if (entropy)
        scores->entropy[i] = entropy_of(sum_lanes(lanes.sum));
}

AVX2_INLINE void score_by_row(const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, bool entropy,
    const struct kernel_row_scores *scores)
{
    for (size_t i = 0; i < count; i++)
        score_one(rows[i], width, dtype, entropy, scores, i);
}

AVX2 void kernel_score_by_row_avx2(
    const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores)
{
    if (dtype == KERNEL_F16 && scores->entropy != NULL)
        score_by_row(rows, count, width, KERNEL_F16, true, scores);
    else if (dtype == KERNEL_F16)
        score_by_row(rows, count, width, KERNEL_F16, false, scores);
    else if (scores->entropy != NULL)
        score_by_row(rows, count, width, KERNEL_F32, true, scores);
    else
        score_by_row(rows, count, width, KERNEL_F32, false, scores);
}

AVX2_INLINE void entropy_by_row(
    const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores)
{
    const size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    for (size_t i = 0; i < count; i++) {
        const char *row = rows[i];
        struct lanes lanes = lanes_none();
        for (size_t j = 0; j < width; j += LANES) {
            int32_t start;
            _mm_prefetch(row + j * bytes + AHEAD, _MM_HINT_T0);
            join_entropy(
                &lanes, j + LANES <= width ? load(row + j * bytes, dtype) : load_rest(row, width, dtype, width - j, &start));
        }
        scores->entropy[i] = entropy_of(sum_lanes(lanes.sum));
    }
}

AVX2 void kernel_entropy_by_row_avx2(
    const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores)
{
    if (dtype == KERNEL_F16)
        entropy_by_row(rows, count, width, KERNEL_F16, scores);
    else
        entropy_by_row(rows, count, width, KERNEL_F32, scores);
}

/* --- eight rows at once ------------------------------------------------------------------------------------------------- */

/* Turns eight rows of eight into eight columns. Written out: in loops the compiler would keep the vectors in memory. */
AVX2_INLINE void transpose(__m256 v[LANES])
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

AVX2_INLINE void join_column(struct lanes *lanes, __m256 v, size_t at, bool entropy)
{
    join_top(lanes, v, _mm256_set1_epi32((int32_t)at));
    if (entropy)
        join_entropy(lanes, v);
}

/*
 * A lane is a row here, so nothing is left to join at the end. The last columns are read with some before them a second time,
 * which are then left out.
 */
AVX2_INLINE void score_eight(
    const void *const *rows, size_t width, enum kernel_dtype dtype, bool entropy, const struct kernel_row_scores *scores)
{
    const size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    const char *const *from = (const char *const *)rows;
    struct lanes lanes = lanes_none();
    for (size_t j = 0; j < width; j += LANES) {
        const size_t skip = j + LANES <= width ? 0 : j + LANES - width;
        const size_t at = j - skip;
        __m256 column[LANES];
        column[0] = load(from[0] + at * bytes, dtype);
        column[1] = load(from[1] + at * bytes, dtype);
        column[2] = load(from[2] + at * bytes, dtype);
        column[3] = load(from[3] + at * bytes, dtype);
        column[4] = load(from[4] + at * bytes, dtype);
        column[5] = load(from[5] + at * bytes, dtype);
        column[6] = load(from[6] + at * bytes, dtype);
        column[7] = load(from[7] + at * bytes, dtype);
        transpose(column);
        if (skip == 0)
            join_column(&lanes, column[0], at, entropy);
        if (skip <= 1)
            join_column(&lanes, column[1], at + 1, entropy);
        if (skip <= 2)
            join_column(&lanes, column[2], at + 2, entropy);
        if (skip <= 3)
            join_column(&lanes, column[3], at + 3, entropy);
        if (skip <= 4)
            join_column(&lanes, column[4], at + 4, entropy);
        if (skip <= 5)
            join_column(&lanes, column[5], at + 5, entropy);
        if (skip <= 6)
            join_column(&lanes, column[6], at + 6, entropy);
        join_column(&lanes, column[7], at + 7, entropy);
    }
    _mm256_storeu_ps(scores->first, lanes.first);
    _mm256_storeu_ps(scores->second, _mm256_max_ps(lanes.second, _mm256_setzero_ps()));
    _mm256_storeu_si256((__m256i *)(void *)scores->place, lanes.place);
    if (entropy) {
        const __m256 sum = _mm256_mul_ps(lanes.sum, _mm256_set1_ps(-KERNEL_LN2));
        _mm256_storeu_ps(scores->entropy, _mm256_max_ps(sum, _mm256_setzero_ps()));
    }
}

/* A group that is not full has its first row again in the other places. */
AVX2 void kernel_score_eight_avx2(
    const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores)
{
    const void *filled[LANES];
    if (count < LANES) {
        for (size_t i = 0; i < LANES; i++)
            filled[i] = rows[i < count ? i : 0];
        rows = filled;
    }
    if (dtype == KERNEL_F16 && scores->entropy != NULL)
        score_eight(rows, width, KERNEL_F16, true, scores);
    else if (dtype == KERNEL_F16)
        score_eight(rows, width, KERNEL_F16, false, scores);
    else if (scores->entropy != NULL)
        score_eight(rows, width, KERNEL_F32, true, scores);
    else
        score_eight(rows, width, KERNEL_F32, false, scores);
}

#endif
