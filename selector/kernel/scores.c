#include "selector/kernel/scores.h"

#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { ROWS_TILE = 2048 };

struct score {
    float first;
    float second;
    int32_t predicted;
    float entropy;
};

/* --- one row ------------------------------------------------------------------------------------------------------------ */

static void top2_plain(const float *row, size_t width, struct score *score)
{
    float first = -INFINITY;
    float second = -INFINITY;
    int32_t predicted = 0;
    for (size_t j = 0; j < width; j++) {
        float p = row[j];
        float lower = p < first ? p : first;
        second = lower > second ? lower : second;
        predicted = p > first ? (int32_t)j : predicted;
        first = p > first ? p : first;
    }
    *score = (struct score){.first = first, .second = second, .predicted = predicted};
}

#if defined(__x86_64__)

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

AVX2_INLINE void top2_avx2(const char *row, size_t width, enum kernel_dtype dtype, struct score *score)
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
    int32_t predicted = min_lane(_mm256_blendv_epi8(place, none, unequal));
    /* The lane of the winner gives its second, every other lane its first. */
    __m256 winner = _mm256_castsi256_ps(_mm256_cmpeq_epi32(place, _mm256_set1_epi32(predicted)));
    *score = (struct score){
        .first = most, .second = max_lane(_mm256_blendv_ps(first, lanes.second, winner)), .predicted = predicted};
}

__attribute__((target("avx2,f16c"))) static void top2_row_avx2(const float *row, size_t width, struct score *score)
{
    top2_avx2((const char *)row, width, KERNEL_F32, score);
}

#endif

/* Adds p ln p to the running sum; what is not above 0 adds nothing. */
KERNEL_INLINE void entropy_term(const kernel_f8 *p, kernel_f8 *sum)
{
    kernel_f8 zero = {0};
    kernel_f8 l = *p;
    kernel_log8(&l);
    kernel_f8 term = *p * l;
    kernel_i8 positive = *p > zero;
    term = (kernel_f8)(positive & (kernel_i8)term);
    *sum = *sum - term;
}

/* The row is followed by zeros to a whole number of vectors. */
KERNEL_INLINE float entropy(const float *row, size_t width)
{
    kernel_f8 sum = {0};
    kernel_f8 p;
    for (size_t j = 0; j < width; j += KERNEL_LANES) {
        kernel_load8(row + j, &p);
        entropy_term(&p, &sum);
    }
    float total = kernel_sum8(&sum);
    return total > 0 ? total : 0;
}

/* --- many rows ---------------------------------------------------------------------------------------------------------- */

struct run {
    const char *base;
    size_t row_bytes;
    size_t width;
    size_t count;
    const uint8_t *present; /* of the block, NULL: all */
    size_t within;          /* of the block, where the run starts */
    size_t row;             /* of the output, where the run starts */
    float power;            /* 1 / temperature; 1: leave the rows as they are */
    enum kernel_dtype dtype;
    float *buffer; /* [width + KERNEL_LANES] */
    const struct kernel_scores *out;
};

static void put(const struct kernel_scores *out, size_t i, const struct score *score)
{
    if (out->first != NULL)
        out->first[i] = score->first;
    if (out->second != NULL)
        out->second[i] = score->second;
    if (out->predicted != NULL)
        out->predicted[i] = score->predicted;
    if (out->entropy != NULL)
        out->entropy[i] = score->entropy;
}

static const struct score absent = {.predicted = -1};

