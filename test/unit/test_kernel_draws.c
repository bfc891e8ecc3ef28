/* Draws, independent labels and orders against their definitions, for every processor path, with rows that are not there. */
#include "selector/kernel/cpu.h"
#include "selector/kernel/draws.h"
#include "selector/kernel/multi_label.h"
#include "selector/kernel/sort.h"
#include "test/unit/columns.h"

enum { ROWS = 97, DRAWS = 5, WIDTH_MAX = 60, ORDERED = 20000 };

/* What is at hand: as the processor is, without AVX-512, plain. */
enum { PATHS = 3 };

static void use_path(int path)
{
    if (path == 1)
        kernel_cpu_avx512_off(true);
    else
        kernel_cpu_plain(path == 2);
}

static double plogp(double p)
{
    return p > 0 ? -p * log(p) : 0;
}

struct outputs {
    float information[ROWS];
    float vote_entropy[ROWS];
    float variation[ROWS];
    float first[ROWS];
    int32_t predicted[ROWS];
};

/* Row i from the draws that have it. */
static void check_row(struct column *const *columns, size_t classes, const struct outputs *out, size_t i)
{
    double mean[WIDTH_MAX] = {0};
    double votes[WIDTH_MAX] = {0};
    double members = 0;
    double entropy = 0;
    for (size_t d = 0; d < DRAWS; d++) {
        if (!columns[d]->here[i])
            continue;
        const double *p = columns[d]->values + i * classes;
        size_t most = 0;
        members++;
        for (size_t c = 0; c < classes; c++) {
            mean[c] += p[c];
            entropy += plogp(p[c]);
            most = p[c] > p[most] ? c : most;
        }
        votes[most]++;
    }
    if (!(members > 0)) {
        assert_int_equal(out->predicted[i], -1);
        assert_true(out->information[i] <= 0 && out->vote_entropy[i] <= 0 && out->variation[i] <= 0 && out->first[i] <= 0);
        return;
    }
    double of_mean = 0, of_votes = 0, commonest = 0, first = 0;
    for (size_t c = 0; c < classes; c++) {
        of_mean += plogp(mean[c] / members);
        of_votes += plogp(votes[c] / members);
        commonest = fmax(commonest, votes[c] / members);
        first = fmax(first, mean[c] / members);
    }
    assert_true(fabs((double)out->information[i] - (of_mean - entropy / members)) < 1e-5);
    assert_true(fabs((double)out->vote_entropy[i] - of_votes) < 1e-6);
    assert_true(fabs((double)out->variation[i] - (1 - commonest)) < 1e-6);
    assert_true(fabs((double)out->first[i] - first) < 1e-6);
}

static void check_draws(size_t classes, enum kernel_dtype dtype)
{
    struct column *columns[DRAWS];
    struct kernel_rows views[DRAWS];
    for (size_t d = 0; d < DRAWS; d++) {
        double *values = softmax_rows(d, ROWS, classes, 2);
        columns[d] = column_new(values, ROWS, classes, dtype, d == 3 ? ROWS : 16, d % 2 == 0);
        views[d] = columns[d]->rows;
        free(values);
    }
    static struct outputs out, alone;
    struct kernel_draw_scores scores = {out.information, out.vote_entropy, out.variation, out.first, NULL, out.predicted, NULL};
    struct kernel_draw_scores scores_alone = {
        alone.information, alone.vote_entropy, alone.variation, alone.first, NULL, alone.predicted, NULL};
    struct kernel_team *two = kernel_team_new(2, NULL, NULL);
    struct kernel_team *one = kernel_team_new(1, NULL, NULL);
    for (int path = 0; path < PATHS; path++) {
        use_path(path);
        assert_int_equal(kernel_draws(two, views, DRAWS, &scores), KERNEL_OK);
        assert_int_equal(kernel_draws(one, views, DRAWS, &scores_alone), KERNEL_OK);
        kernel_cpu_plain(false);
        assert_memory_equal(&out, &alone, sizeof out);
        for (size_t i = 0; i < ROWS; i++)
            check_row(columns, classes, &out, i);
    }
    kernel_team_free(&two);
    kernel_team_free(&one);
    for (size_t d = 0; d < DRAWS; d++)
        column_free(columns[d]);
}

