/* select_run's contract, and the strategies whose picks follow from a definition: chance, scores, utility, k-center. */
#include "test/unit/pool.h"

enum { N = 600, CLASSES = 6, WIDTH = 12 };

static struct select_policy policy_of(enum select_strategy strategy, int64_t budget, size_t count)
{
    struct select_policy policy = select_policy_default();
    policy.strategy = strategy;
    policy.budget = budget;
    policy.count = count;
    policy.threads = 2;
    return policy;
}

static struct select_result run(const struct pool *pool, const struct select_policy *policy)
{
    struct select_result result;
    struct select_error error = {0};
    enum select_status status = select_run(&pool->input, policy, &result, &error);
    if (status != SELECT_OK)
        print_message("%s: expected %s, got %s\n", error.field, error.expected, error.got);
    assert_int_equal(status, SELECT_OK);
    return result;
}

/* What holds for every result: distinct candidates, money and count kept, the cost added up. */
static void check_result(const struct pool *pool, const struct select_policy *policy, const struct select_result *result)
{
    bool seen[N] = {false};
    int64_t cost = 0;
    for (size_t i = 0; i < result->count + result->spare_count; i++) {
        const struct select_pick *pick = &result->picks[i];
        assert_true(pick->slot < N && !seen[pick->slot]);
        seen[pick->slot] = true;
        assert_int_equal(pool->state[pick->slot], SELECT_CANDIDATE);
        assert_true((pool->tags[pick->slot] & policy->tags_excluded) == 0);
        assert_int_equal(pick->price, pool->price[pick->slot]);
        assert_false(isnan(pick->gain) || isnan(pick->utility) || isinf(pick->utility));
        if (i < result->count)
            cost += pick->price * policy->overlap;
    }
    assert_int_equal(cost, result->cost);
    assert_true(cost <= policy->budget);
    assert_true(result->count <= policy->count);
    assert_true(result->spare_count <= policy->spares);
}

static const enum select_strategy all[] = {
    SELECT_AUTO, SELECT_RANDOM, SELECT_LEAST_CONFIDENCE, SELECT_MARGIN, SELECT_ENTROPY, SELECT_UTILITY, SELECT_KCENTER};

static double score(const struct pool *pool, enum select_strategy strategy, size_t i)
{
    const double *p = pool->probabilities->values + i * CLASSES;
    double first = 0, second = 0, entropy = 0;
    for (size_t c = 0; c < CLASSES; c++) {
        second = fmax(second, fmin(first, p[c]));
        first = fmax(first, p[c]);
        entropy -= p[c] > 0 ? p[c] * log(p[c]) : 0;
    }
    switch (strategy) {
    case SELECT_LEAST_CONFIDENCE:
        return 1 - first;
    case SELECT_MARGIN:
        return 1 - (first - second);
    case SELECT_ENTROPY:
        return entropy;
    default:
        return pool->utility->values[i];
    }
}

/* No candidate that was passed over beats a pick, at equal prices by score, at unequal ones by score per dollar. */
static void test_scores(void **state)
{
    (void)state;
    static const enum select_strategy ranked[] = {SELECT_LEAST_CONFIDENCE, SELECT_MARGIN, SELECT_ENTROPY, SELECT_UTILITY};
    for (int priced = 0; priced < 2; priced++) {
        struct pool *pool = pool_new(1, N, CLASSES, WIDTH);
        for (size_t i = 0; priced && i < N; i++)
            pool->price[i] = 10000 + (int64_t)(i % 9) * 20000;
        for (size_t s = 0; s < 4; s++) {
            struct select_policy policy = policy_of(ranked[s], INT64_MAX, 70);
            struct select_result result = run(pool, &policy);
            check_result(pool, &policy, &result);
            assert_int_equal(result.count, 70);
            bool picked[N] = {false};
            double least = HUGE_VAL;
            for (size_t i = 0; i < result.count; i++) {
                uint32_t slot = result.picks[i].slot;
                picked[slot] = true;
                double key = score(pool, ranked[s], slot) / ((double)pool->price[slot] / 1e6);
                assert_true(fabs(key - result.picks[i].utility) <= 1e-4 * (1 + fabs(key)));
                assert_true(key <= least + 1e-4);
                least = fmin(least, key);
            }
            for (size_t i = 0; i < N; i++) {
                if (!picked[i])
                    assert_true(score(pool, ranked[s], i) / ((double)pool->price[i] / 1e6) <= least + 1e-4 * fabs(least));
            }
            select_result_deinit(&result);
        }
        pool_free(pool);
    }
}