/* p^power, normalised; the row is followed by zeros to a whole number of vectors. */
KERNEL_INLINE void temper(float *buffer, size_t width, float power)
{
    kernel_f8 zero = {0};
    float most = 0;
    for (size_t j = 0; j < width; j++)
        most = buffer[j] > most ? buffer[j] : most;
    if (!(most > 0))
        return;
    float total = 0;
    for (size_t j = 0; j < width; j += KERNEL_LANES) {
        kernel_f8 p, v;
        kernel_load8(buffer + j, &p);
        v = p * (1 / most);
        kernel_log8(&v);
        v = v * power;
        kernel_min8(&v, &zero, &v);
        kernel_exp8(&v);
        kernel_i8 positive = p > zero;
        kernel_select8(&positive, &v, &zero, &v);
        total += kernel_sum8(&v);
        kernel_store8(buffer + j, &v);
    }
    for (size_t j = 0; j < width; j++)
        buffer[j] /= total;
}

KERNEL_INLINE bool run_has(const struct run *run, size_t within)
{
    return run->present == NULL || (run->present[within / 8] >> (within % 8) & 1);
}

typedef void top2_fn(const float *row, size_t width, struct score *score);

/* Any case: each row is made plain floats first. */
KERNEL_INLINE void run_any_body(const struct run *run, top2_fn *top2)
{
    memset(run->buffer + run->width, 0, KERNEL_LANES * sizeof *run->buffer);
    for (size_t i = 0; i < run->count; i++) {
        size_t within = run->within + i;
        if (!run_has(run, within)) {
            put(run->out, run->row + i, &absent);
            continue;
        }
        kernel_widen(run->base + within * run->row_bytes, run->dtype, run->width, run->buffer);
        if (run->power < 1 || run->power > 1)
            temper(run->buffer, run->width, run->power);
        struct score score;
        top2(run->buffer, run->width, &score);
        score.second = score.second > 0 ? score.second : 0;
        if (run->out->entropy != NULL)
            score.entropy = entropy(run->buffer, run->width);
        put(run->out, run->row + i, &score);
    }
}

KERNEL_VARIANTS(run_any, (const struct run *run, top2_fn *top2), (run, top2))

#if defined(__x86_64__)

/* The common case, straight from memory: no entropy, no temperature. */
AVX2_INLINE void run_direct(const struct run *run, enum kernel_dtype dtype)
{
    const struct kernel_scores *out = run->out;
    for (size_t i = 0; i < run->count; i++) {
        size_t within = run->within + i;
        struct score score = absent;
        if (run_has(run, within)) {
            top2_avx2(run->base + within * run->row_bytes, run->width, dtype, &score);
            score.second = score.second > 0 ? score.second : 0;
        }
        put(out, run->row + i, &score);
    }
}

__attribute__((target("avx2,f16c"))) static void run_direct_f32(const struct run *run)
{
    run_direct(run, KERNEL_F32);
}

__attribute__((target("avx2,f16c"))) static void run_direct_f16(const struct run *run)
{
    run_direct(run, KERNEL_F16);
}

#endif

static void run_scores(const struct run *run)
{
#if defined(__x86_64__)
    bool direct = run->out->entropy == NULL && !(run->power < 1 || run->power > 1);
    if (kernel_cpu_avx2() && direct && run->dtype == KERNEL_F16)
        run_direct_f16(run);
    else if (kernel_cpu_avx2() && direct)
        run_direct_f32(run);
    else
        run_any(run, kernel_cpu_avx2() ? top2_row_avx2 : top2_plain);
#else
    run_any(run, top2_plain);
#endif
}

struct pass {
    const struct kernel_rows *rows;
    const struct kernel_topk *topk; /* NULL: dense */
    size_t classes;
    float power;
    const struct kernel_scores *out;
    float *buffers; /* one a worker */
    size_t buffer_size;
};

