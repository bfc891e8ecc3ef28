/* Distances, neighbours and greedy coverage against their definitions; the greedy set against the best of all sets. */
#include "selector/kernel/coverage.h"
#include "selector/kernel/cpu.h"
#include "selector/kernel/similarity_row.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"
#include "test/unit/columns.h"
#include "test/unit/stop.h"

/* A problem with its own memory: candidates are all rows of the column, reference points its first ones. */
struct problem {
    struct column *column;
    uint32_t *slots;
    float *values;
    float *norm2;
    float *weight;
    float *cover;
    double *cost;
    struct kernel_coverage_input input;
};

static struct problem problem_new(uint64_t seed, size_t n, size_t width, size_t references, bool priced)
{
    struct problem p = {.column = column_clusters(seed, n, width, 5, 0.4)};
    p.slots = malloc(n * sizeof *p.slots);
    p.values = malloc((references * width + 1) * sizeof *p.values);
    p.norm2 = malloc((references + 1) * sizeof *p.norm2);
    p.weight = malloc((references + 1) * sizeof *p.weight);
    p.cover = calloc(references + 1, sizeof *p.cover);
    p.cost = malloc(n * sizeof *p.cost);
    for (uint32_t i = 0; i < n; i++) {
        p.slots[i] = i;
        p.cost[i] = priced ? 0.5 + 4 * uniform(seed + 7, i) : 1;
    }
    kernel_gather(&p.column->rows, p.slots, references, NULL, p.values);
    for (size_t r = 0; r < references; r++) {
        p.norm2[r] = kernel_norm2(p.values + r * width, width);
        p.weight[r] = (float)uniform(seed + 8, r);
    }
    p.input = (struct kernel_coverage_input){
        .candidates = {&p.column->rows, p.slots, n, NULL},
        .references = {p.values, p.norm2, references, width},
        .weight = p.weight,
        .cover = p.cover,
        .scale = (float)width * 0.3F,
        .divisor = p.cost,
    };
    return p;
}

static void problem_free(struct problem *p)
{
    column_free(p->column);
    free(p->slots);
    free(p->values);
    free(p->norm2);
    free(p->weight);
    free(p->cover);
    free(p->cost);
}

static double similarity(const struct problem *p, size_t candidate, size_t reference)
{
    size_t width = p->column->rows.width;
    double d2 = 0;
    for (size_t j = 0; j < width; j++) {
        double d = p->column->values[candidate * width + j] - p->column->values[reference * width + j];
        d2 += d * d;
    }
    return exp(-d2 / (double)p->input.scale);
}

static double gain(const struct problem *p, const double *cover, size_t candidate)
{
    double sum = 0;
    for (size_t r = 0; r < p->input.references.count; r++)
        sum += (double)p->weight[r] * fmax(0, similarity(p, candidate, r) - cover[r]);
    return sum;
}

static void absorb(const struct problem *p, double *cover, size_t candidate)
{
    for (size_t r = 0; r < p->input.references.count; r++)
        cover[r] = fmax(cover[r], similarity(p, candidate, r));
}

static size_t greedy(struct problem *p, unsigned threads, size_t k, uint32_t *picks, double *gains)
{
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    struct kernel_coverage *coverage = kernel_coverage_new(team, &p->input);
    assert_int_equal(kernel_coverage_begin(coverage), KERNEL_OK);
    kernel_coverage_rewind(coverage, NULL, NULL);
    size_t count = 0;
    while (count < k && kernel_coverage_next(coverage, NULL, NULL, &picks[count], &gains[count]) == KERNEL_OK)
        kernel_coverage_take(coverage, picks[count++]);
    kernel_coverage_free(&coverage);
    kernel_team_free(&team);
    memset(p->cover, 0, p->input.references.count * sizeof *p->cover);
    return count;
}

/* Each pick is, by the definition, as good as any other candidate at that moment, to the digits of single precision. */
static void test_greedy(void **state)
{
    (void)state;
    enum { N = 500, K = 60 };
    for (int priced = 0; priced < 2; priced++) {
        struct problem p = problem_new(3, N, 24, 130, priced == 1);
        uint32_t picks[K];
        double gains[K];
        double cover[130] = {0};
        bool taken[N] = {false};
        assert_int_equal(greedy(&p, 2, K, picks, gains), K);
        for (size_t step = 0; step < K; step++) {
            double best = 0;
            for (size_t c = 0; c < N; c++)
                best = taken[c] ? best : fmax(best, gain(&p, cover, c) / p.cost[c]);
            double mine = gain(&p, cover, picks[step]);
            assert_true(mine / p.cost[picks[step]] >= best * (1 - 1e-4) - 1e-5);
            assert_true(fabs(mine - gains[step]) <= 1e-4 * (1 + mine));
            assert_false(taken[picks[step]]);
            taken[picks[step]] = true;
            absorb(&p, cover, picks[step]);
        }
        problem_free(&p);
    }
}