/* Every sample is drawn equally often, and as often as its recorded probability says. */
static void test_random_is_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 1000, TAKEN = 60 };
    struct pool *pool = pool_new(2, N, CLASSES, WIDTH);
    static double counts[N];
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        struct select_policy policy = policy_of(SELECT_RANDOM, TAKEN * 50000 + 7, SIZE_MAX);
        policy.seed = seed;
        policy.threads = 1;
        struct select_result result = run(pool, &policy);
        assert_int_equal(result.count, TAKEN);
        for (size_t i = 0; i < result.count; i++) {
            counts[result.picks[i].slot]++;
            assert_true(fabs(result.picks[i].probability - (double)TAKEN / N) < 1e-9);
        }
        select_result_deinit(&result);
    }
    double p = (double)TAKEN / N;
    double chi2 = 0;
    for (size_t i = 0; i < N; i++)
        chi2 += pow(counts[i] - DRAWS * p, 2) / (DRAWS * p * (1 - p));
    /* Mean N, deviation sqrt(2 N): four deviations. */
    assert_true(fabs(chi2 - N) < 4 * sqrt(2.0 * N));
    pool_free(pool);
}

/* With unequal prices the recorded probabilities match the frequencies, for random and for the control arm. */
static void test_probabilities(void **state)
{
    (void)state;
    enum { DRAWS = 2000 };
    struct pool *pool = pool_new(3, N, CLASSES, WIDTH);
    pool->input.embeddings = NULL;
    for (size_t i = 0; i < N; i++)
        pool->price[i] = i % 5 == 0 ? 250000 : 50000;
    for (int control = 0; control < 2; control++) {
        double taken[2] = {0};
        double stated[2] = {0};
        double spent = 0;
        for (uint64_t seed = 0; seed < DRAWS; seed++) {
            struct select_policy policy = policy_of(control ? SELECT_AUTO : SELECT_RANDOM, 4000000, SIZE_MAX);
            policy.seed = seed;
            policy.control_share = 0.25;
            policy.threads = 1;
            struct select_result result = run(pool, &policy);
            for (size_t i = 0; i < result.count; i++) {
                const struct select_pick *pick = &result.picks[i];
                if (control && pick->arm != SELECT_ARM_CONTROL)
                    continue;
                size_t dear = pick->price > 50000;
                taken[dear]++;
                stated[dear] = pick->probability;
                spent += (double)pick->price;
            }
            select_result_deinit(&result);
        }
        double often[2] = {taken[0] / DRAWS / (N * 0.8), taken[1] / DRAWS / (N * 0.2)};
        assert_true(fabs(often[0] - stated[0]) < 0.05 * often[0]);
        assert_true(fabs(often[1] - stated[1]) < 0.08 * often[1]);
        if (control)
            assert_true(fabs(spent / DRAWS - 1000000) < 20000);
    }
    pool_free(pool);
}

static void test_kcenter(void **state)
{
    (void)state;
    struct pool *pool = pool_new(4, N, CLASSES, WIDTH);
    for (size_t i = 0; i < 30; i++)
        pool->state[i * 3] = i % 2 ? SELECT_LABELED : SELECT_IN_FLIGHT;
    struct select_policy policy = policy_of(SELECT_KCENTER, INT64_MAX, 50);
    struct select_result result = run(pool, &policy);
    check_result(pool, &policy, &result);
    double bound[N];
    for (size_t i = 0; i < N; i++)
        bound[i] = HUGE_VAL;
    for (size_t step = 0; step < 30 + 50; step++) {
        size_t center = step * 3;
        if (step >= 30) {
            center = N;
            for (size_t i = 0; i < N; i++) {
                if (pool->state[i] == SELECT_CANDIDATE && (center == N || bound[i] > bound[center]))
                    center = i;
            }
            assert_int_equal(result.picks[step - 30].slot, center);
            assert_true(fabs(result.picks[step - 30].gain - sqrt(bound[center])) < 1e-4);
        }
        for (size_t i = 0; i < N; i++) {
            double d2 = 0;
            for (size_t j = 0; j < 12; j++)
                d2 += pow(pool->embeddings->values[i * 12 + j] - pool->embeddings->values[center * 12 + j], 2);
            bound[i] = fmin(bound[i], d2);
        }
    }
    select_result_deinit(&result);
    pool_free(pool);
}

