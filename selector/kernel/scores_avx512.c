#include "selector/kernel/scores_rows.h"

#if defined(__x86_64__)

#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

/* AHEAD: bytes to ask for early; rows of some hundred bytes are else waited for. */
enum { LANES = 16, COLUMNS = 8, FOUR = 4, AHEAD = 4096 };

#define AVX512        __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define AVX512_INLINE static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl,avx512dq")))

/* What each lane knows: the largest, the next largest, the first place of the largest, the sum of p log2 p. */
struct lanes {
    __m512 first;
    __m512 second;
    __m512i place;
    __m512 sum;
};

AVX512_INLINE struct lanes lanes_none(void)
{
    const __m512 least = _mm512_set1_ps(-INFINITY);
    return (struct lanes){least, least, _mm512_set1_epi32(INT32_MAX), _mm512_setzero_ps()};
}

AVX512_INLINE void join_top(struct lanes *lanes, __m512 v, __m512i at)
{
    __mmask16 above = _mm512_cmp_ps_mask(v, lanes->first, _CMP_GT_OQ);
    lanes->second = _mm512_max_ps(lanes->second, _mm512_min_ps(v, lanes->first));
    lanes->first = _mm512_max_ps(v, lanes->first);
    lanes->place = _mm512_mask_mov_epi32(lanes->place, above, at);
}

/* What is not above the least normal number counts as that: it adds 1e-36, and 0 needs no case of its own. */
AVX512_INLINE void join_entropy(struct lanes *lanes, __m512 v)
{
    const __m512 p = _mm512_max_ps(v, _mm512_set1_ps(FLT_MIN));
    const __m512 s = _mm512_sub_ps(_mm512_getmant_ps(p, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero), _mm512_set1_ps(1));
    __m512 g = _mm512_fmadd_ps(_mm512_set1_ps(KERNEL_LOG2_5), s, _mm512_set1_ps(KERNEL_LOG2_4));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(KERNEL_LOG2_3));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(KERNEL_LOG2_2));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(KERNEL_LOG2_1));
    g = _mm512_fmadd_ps(g, s, _mm512_set1_ps(KERNEL_LOG2_0));
    lanes->sum = _mm512_fmadd_ps(p, _mm512_fmadd_ps(g, s, _mm512_getexp_ps(p)), lanes->sum);
}

/* A group that is not full has its first row again in the other places: in `filled` [LANES]. */
static const void *const *fill_group(const void *const *rows, size_t count, const void **filled)
{
    if (count >= LANES)
        return rows;
    for (size_t i = 0; i < LANES; i++)
        filled[i] = rows[i < count ? i : 0];
    return filled;
}

/* --- row by row --------------------------------------------------------------------------------------------------------- */

AVX512_INLINE __m512 load(const char *from, enum kernel_dtype dtype)
{
    if (dtype == KERNEL_F16)
        return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from));
    return _mm512_loadu_ps(from);
}

/* The first `count` < LANES elements from `from` on, -inf in the other lanes. Only they are read. */
AVX512_INLINE __m512 load_some(const char *from, size_t count, enum kernel_dtype dtype)
{
    const __mmask16 some = (__mmask16)((1U << count) - 1);
    const __m512 least = _mm512_set1_ps(-INFINITY);
    if (dtype == KERNEL_F16)
        return _mm512_mask_cvtph_ps(least, some, _mm256_maskz_loadu_epi16(some, from));
    return _mm512_mask_loadu_ps(least, some, from);
}

AVX512_INLINE void join(struct lanes *lanes, const char *from, size_t left, enum kernel_dtype dtype, __m512i at, bool entropy)
{
    const __m512 v = left >= LANES ? load(from, dtype) : load_some(from, left, dtype);
    _mm_prefetch(from + AHEAD, _MM_HINT_T0);
    join_top(lanes, v, at);
    if (entropy)
        join_entropy(lanes, v);
}

AVX512_INLINE struct lanes scan(const char *row, size_t width, enum kernel_dtype dtype, bool entropy)
{
    const size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    struct lanes lanes = lanes_none();
    __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t j = 0;
    for (; j + LANES <= width; j += LANES) {
        join(&lanes, row + j * bytes, LANES, dtype, at, entropy);
        at = _mm512_add_epi32(at, _mm512_set1_epi32(LANES));
    }
    if (j < width)
        join(&lanes, row + j * bytes, width - j, dtype, at, entropy);
    return lanes;
}

