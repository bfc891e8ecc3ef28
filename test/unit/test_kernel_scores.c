/* Scores of class probabilities against their definitions, over every dtype, width and block layout. */
#include "selector/kernel/cpu.h"
#include "selector/kernel/scores.h"
#include "test/unit/columns.h"

enum { ROWS = 301 };

struct outputs {
    float first[ROWS];
    float second[ROWS];
    int32_t predicted[ROWS];
    float entropy[ROWS];
};

static struct kernel_scores views(struct outputs *out)
{
    return (struct kernel_scores){out->first, out->second, out->predicted, out->entropy};
}

struct expected {
    double first;
    double second;
    double entropy;
    int32_t predicted;
};

/* By sorting in the mind: the largest, its first place, the largest of the others. */
static struct expected reference(const double *p, size_t classes, double temperature)
{
    double *q = calloc(classes, sizeof *q);
    double sum = 0;
    for (size_t c = 0; c < classes; c++)
        sum += q[c] = p[c] > 0 ? pow(p[c], 1 / temperature) : 0;
    struct expected e = {.predicted = 0};
    bool tempered = fabs(temperature - 1) > 0;
    for (size_t c = 0; c < classes; c++) {
        q[c] = tempered && sum > 0 ? q[c] / sum : p[c];
        e.entropy -= q[c] > 0 ? q[c] * log(q[c]) : 0;
        if (q[c] > q[e.predicted])
            e.predicted = (int32_t)c;
    }
    e.first = q[e.predicted];
    for (size_t c = 0; c < classes; c++)
        e.second = c != (size_t)e.predicted && q[c] > e.second ? q[c] : e.second;
    free(q);
    return e;
}

static void check(const struct column *column, double temperature, double tolerance)
{
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    static struct outputs out;
    struct kernel_scores scores = views(&out);
    size_t classes = column->rows.width;
    assert_int_equal(kernel_scores_dense(team, &column->rows, temperature, &scores), KERNEL_OK);
    for (size_t i = 0; i < column->rows.count; i++) {
        if (!column->here[i]) {
            assert_int_equal(out.predicted[i], -1);
            assert_true(out.first[i] <= 0 && out.second[i] <= 0 && out.entropy[i] <= 0);
            continue;
        }
        struct expected e = reference(column->values + i * classes, classes, temperature);
        assert_true(fabs((double)out.first[i] - e.first) <= tolerance);
        assert_true(fabs((double)out.second[i] - e.second) <= tolerance);
        assert_true(fabs((double)out.entropy[i] - e.entropy) <= 1e-5);
        if (temperature <= 1)
            assert_int_equal(out.predicted[i], e.predicted);
    }
    kernel_team_free(&team);
}

static void test_dense(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 2, 3, 7, 8, 10, 15, 16, 17, 31, 100, 1000};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        double *values = softmax_rows(w, ROWS, widths[w], 1 + (double)(w % 4) * 2);
        static const size_t blocks[] = {1, 7, 64, ROWS};
        for (size_t b = 0; b < 4; b++) {
            for (int dtype = KERNEL_F32; dtype <= KERNEL_F16; dtype++) {
                struct column *column = column_new(values, ROWS, widths[w], (enum kernel_dtype)dtype, blocks[b], b % 2 == 1);
                check(column, 1, 1e-7);
                check(column, 2.5, 2e-5);
                column_free(column);
            }
        }
        free(values);
    }
}

/* Ties, certainty, all zero, tiny numbers: the lowest class wins a tie and nothing is NaN. */
static void test_adversarial(void **state)
{
    (void)state;
    double values[7 * 20] = {0};
    for (size_t c = 0; c < 20; c++) {
        values[0 * 20 + c] = 0.05;
        values[1 * 20 + c] = c == 19;
        values[2 * 20 + c] = 0;
        values[3 * 20 + c] = c == 7 || c == 12 ? 0.5 : 0;
        values[4 * 20 + c] = c == 3 ? 1 : 1e-7;
        values[5 * 20 + c] = c == 0 || c == 8 ? 0.5 : 0;
        values[6 * 20 + c] = c == 4 ? 1 : 0x1p-140;
    }
    for (int dtype = KERNEL_F32; dtype <= KERNEL_F16; dtype++) {
        struct column *column = column_new(values, 7, 20, (enum kernel_dtype)dtype, 4, false);
        check(column, 1, 0);
        check(column, 4, 1e-5);
        column_free(column);
    }
}

/* Entropies that are asked for alone are the same bits. */
static void check_alone(struct kernel_team *team, const struct column *column, double temperature, const struct outputs *all)
{
    static float entropy[ROWS];
    struct kernel_scores alone = {.entropy = entropy};
    assert_int_equal(kernel_scores_dense(team, &column->rows, temperature, &alone), KERNEL_OK);
    assert_memory_equal(entropy, all->entropy, sizeof entropy);
}