static void test_constraints(void **state)
{
    (void)state;
    struct pool *pool = pool_new(5, N, CLASSES, WIDTH);
    for (size_t s = 0; s < sizeof all / sizeof *all; s++) {
        struct select_share shares[] = {{true, 2, 0.3, 1}, {false, 4, 0.4, 1}};
        struct select_policy policy = policy_of(all[s], 5000000, 90);
        policy.group_max = 1;
        policy.tags_excluded = 1;
        policy.overlap = 2;
        policy.spares = 12;
        policy.shares = shares;
        policy.share_count = 2;
        struct select_result result = run(pool, &policy);
        check_result(pool, &policy, &result);
        assert_int_equal(result.count, 50);
        assert_int_equal(result.spare_count, 12);
        size_t groups[N / 4 + 1] = {0};
        size_t of_class = 0;
        size_t of_tag = 0;
        for (size_t i = 0; i < result.count; i++) {
            assert_int_equal(++groups[pool->group[result.picks[i].slot]], 1);
            of_class += result.picks[i].predicted == 2;
            of_tag += (pool->tags[result.picks[i].slot] & 16) != 0;
        }
        assert_true(of_class >= 15);
        assert_true(of_tag >= 20);
        select_result_deinit(&result);
    }
    pool_free(pool);
}