/* Four vectors with their lanes in fours: lane i of each quarter of the result is of vector i. */
#define JOIN_LANES(operation, a, b, c, d)                                                                                      \
    operation(_mm512_shuffle_ps(operation(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)),                                 \
                  operation(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d)), 0x44),                                        \
        _mm512_shuffle_ps(operation(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)),                                       \
            operation(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d)), 0xee))

AVX512_INLINE __m128 max_lanes(__m512 a, __m512 b, __m512 c, __m512 d)
{
    const __m512 quarters = JOIN_LANES(_mm512_max_ps, a, b, c, d);
    const __m256 halves = _mm256_max_ps(_mm512_castps512_ps256(quarters), _mm512_extractf32x8_ps(quarters, 1));
    return _mm_max_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1));
}

AVX512_INLINE __m128 sum_lanes(__m512 a, __m512 b, __m512 c, __m512 d)
{
    const __m512 quarters = JOIN_LANES(_mm512_add_ps, a, b, c, d);
    const __m256 halves = _mm256_add_ps(_mm512_castps512_ps256(quarters), _mm512_extractf32x8_ps(quarters, 1));
    return _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1));
}

/* The first place of the largest. Output: what each lane has for the second, the winner's lane its own second. */
AVX512_INLINE int32_t place_of(const struct lanes *lanes, float first, __m512 *second)
{
    __mmask16 winner = _mm512_cmp_ps_mask(lanes->first, _mm512_set1_ps(first), _CMP_EQ_OQ);
    int32_t place = _mm_cvtsi128_si32(_mm512_castsi512_si128(_mm512_maskz_compress_epi32(winner, lanes->place)));
    if ((winner & (winner - 1)) != 0) {
        place = _mm512_mask_reduce_min_epi32(winner, lanes->place);
        winner = _mm512_cmpeq_epi32_mask(lanes->place, _mm512_set1_epi32(place));
    }
    *second = _mm512_mask_mov_ps(lanes->first, winner, lanes->second);
    return place;
}

AVX512_INLINE void score_four(const void *const *rows, size_t width, enum kernel_dtype dtype, bool entropy,
    const struct kernel_row_scores *scores, size_t i)
{
    struct lanes four[FOUR];
    for (size_t r = 0; r < FOUR; r++)
        four[r] = scan(rows[i + r], width, dtype, entropy);
    float *first = scores->first + i;
    __m512 second[FOUR];
    _mm_storeu_ps(first, max_lanes(four[0].first, four[1].first, four[2].first, four[3].first));
    for (size_t r = 0; r < FOUR; r++)
        scores->place[i + r] = place_of(&four[r], first[r], &second[r]);
    const __m128 next = max_lanes(second[0], second[1], second[2], second[3]);
    _mm_storeu_ps(scores->second + i, _mm_max_ps(next, _mm_setzero_ps()));
    if (entropy) {
        const __m128 sum = sum_lanes(four[0].sum, four[1].sum, four[2].sum, four[3].sum);
        _mm_storeu_ps(scores->entropy + i, _mm_max_ps(_mm_mul_ps(sum, _mm_set1_ps(-KERNEL_LN2)), _mm_setzero_ps()));
    }
}

AVX512_INLINE void score_by_row(const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, bool entropy,
    const struct kernel_row_scores *scores)
{
    for (size_t i = 0; i < count; i += FOUR)
        score_four(rows, width, dtype, entropy, scores, i);
}

AVX512 void kernel_score_by_row_avx512(
    const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores)
{
    const void *filled[LANES];
    rows = fill_group(rows, count, filled);
    if (dtype == KERNEL_F16 && scores->entropy != NULL)
        score_by_row(rows, count, width, KERNEL_F16, true, scores);
    else if (dtype == KERNEL_F16)
        score_by_row(rows, count, width, KERNEL_F16, false, scores);
    else if (scores->entropy != NULL)
        score_by_row(rows, count, width, KERNEL_F32, true, scores);
    else
        score_by_row(rows, count, width, KERNEL_F32, false, scores);
}