static void test_draws(void **state)
{
    (void)state;
    static const size_t classes[] = {1, 2, 7, 8, 10, 33, WIDTH_MAX};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        check_draws(classes[i], KERNEL_F32);
        check_draws(classes[i], KERNEL_F16);
    }
}

static void check_labels(const struct column *column, enum kernel_aggregate aggregate, double temperature)
{
    static float first[ROWS], second[ROWS], entropy[ROWS];
    static int32_t predicted[ROWS];
    struct kernel_scores out = {first, second, predicted, entropy};
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    size_t classes = column->rows.width;
    assert_int_equal(kernel_scores_multi_label(team, &column->rows, temperature, aggregate, &out), KERNEL_OK);
    for (size_t i = 0; i < ROWS; i++) {
        double most[2] = {0};
        double sum[2] = {0};
        for (size_t c = 0; c < classes && column->here[i]; c++) {
            double p = column->values[i * classes + c];
            double yes = pow(p, 1 / temperature), no = pow(1 - p, 1 / temperature);
            p = yes / (yes + no);
            double scores[2] = {fmin(p, 1 - p), plogp(p) + plogp(1 - p)};
            for (size_t s = 0; s < 2; s++) {
                most[s] = fmax(most[s], scores[s]);
                sum[s] += scores[s];
            }
        }
        const double *expected = aggregate == KERNEL_AGGREGATE_MAX ? most : sum;
        double scale = aggregate == KERNEL_AGGREGATE_MEAN ? 1 / (double)classes : 1;
        assert_true(fabs((double)second[i] - scale * expected[0]) < 2e-6 * (double)classes);
        assert_true(fabs((double)entropy[i] - scale * expected[1]) < 2e-6 * (double)classes);
        assert_true(fabs((double)first[i] - (column->here[i] ? 1 - scale * expected[0] : 0)) < 2e-6 * (double)classes);
        assert_int_equal(predicted[i] < 0, !column->here[i]);
    }
    kernel_team_free(&team);
}

static void test_labels(void **state)
{
    (void)state;
    static const size_t classes[] = {1, 7, 8, 30};
    for (size_t w = 0; w < 4; w++) {
        double *values = softmax_rows(w, ROWS, classes[w], 4);
        for (int dtype = KERNEL_F32; dtype <= KERNEL_F16; dtype++) {
            struct column *column = column_new(values, ROWS, classes[w], (enum kernel_dtype)dtype, 16, true);
            for (int path = 0; path < PATHS; path++) {
                use_path(path);
                for (int aggregate = KERNEL_AGGREGATE_MAX; aggregate <= KERNEL_AGGREGATE_SUM; aggregate++) {
                    check_labels(column, (enum kernel_aggregate)aggregate, 1);
                    check_labels(column, (enum kernel_aggregate)aggregate, 3);
                }
                kernel_cpu_plain(false);
            }
            column_free(column);
        }
        free(values);
    }
}

/* Found piece by piece, an order is that of the whole sort. */
static void check_order(const double *keys, size_t count)
{
    uint32_t *whole = calloc(count + 1, sizeof *whole);
    struct kernel_order order;
    assert_true(kernel_sort_falling(keys, count, whole));
    assert_true(kernel_order_init(&order, keys, count));
    for (size_t end = 0; end <= count; end += end / 2 + 1) {
        assert_true(kernel_order_extend(&order, end));
        assert_true(order.ready >= end);
        assert_memory_equal(order.items, whole, order.ready * sizeof *whole);
    }
    assert_true(kernel_order_extend(&order, count));
    assert_memory_equal(order.items, whole, count * sizeof *whole);
    kernel_order_deinit(&order);
    free(whole);
}

static void test_orders(void **state)
{
    (void)state;
    static double keys[ORDERED];
    for (int kind = 0; kind < 7; kind++) {
        for (size_t i = 0; i < ORDERED; i++) {
            double u = uniform(9, i);
            double kinds[] = {u, floor(8 * u), normal(9, i) * 1e300, 1, -exp(200 * u), u < 0.5 ? -0.0 : 0.0, u * 1e-310};
            keys[i] = kinds[kind];
        }
        if (kind == 2)
            keys[5] = -1.7e308;
        check_order(keys, ORDERED);
        check_order(keys, 1);
        check_order(keys, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