static void test_edges(void **state)
{
    (void)state;
    struct pool *pool = pool_new(6, N, CLASSES, WIDTH);
    for (size_t s = 0; s < sizeof all / sizeof *all; s++) {
        struct select_policy policy = policy_of(all[s], INT64_MAX, SIZE_MAX);
        policy.duplicates = policy.junk = SELECT_FILTER_OFF;
        struct select_result result = run(pool, &policy);
        check_result(pool, &policy, &result);
        assert_int_equal(result.count, N);
        select_result_deinit(&result);

        policy.budget = 0;
        result = run(pool, &policy);
        assert_int_equal(result.count, 0);
        select_result_deinit(&result);

        for (size_t i = 0; i < N; i++)
            pool->price[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? INT64_MAX : INT64_MAX / 2;
        policy.budget = INT64_MAX;
        policy.overlap = 3;
        result = run(pool, &policy);
        check_result(pool, &policy, &result);
        assert_int_equal(result.count, N / 3);
        select_result_deinit(&result);
        policy.overlap = 1;
        policy.shares = &(struct select_share){false, 4, 0, 0.9}; /* of money, whose sum would overflow */
        policy.share_count = 1;
        result = run(pool, &policy);
        check_result(pool, &policy, &result);
        select_result_deinit(&result);
        policy.share_count = 0;
        for (size_t i = 0; i < N; i++)
            pool->price[i] = 50000;

        pool->input.n = 0;
        pool->probabilities->rows.count = pool->utility->rows.count = pool->embeddings->rows.count = 0;
        result = run(pool, &policy);
        assert_int_equal(result.count, 0);
        select_result_deinit(&result);
        pool->input.n = N;
        pool->probabilities->rows.count = pool->utility->rows.count = pool->embeddings->rows.count = N;
    }
    pool_free(pool);
}

/* Whatever the strategy, with embeddings of half the samples or of none. */
static void test_absent_embeddings(void **state)
{
    (void)state;
    struct pool *pool = pool_new(8, N, CLASSES, WIDTH);
    const void **blocks = calloc(N, sizeof *blocks);
    memcpy(blocks, pool->embeddings->rows.blocks, (N / pool->embeddings->rows.rows_per_block + 1) * sizeof *blocks);
    pool->embeddings->rows.blocks = blocks;
    for (size_t i = 0; i < N; i += 50) {
        pool->state[i] = SELECT_LABELED;
        pool->label[i] = (int32_t)(i % CLASSES);
    }
    for (int half = 1; half >= 0; half--) {
        size_t here = half ? 5 : 0;
        for (size_t b = here; b * pool->embeddings->rows.rows_per_block < N; b++)
            blocks[b] = NULL;
        for (int s = 0; s < SELECT_STRATEGIES; s++) {
            struct select_policy policy = policy_of((enum select_strategy)s, 2000000, SIZE_MAX);
            policy.spares = 3;
            struct select_result result;
            enum select_status status = select_run(&pool->input, &policy, &result, NULL);
            assert_true(status == SELECT_OK || status == SELECT_NEEDS_COLUMN);
            if (status != SELECT_OK)
                continue;
            check_result(pool, &policy, &result);
            assert_true(here == 0 || result.count == 40);
            select_result_deinit(&result);
        }
    }
    free(blocks);
    pool_free(pool);
}

static void test_threads(void **state)
{
    (void)state;
    struct pool *pool = pool_new(7, N, CLASSES, WIDTH);
    for (size_t i = 0; i < 80; i++) {
        pool->state[i * 2] = SELECT_LABELED;
        pool->label[i * 2] = (int32_t)(i % CLASSES);
    }
    for (size_t s = 0; s < sizeof all / sizeof *all; s++) {
        struct select_policy policy = policy_of(all[s], 3000000, SIZE_MAX);
        policy.threads = 1;
        struct select_result one = run(pool, &policy);
        for (unsigned threads = 2; threads <= 16; threads *= 8) {
            policy.threads = threads;
            struct select_result many = run(pool, &policy);
            assert_int_equal(one.count, many.count);
            for (size_t i = 0; i < one.count; i++) {
                assert_int_equal(one.picks[i].slot, many.picks[i].slot);
                assert_memory_equal(&one.picks[i].gain, &many.picks[i].gain, sizeof(double));
                assert_memory_equal(&one.picks[i].utility, &many.picks[i].utility, sizeof(double));
            }
            select_result_deinit(&many);
        }
        select_result_deinit(&one);
    }
    pool_free(pool);
}

static bool refuse(void *context, double done)
{
    assert_true(done >= 0 && done <= 1);
    return --*(int *)context < 0;
}

static void test_errors(void **state)
{
    (void)state;
    struct pool *pool = pool_new(8, N, CLASSES, WIDTH);
    struct select_result result;
    struct select_error error;
    struct select_policy policy = policy_of(SELECT_MARGIN, 1000000, 10);
    pool->input.probabilities = NULL;
    assert_int_equal(select_run(&pool->input, &policy, &result, &error), SELECT_NEEDS_COLUMN);
    assert_string_equal(error.field, "probabilities");
    pool->input.probabilities = &pool->probabilities->rows;
    policy.control_share = 2;
    assert_int_equal(select_run(&pool->input, &policy, &result, &error), SELECT_BAD_INPUT);
    assert_string_equal(error.field, "control_share");
    assert_string_equal(error.got, "2");
    policy = policy_of(SELECT_AUTO, -5, 10);
    assert_int_equal(select_run(&pool->input, &policy, &result, NULL), SELECT_BAD_INPUT);
    policy.budget = 5;
    pool->price[17] = -1;
    assert_int_equal(select_run(&pool->input, &policy, &result, &error), SELECT_BAD_INPUT);
    assert_string_equal(error.got, "-1 at 17");
    pool->price[17] = 1;
    for (int polls = 0; polls < 6; polls++) {
        int left = polls;
        policy = policy_of(polls % 2 ? SELECT_AUTO : SELECT_KCENTER, INT64_MAX, 100);
        policy.progress = refuse;
        policy.progress_context = &left;
        assert_int_equal(select_run(&pool->input, &policy, &result, &error), SELECT_CANCELED);
    }
    pool_free(pool);
}

static void test_names(void **state)
{
    (void)state;
    for (int s = 0; s < SELECT_STRATEGIES; s++) {
        enum select_strategy back = SELECT_STRATEGIES;
        const char *name = select_strategy_name((enum select_strategy)s);
        assert_true(select_strategy_parse(name, strlen(name), &back));
        assert_int_equal(back, s);
    }
    enum select_strategy none;
    assert_false(select_strategy_parse("autos", 5, &none));
    assert_false(select_strategy_parse("auto", 3, &none));
    assert_string_equal(select_arm_name(SELECT_ARM_CONTROL), "control");
    assert_true(strlen(select_kernels_name()) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_random_is_uniform),
        cmocka_unit_test(test_probabilities),
        cmocka_unit_test(test_kcenter),
        cmocka_unit_test(test_constraints),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_absent_embeddings),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