AVX512_INLINE __m512 scan_entropy(const char *row, size_t width, enum kernel_dtype dtype)
{
    const size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    struct lanes lanes = lanes_none();
    size_t j = 0;
    for (; j + LANES <= width; j += LANES) {
        _mm_prefetch(row + j * bytes + AHEAD, _MM_HINT_T0);
        join_entropy(&lanes, load(row + j * bytes, dtype));
    }
    if (j < width)
        join_entropy(&lanes, load_some(row + j * bytes, width - j, dtype));
    return lanes.sum;
}

AVX512_INLINE void entropy_by_row(
    const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores)
{
    for (size_t i = 0; i < count; i += FOUR) {
        /* In the order of memory, which arguments of a call would not be in. */
        const __m512 row0 = scan_entropy(rows[i], width, dtype);
        const __m512 row1 = scan_entropy(rows[i + 1], width, dtype);
        const __m512 row2 = scan_entropy(rows[i + 2], width, dtype);
        const __m512 row3 = scan_entropy(rows[i + 3], width, dtype);
        const __m128 sum = sum_lanes(row0, row1, row2, row3);
        _mm_storeu_ps(scores->entropy + i, _mm_max_ps(_mm_mul_ps(sum, _mm_set1_ps(-KERNEL_LN2)), _mm_setzero_ps()));
    }
}

AVX512 void kernel_entropy_by_row_avx512(
    const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores)
{
    const void *filled[LANES];
    rows = fill_group(rows, count, filled);
    if (dtype == KERNEL_F16)
        entropy_by_row(rows, count, width, KERNEL_F16, scores);
    else
        entropy_by_row(rows, count, width, KERNEL_F32, scores);
}

/* --- sixteen rows at once ----------------------------------------------------------------------------------------------- */

/* Up to eight elements of two rows, -inf for those that `some` has no bit of. */
AVX512_INLINE __m512 load_pair(const char *low, const char *high, __mmask8 some, enum kernel_dtype dtype)
{
    if (dtype == KERNEL_F16) {
        const __m256i halves = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_maskz_loadu_epi16(some, low)), _mm_maskz_loadu_epi16(some, high), 1);
        const __mmask16 both = (__mmask16)(some | some << COLUMNS);
        return _mm512_mask_cvtph_ps(_mm512_set1_ps(-INFINITY), both, halves);
    }
    const __m256 least = _mm256_set1_ps(-INFINITY);
    return _mm512_insertf32x8(
        _mm512_castps256_ps512(_mm256_mask_loadu_ps(least, some, low)), _mm256_mask_loadu_ps(least, some, high), 1);
}

/*
 * Turns sixteen rows of eight into eight columns. On the way in, v[i] holds rows i and i + 4, v[4 + i] rows i + 8 and i + 12.
 * Written out: in loops the compiler would keep the vectors in memory.
 */
AVX512_INLINE void transpose(__m512 v[COLUMNS])
{
    const __m512 pair0 = _mm512_unpacklo_ps(v[0], v[1]);
    const __m512 pair1 = _mm512_unpackhi_ps(v[0], v[1]);
    const __m512 pair2 = _mm512_unpacklo_ps(v[2], v[3]);
    const __m512 pair3 = _mm512_unpackhi_ps(v[2], v[3]);
    const __m512 pair4 = _mm512_unpacklo_ps(v[4], v[5]);
    const __m512 pair5 = _mm512_unpackhi_ps(v[4], v[5]);
    const __m512 pair6 = _mm512_unpacklo_ps(v[6], v[7]);
    const __m512 pair7 = _mm512_unpackhi_ps(v[6], v[7]);
    const __m512 quad0 = _mm512_shuffle_ps(pair0, pair2, 0x44);
    const __m512 quad1 = _mm512_shuffle_ps(pair0, pair2, 0xee);
    const __m512 quad2 = _mm512_shuffle_ps(pair1, pair3, 0x44);
    const __m512 quad3 = _mm512_shuffle_ps(pair1, pair3, 0xee);
    const __m512 quad4 = _mm512_shuffle_ps(pair4, pair6, 0x44);
    const __m512 quad5 = _mm512_shuffle_ps(pair4, pair6, 0xee);
    const __m512 quad6 = _mm512_shuffle_ps(pair5, pair7, 0x44);
    const __m512 quad7 = _mm512_shuffle_ps(pair5, pair7, 0xee);
    v[0] = _mm512_shuffle_f32x4(quad0, quad4, 0x88);
    v[1] = _mm512_shuffle_f32x4(quad1, quad5, 0x88);
    v[2] = _mm512_shuffle_f32x4(quad2, quad6, 0x88);
    v[3] = _mm512_shuffle_f32x4(quad3, quad7, 0x88);
    v[4] = _mm512_shuffle_f32x4(quad0, quad4, 0xdd);
    v[5] = _mm512_shuffle_f32x4(quad1, quad5, 0xdd);
    v[6] = _mm512_shuffle_f32x4(quad2, quad6, 0xdd);
    v[7] = _mm512_shuffle_f32x4(quad3, quad7, 0xdd);
}

