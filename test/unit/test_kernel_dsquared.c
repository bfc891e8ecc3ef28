/* D^2 sampling and the determinantal process beneath the strategies: sums to draw by, and the same picks however they run. */
#include "selector/kernel/cpu.h"
#include "selector/kernel/dpp.h"
#include "selector/kernel/dsquared.h"
#include "selector/kernel/sums.h"
#include "test/unit/columns.h"

static void test_sums_find_by_share(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 63, 64, 65, 4096, 4097, 300000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        size_t count = counts[c];
        struct kernel_sums sums;
        assert_true(kernel_sums_init(&sums, count));
        assert_true(kernel_sums_total(&sums) <= 0);
        /* Whole numbers, so that every sum is exact; two in three are 0. */
        for (size_t i = 0; i < count; i++)
            sums.level[0][i] = i % 3 == 0 ? (double)(i % 7 + 1) : 0;
        kernel_sums_build(&sums);
        kernel_sums_set(&sums, count - 1, 5);
        kernel_sums_set(&sums, 0, count > 1 ? 0 : 5);
        double total = 0;
        for (size_t i = 0; i < count; i++)
            total += sums.level[0][i];
        assert_true(kernel_sums_total(&sums) >= total && kernel_sums_total(&sums) <= total);
        double before = 0;
        for (size_t i = 0; i < count; i++) {
            double number = sums.level[0][i];
            if (number > 0) {
                assert_int_equal(kernel_sums_find(&sums, (before + 0.25) / total), i);
                assert_int_equal(kernel_sums_find(&sums, (before + number - 0.25) / total), i);
            }
            before += number;
        }
        assert_int_equal(kernel_sums_find(&sums, 1), count - 1);
        kernel_sums_deinit(&sums);
    }
}

/* Rounding leaves nothing behind: what was set to 0 is never found, and all zeros sum to 0. */
static void test_sums_do_not_drift(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    struct kernel_sums sums;
    assert_true(kernel_sums_init(&sums, COUNT));
    for (size_t i = 0; i < COUNT; i++)
        sums.level[0][i] = uniform(1, i) * pow(10, 20 * uniform(2, i) - 10);
    kernel_sums_build(&sums);
    for (size_t i = 0; i < COUNT; i++) {
        for (int share = 0; share <= 4; share++)
            assert_true(kernel_sums_find(&sums, share / 4.0) >= i);
        kernel_sums_set(&sums, i, 0);
    }
    assert_true(kernel_sums_total(&sums) <= 0);
    kernel_sums_deinit(&sums);
}

enum { PICKS = 150 };

static void draw(const struct column *column, const struct column *probabilities, unsigned threads, uint32_t *picks)
{
    uint32_t *slots = all_slots(column->rows.count);
    struct kernel_residual residual = {probabilities != NULL ? &probabilities->rows : NULL, false};
    struct kernel_dsquared_input input = {
        .rows = &column->rows,
        .residual = probabilities != NULL ? &residual : NULL,
        .slots = slots,
        .count = column->rows.count,
        .first = probabilities != NULL ? KERNEL_FIRST_LONGEST : KERNEL_FIRST_UNIFORM,
        .seed = 5,
        .stream = 3,
    };
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    struct kernel_dsquared *dsquared = kernel_dsquared_new(team, &input);
    kernel_dsquared_rewind(dsquared, NULL, NULL);
    for (size_t i = 0; i < PICKS; i++) {
        double distance2;
        assert_int_equal(kernel_dsquared_next(dsquared, NULL, NULL, &picks[i], &distance2), KERNEL_OK);
        assert_true(isfinite(distance2) && (i == 0 || distance2 > 0));
        assert_int_equal(kernel_dsquared_take(dsquared, picks[i]), KERNEL_OK);
    }
    kernel_dsquared_free(&dsquared);
    kernel_team_free(&team);
    free(slots);
}