/* A candidate that is a reference counts there with its own weight only: as the definition says, and with no regard to how the
 * kernel's values come about. */
static void test_own(void **state)
{
    (void)state;
    enum { N = 300, K = 50 };
    for (int square = 0; square < 2; square++) {
        struct problem p = problem_new(5, N, 24, square == 1 ? N : 200, false);
        size_t references = p.input.references.count;
        uint32_t own[N], picks[K];
        float excess[N];
        double gains[K], cover[N] = {0};
        for (uint32_t i = 0; i < N; i++)
            own[i] = i < references ? i : UINT32_MAX;
        for (size_t r = 0; r < references; r++)
            excess[r] = 0.75F * p.weight[r];
        p.input.own = own;
        p.input.excess = excess;
        p.input.square = square == 1;
        assert_int_equal(greedy(&p, 2, K, picks, gains), K);
        for (size_t step = 0; step < K; step++) {
            double best = 0, mine = 0;
            for (size_t c = 0; c < N; c++) {
                double value = gain(&p, cover, c);
                if (c < references)
                    value -= (double)excess[c] * fmax(0, 1 - cover[c]);
                best = fmax(best, value);
                mine = c == picks[step] ? value : mine;
            }
            assert_true(mine >= best * (1 - 1e-4) - 1e-5);
            assert_true(fabs(mine - gains[step]) <= 1e-4 * (1 + mine));
            absorb(&p, cover, picks[step]);
        }
        problem_free(&p);
    }
}

/* What is taken from a coverage that was taken from before, and reset, is what a new one gives. */
static void test_reset(void **state)
{
    (void)state;
    enum { N = 900, K = 120 };
    struct problem p = problem_new(9, N, 24, N, true);
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    float start[N];
    for (size_t r = 0; r < N; r++)
        start[r] = p.cover[r] = r % 3 == 0 ? 0 : 0.4F * (float)uniform(3, r);
    struct kernel_coverage *coverage = kernel_coverage_new(team, &p.input);
    assert_int_equal(kernel_coverage_begin(coverage), KERNEL_OK);
    uint32_t picks[2][K];
    double gains[2][K];
    for (int turn = 0; turn < 2; turn++) {
        kernel_coverage_rewind(coverage, NULL, NULL);
        for (size_t i = 0; i < K; i++) {
            assert_int_equal(kernel_coverage_next(coverage, NULL, NULL, &picks[turn][i], &gains[turn][i]), KERNEL_OK);
            kernel_coverage_take(coverage, picks[turn][i]);
        }
        memcpy(p.cover, start, sizeof start);
        kernel_coverage_reset(coverage);
    }
    assert_memory_equal(picks[0], picks[1], sizeof picks[0]);
    for (size_t i = 0; i < K; i++)
        assert_true(fabs(gains[0][i] - gains[1][i]) <= 1e-5 * gains[0][i]);
    double cover[N];
    for (size_t r = 0; r < N; r++)
        cover[r] = (double)start[r];
    for (size_t i = 0; i < K; i++) {
        assert_true(fabs(gain(&p, cover, picks[0][i]) - gains[0][i]) <= 1e-4 * (1 + gains[0][i]));
        absorb(&p, cover, picks[0][i]);
    }
    kernel_coverage_free(&coverage);
    kernel_team_free(&team);
    problem_free(&p);
}