AVX512_INLINE void load_columns(
    const void *const *rows, size_t offset, __mmask8 some, enum kernel_dtype dtype, __m512 v[COLUMNS])
{
    const char *const *from = (const char *const *)rows;
    v[0] = load_pair(from[0] + offset, from[4] + offset, some, dtype);
    v[1] = load_pair(from[1] + offset, from[5] + offset, some, dtype);
    v[2] = load_pair(from[2] + offset, from[6] + offset, some, dtype);
    v[3] = load_pair(from[3] + offset, from[7] + offset, some, dtype);
    v[4] = load_pair(from[8] + offset, from[12] + offset, some, dtype);
    v[5] = load_pair(from[9] + offset, from[13] + offset, some, dtype);
    v[6] = load_pair(from[10] + offset, from[14] + offset, some, dtype);
    v[7] = load_pair(from[11] + offset, from[15] + offset, some, dtype);
    transpose(v);
}

AVX512_INLINE void join_column(struct lanes *lanes, __m512 v, size_t at, bool entropy)
{
    join_top(lanes, v, _mm512_set1_epi32((int32_t)at));
    if (entropy)
        join_entropy(lanes, v);
}

/* A lane is a row here, so nothing is left to join at the end. */
AVX512_INLINE void score_sixteen(
    const void *const *rows, size_t width, enum kernel_dtype dtype, bool entropy, const struct kernel_row_scores *scores)
{
    const size_t bytes = dtype == KERNEL_F16 ? 2 : 4;
    struct lanes lanes = lanes_none();
    for (size_t j = 0; j < width; j += COLUMNS) {
        const size_t count = width - j < COLUMNS ? width - j : COLUMNS;
        __m512 v[COLUMNS];
        if (count == COLUMNS)
            load_columns(rows, j * bytes, 0xff, dtype, v);
        else
            load_columns(rows, j * bytes, (__mmask8)((1U << count) - 1), dtype, v);
        join_column(&lanes, v[0], j, entropy);
        if (count > 1)
            join_column(&lanes, v[1], j + 1, entropy);
        if (count > 2)
            join_column(&lanes, v[2], j + 2, entropy);
        if (count > 3)
            join_column(&lanes, v[3], j + 3, entropy);
        if (count > 4)
            join_column(&lanes, v[4], j + 4, entropy);
        if (count > 5)
            join_column(&lanes, v[5], j + 5, entropy);
        if (count > 6)
            join_column(&lanes, v[6], j + 6, entropy);
        if (count > 7)
            join_column(&lanes, v[7], j + 7, entropy);
    }
    _mm512_storeu_ps(scores->first, lanes.first);
    _mm512_storeu_ps(scores->second, _mm512_max_ps(lanes.second, _mm512_setzero_ps()));
    _mm512_storeu_si512(scores->place, lanes.place);
    if (entropy) {
        const __m512 sum = _mm512_mul_ps(lanes.sum, _mm512_set1_ps(-KERNEL_LN2));
        _mm512_storeu_ps(scores->entropy, _mm512_max_ps(sum, _mm512_setzero_ps()));
    }
}

AVX512 void kernel_score_sixteen_avx512(
    const void *const *rows, size_t count, size_t width, enum kernel_dtype dtype, const struct kernel_row_scores *scores)
{
    const void *filled[LANES];
    rows = fill_group(rows, count, filled);
    if (dtype == KERNEL_F16 && scores->entropy != NULL)
        score_sixteen(rows, width, KERNEL_F16, true, scores);
    else if (dtype == KERNEL_F16)
        score_sixteen(rows, width, KERNEL_F16, false, scores);
    else if (scores->entropy != NULL)
        score_sixteen(rows, width, KERNEL_F32, true, scores);
    else
        score_sixteen(rows, width, KERNEL_F32, false, scores);
}

#endif