static void dense_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    const struct kernel_rows *rows = pass->rows;
    size_t end = (tile + 1) * ROWS_TILE < rows->count ? (tile + 1) * ROWS_TILE : rows->count;
    for (size_t row = tile * ROWS_TILE; row < end;) {
        size_t block = row / rows->rows_per_block;
        size_t within = row % rows->rows_per_block;
        size_t count = rows->rows_per_block - within < end - row ? rows->rows_per_block - within : end - row;
        struct run run = {.base = rows->blocks[block],
            .row_bytes = rows->row_bytes,
            .width = rows->width,
            .count = count,
            .present = rows->present != NULL ? rows->present[block] : NULL,
            .within = within,
            .row = row,
            .power = pass->power,
            .dtype = rows->dtype,
            .buffer = pass->buffers + worker * pass->buffer_size,
            .out = pass->out};
        if (run.base != NULL) {
            run_scores(&run);
        } else {
            for (size_t i = 0; i < count; i++)
                put(pass->out, row + i, &absent);
        }
        row += count;
    }
}

/* One row of the k most probable classes; `p` has room for k floats. */
static void topk_row(const struct pass *pass, const void *probabilities, const char *classes, float *p, struct score *score)
{
    size_t k = pass->rows->width;
    kernel_widen(probabilities, pass->rows->dtype, k, p);
    uint16_t predicted;
    memcpy(&predicted, classes, sizeof predicted);
    double rest = 1;
    double total = 0;
    double power = (double)pass->power;
    for (size_t j = 0; j < k; j++) {
        rest -= (double)p[j];
        p[j] = pass->power < 1 || pass->power > 1 ? (float)pow((double)p[j], power) : p[j];
        total += (double)p[j];
    }
    double others = pass->classes > k ? (double)(pass->classes - k) : 0;
    double other = rest > 0 && others > 0 ? pow(rest / others, power) : 0;
    total += others * other;
    double scale = total > 0 && (pass->power < 1 || pass->power > 1) ? 1 / total : 1;
    double sum = other > 0 ? -others * other * scale * log(other * scale) : 0;
    for (size_t j = 0; j < k; j++)
        sum -= p[j] > 0 ? (double)p[j] * scale * log((double)p[j] * scale) : 0;
    double first = (double)p[0] * scale;
    double second = k > 1 ? (double)p[1] * scale : fmin(first, others * other * scale);
    *score = (struct score){(float)first, (float)second, predicted, sum > 0 ? (float)sum : 0};
}

static void topk_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    const struct kernel_rows *rows = pass->rows;
    size_t end = (tile + 1) * ROWS_TILE < rows->count ? (tile + 1) * ROWS_TILE : rows->count;
    for (size_t i = tile * ROWS_TILE; i < end; i++) {
        const void *row = kernel_row(rows, i);
        const char *classes = pass->topk->class_blocks[i / rows->rows_per_block];
        struct score score = absent;
        if (row != NULL && classes != NULL)
            topk_row(pass, row, classes + i % rows->rows_per_block * pass->topk->class_row_bytes,
                pass->buffers + worker * pass->buffer_size, &score);
        put(pass->out, i, &score);
    }
}

static enum kernel_status pass_run(struct kernel_team *team, struct pass *pass, kernel_tile_fn *tile)
{
    pass->buffer_size = pass->rows->width + 2 * (size_t)KERNEL_LANES;
    pass->buffers = malloc(kernel_team_size(team) * pass->buffer_size * sizeof *pass->buffers);
    if (pass->buffers == NULL)
        return KERNEL_NO_MEMORY;
    bool done = kernel_team_run(team, (pass->rows->count + ROWS_TILE - 1) / ROWS_TILE, tile, pass);
    free(pass->buffers);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status kernel_scores_dense(
    struct kernel_team *team, const struct kernel_rows *probabilities, double temperature, const struct kernel_scores *out)
{
    struct pass pass = {.rows = probabilities, .classes = probabilities->width, .power = (float)(1 / temperature), .out = out};
    return pass_run(team, &pass, dense_tile);
}

enum kernel_status kernel_scores_topk(struct kernel_team *team, const struct kernel_topk *topk, size_t classes,
    double temperature, const struct kernel_scores *out)
{
    struct pass pass = {
        .rows = &topk->probability, .topk = topk, .classes = classes, .power = (float)(1 / temperature), .out = out};
    return pass_run(team, &pass, topk_tile);
}