/* Of equal candidates the lowest comes first, though rows that are computed at different times are of different lengths. */
static void test_ties(void **state)
{
    (void)state;
    enum { N = 500, COPIES = 3, K = 150 };
    if (!kernel_cpu_fma())
        skip(); /* the bits of BLIS's products depend on their shape */
    struct problem p = problem_new(12, N * COPIES, 6, N, false);
    for (size_t i = N; i < (size_t)N * COPIES; i++)
        memcpy(p.column->values + i * 6, p.column->values + (i - N) * 6, 6 * sizeof *p.column->values);
    struct column *column = column_new(p.column->values, N * COPIES, 6, KERNEL_F32, 64, false);
    p.input.candidates.rows = &column->rows;
    uint32_t picks[K];
    double gains[K];
    assert_int_equal(greedy(&p, 2, K, picks, gains), K);
    for (size_t i = 0; i < K; i++) {
        assert_true(picks[i] < N);
        assert_true(i == 0 || gains[i] <= gains[i - 1]);
    }
    /* Nor does it matter how many rows there is memory for. */
    for (size_t bytes = 1; bytes < 1 << 22; bytes *= 64) {
        uint32_t again[K];
        double gains_again[K];
        p.input.rows_bytes = bytes;
        assert_int_equal(greedy(&p, 2, K, again, gains_again), K);
        assert_memory_equal(picks, again, sizeof picks);
        assert_memory_equal(gains, gains_again, sizeof gains);
    }
    column_free(column);
    problem_free(&p);
}

/* A row's gain, values and cover are by their definitions, whether it lists its reference points or not. */
static void test_row(void **state)
{
    (void)state;
    enum { N = 1237 };
    float values[N], cover[N], weight[N], raised[N];
    for (size_t r = 0; r < N; r++) {
        values[r] = (float)uniform(1, r);
        weight[r] = (float)uniform(2, r);
    }
    for (int part = 0; part <= 10; part++) {
        struct kernel_similarity_row row = {0};
        double sum = 0;
        size_t counted = 0;
        for (size_t r = 0; r < N; r++)
            cover[r] = raised[r] = r % 10 < (size_t)part ? 1 : 0.5F * values[r];
        assert_true(kernel_similarity_row_init(&row, values, cover, N));
        assert_true((row.references != NULL) == (part > 7));
        /* Once more with half of what is left covered, after which the row is shorter. */
        for (int turn = 0; turn < 2; turn++) {
            sum = 0;
            counted = 0;
            for (size_t r = 0; r < N; r++) {
                sum += (double)weight[r] * fmax(0, (double)values[r] - (double)cover[r]);
                counted += values[r] > cover[r];
            }
            double gain = kernel_similarity_row_gain(&row, cover, weight);
            struct kernel_similarity_row dense = {.values = values, .count = N, .all = N};
            double same = kernel_similarity_row_gain(&dense, cover, weight);
            assert_true(fabs(gain - sum) <= 1e-5 * (1 + sum));
            assert_memory_equal(&gain, &same, sizeof gain);
            assert_int_equal(kernel_similarity_row_above(&row, cover), counted);
            for (uint32_t r = 0; r < N; r++) {
                float at = kernel_similarity_row_at(&row, r);
                assert_true(at >= values[r] && at <= values[r] ? true : at <= 0 && values[r] <= cover[r]);
            }
            for (size_t r = 0; r < N; r += 2)
                cover[r] = raised[r] = 1;
            size_t before = kernel_similarity_row_bytes(&row);
            kernel_similarity_row_shrink(&row, cover);
            assert_true(kernel_similarity_row_bytes(&row) <= before);
        }
        kernel_similarity_row_raise(&row, raised);
        for (size_t r = 0; r < N; r++)
            assert_true(raised[r] >= fmaxf(values[r], cover[r]) && raised[r] <= fmaxf(values[r], cover[r]));
        kernel_similarity_row_deinit(&row);
        assert_int_equal(kernel_similarity_row_bytes(&row), 0);
    }
}

static void test_threads(void **state)
{
    (void)state;
    enum { N = 3000, K = 200 };
    struct problem p = problem_new(4, N, 40, 1300, true);
    static uint32_t one[K], many[K];
    static double one_gains[K], many_gains[K];
    greedy(&p, 1, K, one, one_gains);
    for (unsigned threads = 2; threads <= 16; threads *= 8) {
        greedy(&p, threads, K, many, many_gains);
        assert_memory_equal(one, many, sizeof one);
        assert_memory_equal(one_gains, many_gains, sizeof one_gains);
    }
    problem_free(&p);
}

/* The greedy set is within 1 - 1/e of the best set of four of sixteen. */
static void test_bound(void **state)
{
    (void)state;
    enum { N = 16, K = 4 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct problem p = problem_new(seed, N, 3, N, false);
        uint32_t picks[K];
        double gains[K];
        double value = 0;
        greedy(&p, 1, K, picks, gains);
        for (size_t i = 0; i < K; i++)
            value += gains[i];
        double best = 0;
        for (unsigned set = 0; set < 1U << N; set++) {
            if (__builtin_popcount(set) != K)
                continue;
            double cover[N] = {0};
            double sum = 0;
            for (size_t c = 0; c < N; c++) {
                if (set >> c & 1)
                    absorb(&p, cover, c);
            }
            for (size_t r = 0; r < N; r++)
                sum += (double)p.weight[r] * cover[r];
            best = fmax(best, sum);
        }
        assert_true(value >= (1 - exp(-1)) * best - 1e-5);
        assert_true(value <= best + 1e-4);
        problem_free(&p);
    }
}