static void choose(const struct column *column, const struct column *unused, unsigned threads, uint32_t *picks)
{
    (void)unused;
    size_t count = column->rows.count;
    uint32_t *slots = all_slots(count);
    double *quality = malloc(count * sizeof *quality);
    for (size_t i = 0; i < count; i++)
        quality[i] = uniform(8, i);
    struct kernel_dpp_input input = {&column->rows, slots, count, quality, 20};
    struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
    struct kernel_dpp *dpp = kernel_dpp_new(team, &input);
    assert_int_equal(kernel_dpp_add(dpp, 7), KERNEL_OK);
    assert_int_equal(kernel_dpp_add(dpp, 7), KERNEL_OK); /* adds nothing */
    kernel_dpp_rewind(dpp, NULL, NULL);
    for (size_t i = 0; i < PICKS; i++) {
        double gain;
        assert_int_equal(kernel_dpp_next(dpp, NULL, NULL, &picks[i], &gain), KERNEL_OK);
        assert_int_equal(kernel_dpp_take(dpp, picks[i]), KERNEL_OK);
    }
    kernel_dpp_free(&dpp);
    kernel_team_free(&team);
    free(slots);
    free(quality);
}

typedef void picker(const struct column *column, const struct column *probabilities, unsigned threads, uint32_t *picks);

static void compare(picker *pick, const struct column *column, const struct column *probabilities)
{
    uint32_t expected[PICKS];
    uint32_t picks[PICKS];
    pick(column, probabilities, 1, expected);
    for (unsigned threads = 2; threads <= 16; threads *= 8) {
        pick(column, probabilities, threads, picks);
        assert_memory_equal(picks, expected, sizeof picks);
    }
    kernel_cpu_plain(true);
    pick(column, probabilities, 1, picks);
    kernel_cpu_plain(false);
    assert_memory_equal(picks, expected, sizeof picks);
}

/* The last width is projected. */
static void test_threads_and_instructions_do_not_show(void **state)
{
    (void)state;
    enum { COUNT = 1200, CLASSES = 7 };
    static const size_t widths[] = {3, 40, 300};
    double *values = malloc((size_t)COUNT * CLASSES * sizeof *values);
    for (size_t i = 0; i < (size_t)COUNT * CLASSES; i++)
        values[i] = uniform(4, i) / CLASSES;
    struct column *probabilities = column_new(values, COUNT, CLASSES, KERNEL_F16, 100, false);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        struct column *column = column_clusters(w, COUNT, widths[w], 12, 0.3);
        compare(draw, column, NULL);
        compare(draw, column, probabilities);
        compare(choose, column, NULL);
        column_free(column);
    }
    column_free(probabilities);
    free(values);
}

static bool every_third(void *context, uint32_t index)
{
    (void)context;
    return index % 3 == 0;
}

/* What is refused stays out until a rewind lets it in; each comes once; then there is no more. */
static void test_accept_and_rewind(void **state)
{
    (void)state;
    enum { COUNT = 90 };
    struct column *column = column_clusters(6, COUNT, 5, 4, 0.3);
    uint32_t *slots = all_slots(COUNT);
    struct kernel_dsquared_input input = {.rows = &column->rows, .slots = slots, .count = COUNT};
    struct kernel_team *team = kernel_team_new(2, NULL, NULL);
    struct kernel_dsquared *dsquared = kernel_dsquared_new(team, &input);
    bool taken[COUNT] = {false};
    uint32_t index;
    double distance2;
    for (size_t pass = 0; pass < 2; pass++) {
        kernel_accept_fn *accept = pass == 0 ? every_third : NULL;
        kernel_dsquared_rewind(dsquared, accept, NULL);
        for (size_t i = 0; i < (pass == 0 ? COUNT / 3 : COUNT - COUNT / 3); i++) {
            assert_int_equal(kernel_dsquared_next(dsquared, accept, NULL, &index, &distance2), KERNEL_OK);
            assert_true(!taken[index] && (pass == 1 || index % 3 == 0));
            taken[index] = true;
            assert_int_equal(kernel_dsquared_take(dsquared, index), KERNEL_OK);
        }
        assert_int_equal(kernel_dsquared_next(dsquared, accept, NULL, &index, &distance2), KERNEL_END);
    }
    kernel_dsquared_free(&dsquared);
    kernel_team_free(&team);
    column_free(column);
    free(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_find_by_share),
        cmocka_unit_test(test_sums_do_not_drift),
        cmocka_unit_test(test_threads_and_instructions_do_not_show),
        cmocka_unit_test(test_accept_and_rewind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