/* All but the entropy is the same bit for bit; of the entropy the definition is met, whatever computes it. */
static void check_variants(double temperature, size_t width)
{
    double *values = softmax_rows(5, ROWS, width, 3);
    static struct outputs plain, narrow, wide;
    struct kernel_scores a = views(&plain), b = views(&narrow), c = views(&wide);
    struct kernel_team *team = kernel_team_new(1, NULL, NULL);
    for (int dtype = KERNEL_F32; dtype <= KERNEL_F16; dtype++) {
        struct column *column = column_new(values, ROWS, width, (enum kernel_dtype)dtype, 64, true);
        kernel_cpu_plain(true);
        kernel_scores_dense(team, &column->rows, temperature, &a);
        check_alone(team, column, temperature, &plain);
        check(column, 1, 1e-7);
        kernel_cpu_plain(false);
        kernel_cpu_avx512_off(true);
        kernel_scores_dense(team, &column->rows, temperature, &b);
        check_alone(team, column, temperature, &narrow);
        check(column, 1, 1e-7);
        kernel_cpu_avx512_off(false);
        kernel_scores_dense(team, &column->rows, temperature, &c);
        check_alone(team, column, temperature, &wide);
        assert_memory_equal(&plain, &narrow, offsetof(struct outputs, entropy));
        assert_memory_equal(&plain, &wide, offsetof(struct outputs, entropy));
        column_free(column);
    }
    kernel_team_free(&team);
    free(values);
}

static void test_variants_agree(void **state)
{
    (void)state;
    for (size_t width = 1; width <= 70; width++) {
        check_variants(1.7, width);
        check_variants(1, width);
    }
}

/* Equal rows have equal entropies wherever they lie, and a certain one has none at all. */
static void test_entropy_of_equals(void **state)
{
    (void)state;
    static const size_t widths[] = {2, 10, 37, 100};
    for (size_t w = 0; w < 4; w++) {
        double *values = softmax_rows(3, ROWS, widths[w], 3);
        for (size_t i = 1; i < ROWS; i++)
            memcpy(values + i * widths[w], values, widths[w] * sizeof *values);
        for (size_t c = 0; c < widths[w]; c++)
            values[(ROWS - 1) * widths[w] + c] = c == 1;
        struct column *column = column_new(values, ROWS, widths[w], KERNEL_F32, 23, true);
        struct kernel_team *team = kernel_team_new(1, NULL, NULL);
        static struct outputs out;
        struct kernel_scores scores = views(&out);
        for (int path = 0; path < 3; path++) {
            if (path == 1)
                kernel_cpu_avx512_off(true);
            else
                kernel_cpu_plain(path == 2);
            kernel_scores_dense(team, &column->rows, 1, &scores);
            kernel_cpu_plain(false);
            size_t first = 0;
            while (!column->here[first])
                first++;
            for (size_t i = first; i < ROWS - 1; i++)
                if (column->here[i])
                    assert_memory_equal(&out.entropy[i], &out.entropy[first], sizeof out.entropy[i]);
            assert_true(out.entropy[ROWS - 1] < 1e-30F);
        }
        kernel_team_free(&team);
        column_free(column);
        free(values);
    }
}

static void test_topk(void **state)
{
    (void)state;
    enum { K = 3, CLASSES = 20 };
    double *dense = softmax_rows(8, ROWS, CLASSES, 2);
    double *top = calloc(ROWS * K, sizeof *top);
    uint16_t *classes = calloc(ROWS * K, sizeof *classes);
    double *spread = calloc(ROWS * CLASSES, sizeof *spread);
    for (size_t i = 0; i < ROWS; i++) {
        bool used[CLASSES] = {false};
        double rest = 1;
        for (size_t k = 0; k < K; k++) {
            size_t best = CLASSES;
            for (size_t c = 0; c < CLASSES; c++) {
                if (!used[c] && (best == CLASSES || dense[i * CLASSES + c] > dense[i * CLASSES + best]))
                    best = c;
            }
            used[best] = true;
            classes[i * K + k] = (uint16_t)best;
            spread[i * CLASSES + best] = top[i * K + k] = (double)(float)dense[i * CLASSES + best];
            rest -= top[i * K + k];
        }
        for (size_t c = 0; c < CLASSES; c++)
            spread[i * CLASSES + c] = used[c] ? spread[i * CLASSES + c] : rest / (CLASSES - K);
    }
    struct column *column = column_new(top, ROWS, K, KERNEL_F32, ROWS, false);
    const void *blocks[1] = {classes};
    struct kernel_topk topk = {column->rows, blocks, K * sizeof *classes};
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    static struct outputs out;
    struct kernel_scores scores = views(&out);
    for (int t = 1; t <= 3; t++) {
        assert_int_equal(kernel_scores_topk(team, &topk, CLASSES, t, &scores), KERNEL_OK);
        for (size_t i = 0; i < ROWS; i++) {
            struct expected e = reference(spread + i * CLASSES, CLASSES, t);
            assert_int_equal(out.predicted[i], classes[i * K]);
            assert_true(fabs((double)out.first[i] - e.first) <= 1e-5);
            assert_true(fabs((double)out.second[i] - e.second) <= 1e-5);
            assert_true(fabs((double)out.entropy[i] - e.entropy) <= 1e-4);
        }
    }
    kernel_team_free(&team);
    column_free(column);
    free(dense);
    free(top);
    free(classes);
    free(spread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_adversarial),
        cmocka_unit_test(test_variants_agree),
        cmocka_unit_test(test_entropy_of_equals),
        cmocka_unit_test(test_topk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