/* Equal candidates come by lowest number, until all are out, with gains of zero after the first. */
static void test_equal(void **state)
{
    (void)state;
    enum { N = 40 };
    double zeros[N * 4] = {0};
    struct problem p = problem_new(1, N, 4, 10, false);
    column_free(p.column);
    p.column = column_new(zeros, N, 4, KERNEL_F32, 16, false);
    memset(p.values, 0, 10 * 4 * sizeof *p.values);
    memset(p.norm2, 0, 10 * sizeof *p.norm2);
    p.input.candidates.rows = &p.column->rows;
    uint32_t picks[N];
    double gains[N];
    assert_int_equal(greedy(&p, 2, N, picks, gains), N);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(picks[i], i);
        assert_true(i == 0 ? gains[i] > 0 : gains[i] <= 0);
    }
    problem_free(&p);
}

static void test_neighbors(void **state)
{
    (void)state;
    enum { N = 700, Q = 130 };
    struct problem p = problem_new(6, N, 33, Q, false);
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    float third[Q];
    struct kernel_subset set = {&p.column->rows, p.slots, N, NULL};
    assert_int_equal(kernel_neighbor_distance(team, &p.input.references, p.slots, &set, 3, third), KERNEL_OK);
    for (size_t q = 0; q < Q; q++) {
        size_t nearer = 0;
        for (size_t i = 0; i < N; i++) {
            double d2 = -log(similarity(&p, i, q)) * (double)p.input.scale;
            nearer += i != q && d2 < (double)third[q] * (1 - 1e-4);
            if (nearer > 2)
                break;
        }
        assert_int_equal(nearer, 2);
    }
    float cover[Q] = {0};
    const float scales[] = {p.input.scale, 4 * p.input.scale};
    float sums[2 * Q];
    set.count = 50;
    assert_int_equal(kernel_cover(team, &p.input.references, &set, p.input.scale, cover), KERNEL_OK);
    assert_int_equal(kernel_density(team, &p.input.references, &set, scales, 2, sums), KERNEL_OK);
    for (size_t q = 0; q < Q; q++) {
        double most = 0;
        double total = 0;
        double total_wide = 0;
        for (size_t i = 0; i < 50; i++) {
            most = fmax(most, similarity(&p, i, q));
            total += similarity(&p, i, q);
            total_wide += pow(similarity(&p, i, q), 0.25);
        }
        assert_true(fabs(most - (double)cover[q]) < 1e-4);
        assert_true(fabs(total - (double)sums[q]) < 1e-3);
        assert_true(fabs(total_wide - (double)sums[Q + q]) < 1e-3);
    }
    kernel_team_free(&team);
    problem_free(&p);
}

static void test_sort(void **state)
{
    (void)state;
    enum { N = 5000 };
    static double keys[N];
    static uint32_t order[N];
    for (size_t i = 0; i < N; i++)
        keys[i] = i % 3 == 0 ? (double)(i % 7) - 3 : 1e3 * normal(2, i);
    keys[5] = 0.0;
    keys[4] = -0.0;
    keys[9] = INFINITY;
    keys[8] = -INFINITY;
    assert_true(kernel_sort_falling(keys, N, order));
    for (size_t i = 1; i < N; i++) {
        double a = keys[order[i - 1]];
        double b = keys[order[i]];
        assert_true(a > b || (a >= b && order[i - 1] < order[i]));
    }
}

static void test_stop(void **state)
{
    (void)state;
    struct problem p = problem_new(2, 2000, 8, 100, false);
    unsigned left = 2; /* the caller asks once before the tiles and once more, whatever the other thread does */
    struct kernel_team *team = kernel_team_new(2, stop_after, &left);
    struct kernel_coverage *coverage = kernel_coverage_new(team, &p.input);
    assert_int_equal(kernel_coverage_begin(coverage), KERNEL_STOPPED);
    assert_true(kernel_team_stopped(team));
    kernel_coverage_free(&coverage);
    kernel_team_free(&team);
    problem_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_row),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_neighbors),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
