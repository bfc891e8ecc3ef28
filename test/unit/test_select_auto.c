/* The default strategy: what it must do with duplicates, outliers, refusals, prices, weights, and columns that are not there.
 */
#include "selector/strategy/select.h"
#include "test/unit/columns.h"

enum { N = 900, WIDTH = 8, CLASSES = 4 };

/* Four clusters of 225 with labels to come by cluster; a test changes what it needs. */
struct pool {
    struct select_input input;
    uint8_t state[N];
    int32_t label[N];
    int64_t price[N];
    uint32_t group[N];
    uint64_t tags[N];
    double values[N * WIDTH];
    double probability[N * CLASSES];
    struct column *embeddings;
    struct column *probabilities;
    struct select_policy policy;
};

static size_t cluster(size_t i)
{
    return i % CLASSES;
}

static struct pool *pool_new(uint64_t seed)
{
    struct pool *pool = calloc(1, sizeof *pool);
    for (size_t i = 0; i < N; i++) {
        pool->label[i] = -1;
        pool->price[i] = 50000;
        for (size_t j = 0; j < WIDTH; j++)
            pool->values[i * WIDTH + j] = 6 * (double)(j == cluster(i)) + normal(seed, i * WIDTH + j);
        for (size_t c = 0; c < CLASSES; c++)
            pool->probability[i * CLASSES + c] = c == cluster(i) ? 0.7 : 0.1;
    }
    pool->policy = select_policy_default();
    pool->policy.threads = 1;
    pool->policy.control_share = 0;
    return pool;
}

static struct select_result run(struct pool *pool)
{
    if (pool->embeddings == NULL)
        pool->embeddings = column_new(pool->values, N, WIDTH, KERNEL_F32, 128, false);
    if (pool->probabilities == NULL)
        pool->probabilities = column_new(pool->probability, N, CLASSES, KERNEL_F32, 128, false);
    pool->input = (struct select_input){
        .n = N,
        .classes = CLASSES,
        .state = pool->state,
        .label = pool->label,
        .price = pool->price,
        .group = pool->group,
        .tags = pool->tags,
        .probabilities = &pool->probabilities->rows,
        .embeddings = &pool->embeddings->rows,
    };
    struct select_result result;
    assert_int_equal(select_run(&pool->input, &pool->policy, &result, NULL), SELECT_OK);
    int64_t cost = 0;
    for (size_t i = 0; i < result.count; i++)
        cost += result.picks[i].price * pool->policy.overlap;
    assert_int_equal(cost, result.cost);
    assert_true(cost <= pool->policy.budget);
    return result;
}

static void pool_free(struct pool *pool)
{
    if (pool->embeddings != NULL)
        column_free(pool->embeddings);
    if (pool->probabilities != NULL)
        column_free(pool->probabilities);
    free(pool);
}

static void copy_row(struct pool *pool, size_t from, size_t to, double noise)
{
    for (size_t j = 0; j < WIDTH; j++)
        pool->values[to * WIDTH + j] = pool->values[from * WIDTH + j] + noise * normal(77, to * WIDTH + j);
}

/* The first four picks stand in the four clusters, and gains fall. */
static void test_covers(void **state)
{
    (void)state;
    struct pool *pool = pool_new(1);
    pool->policy.count = 40;
    struct select_result result = run(pool);
    assert_int_equal(result.count, 40);
    bool met[CLASSES] = {false};
    for (size_t i = 0; i < CLASSES; i++)
        met[cluster(result.picks[i].slot)] = true;
    for (size_t c = 0; c < CLASSES; c++)
        assert_true(met[c]);
    for (size_t i = 1; i < result.count; i++)
        assert_true(result.picks[i].gain <= result.picks[i - 1].gain);
    assert_true(result.stats.radius > 0);
    assert_int_equal(result.stats.references, N);
    select_result_deinit(&result);
    pool_free(pool);
}

/* Where one cluster is labelled and another in flight, the first picks go to the two that are neither. */
static void test_known_is_covered(void **state)
{
    (void)state;
    struct pool *pool = pool_new(2);
    for (size_t i = 0; i < 600; i++) {
        if (cluster(i) == 0) {
            pool->state[i] = SELECT_LABELED;
            pool->label[i] = 0;
        } else if (cluster(i) == 1) {
            pool->state[i] = SELECT_IN_FLIGHT;
        }
    }
    pool->policy.count = 10;
    struct select_result result = run(pool);
    size_t fresh = 0;
    for (size_t i = 0; i < result.count; i++)
        fresh += cluster(result.picks[i].slot) >= 2;
    assert_true(fresh >= 9);
    select_result_deinit(&result);
    pool_free(pool);
}

/* No two picks are near-duplicates, nor is a pick one of a labelled sample, unless that is asked for. */
static void test_duplicates(void **state)
{
    (void)state;
    struct pool *pool = pool_new(3);
    for (size_t i = 0; i < 300; i++)
        copy_row(pool, i % 20, 300 + i, 0.001);
    for (size_t i = 0; i < 5; i++) {
        pool->state[i] = SELECT_LABELED;
        pool->label[i] = (int32_t)cluster(i);
    }
    struct select_result result = run(pool);
    size_t of_source[20] = {1, 1, 1, 1, 1};
    for (size_t i = 0; i < result.count; i++) {
        uint32_t slot = result.picks[i].slot;
        if (slot < 20)
            assert_int_equal(++of_source[slot], 1);
        else if (slot >= 300 && slot < 600)
            assert_int_equal(++of_source[(slot - 300) % 20], 1);
    }
    assert_true(result.stats.duplicates_out >= 285);
    select_result_deinit(&result);
    pool->policy.duplicates = SELECT_FILTER_OFF;
    result = run(pool);
    assert_int_equal(result.stats.duplicates_out, 0);
    assert_true(result.count > 850);
    select_result_deinit(&result);
    pool_free(pool);
}

/* Samples far from everything are not bought, unless that is asked for. */
static void test_junk(void **state)
{
    (void)state;
    struct pool *pool = pool_new(4);
    for (size_t i = 0; i < 30; i++) {
        for (size_t j = 0; j < WIDTH; j++)
            pool->values[i * WIDTH + j] = 300 * normal(5, i * WIDTH + j);
    }
    pool->policy.count = 300;
    struct select_result result = run(pool);
    assert_int_equal(result.count, 300);
    for (size_t i = 0; i < result.count; i++)
        assert_true(result.picks[i].slot >= 30);
    assert_true(result.stats.junk_out >= 30 && result.stats.junk_out < 90);
    select_result_deinit(&result);
    pool->policy.junk = SELECT_FILTER_OFF;
    pool->policy.count = SIZE_MAX;
    result = run(pool);
    assert_int_equal(result.stats.junk_out, 0);
    select_result_deinit(&result);
    pool_free(pool);
}

/* Refusals in one cluster move the money to the others; one refusal among many answers does not silence a cluster. */
static void test_refusals(void **state)
{
    (void)state;
    for (int silence = 0; silence < 2; silence++) {
        struct pool *pool = pool_new(6);
        size_t refused = 0;
        for (size_t i = 0; i < 200; i++) {
            pool->state[i] = SELECT_LABELED;
            pool->label[i] = (int32_t)cluster(i);
            if (cluster(i) == 3 && (silence || i < 4)) {
                pool->state[i] = SELECT_REFUSED;
                pool->label[i] = -1;
                refused++;
            }
        }
        assert_int_equal(refused, silence ? 50 : 1);
        pool->policy.count = 40;
        struct select_result result = run(pool);
        size_t there = 0;
        for (size_t i = 0; i < result.count; i++)
            there += cluster(result.picks[i].slot) == 3;
        if (silence)
            assert_true(there <= 4);
        else
            assert_true(there >= 5);
        select_result_deinit(&result);
        pool_free(pool);
    }
}

/* Of two samples that are alike the cheaper one is bought; but one dear sample that is worth more than all cheap ones is. */
static void test_prices(void **state)
{
    (void)state;
    struct pool *pool = pool_new(7);
    for (size_t i = 0; i < N; i++)
        pool->price[i] = i % 8 < 4 ? 50000 : 250000;
    pool->policy.budget = 2000000;
    struct select_result result = run(pool);
    size_t cheap = 0;
    for (size_t i = 0; i < result.count; i++)
        cheap += result.picks[i].price == 50000;
    assert_true(cheap >= 36);
    select_result_deinit(&result);

    /* Cheap ones are in a corner where nothing is to be learned: their gain per dollar is greater, their gain is not. */
    for (size_t i = 0; i < N; i++)
        pool->price[i] = i < 2 ? 1 : 1000000;
    pool->policy.budget = 1000000;
    pool->policy.junk = SELECT_FILTER_OFF;
    for (size_t j = 0; j < 2 * WIDTH; j++)
        pool->values[j] = 100;
    column_free(pool->embeddings);
    pool->embeddings = NULL;
    result = run(pool);
    assert_int_equal(result.count, 1);
    assert_int_equal(result.picks[0].price, 1000000);
    select_result_deinit(&result);
    pool_free(pool);
}

/* Uncertain samples are preferred once there are labels to trust the model by. */
static void test_uncertainty(void **state)
{
    (void)state;
    struct pool *pool = pool_new(8);
    for (size_t i = 0; i < N; i++) {
        for (size_t c = 0; c < CLASSES; c++)
            pool->probability[i * CLASSES + c] = cluster(i) == 0   ? 0.25 + 0.01 * (double)(c == 0) - 0.0033 * (double)(c > 0)
                                                 : c == cluster(i) ? 0.97
                                                                   : 0.01;
        if (i < 200) {
            pool->state[i] = SELECT_LABELED;
            pool->label[i] = (int32_t)cluster(i);
        }
    }
    pool->policy.count = 30;
    struct select_result result = run(pool);
    size_t uncertain = 0;
    for (size_t i = 0; i < result.count; i++)
        uncertain += cluster(result.picks[i].slot) == 0;
    assert_true(uncertain >= 25);
    assert_true(result.picks[0].uncertainty > 0.9);
    select_result_deinit(&result);
    pool_free(pool);
}

/* A class weight, a tag weight, and few labels of a class each draw picks to where they point. */
static void test_weights(void **state)
{
    (void)state;
    struct pool *pool = pool_new(9);
    double class_weight[CLASSES] = {1, 1, 20, 1};
    pool->policy.class_weight = class_weight;
    pool->policy.count = 20;
    struct select_result result = run(pool);
    size_t there = 0;
    for (size_t i = 0; i < result.count; i++)
        there += cluster(result.picks[i].slot) == 2;
    assert_true(there >= 15);
    assert_true(result.picks[0].class_weight >= 10);
    select_result_deinit(&result);

    double tag_weight[64];
    for (size_t t = 0; t < 64; t++)
        tag_weight[t] = t == 7 ? 12 : 1;
    for (size_t i = 0; i < N; i++)
        pool->tags[i] = cluster(i) == 1 ? (uint64_t)1 << 7 : 0;
    pool->policy.class_weight = NULL;
    pool->policy.tag_weight = tag_weight;
    result = run(pool);
    there = 0;
    for (size_t i = 0; i < result.count; i++)
        there += cluster(result.picks[i].slot) == 1;
    assert_true(there >= 12);
    assert_true(fabs(result.picks[0].slice_weight - 12) < 1e-9);
    select_result_deinit(&result);

    pool->policy.tag_weight = NULL;
    for (size_t i = 0; i < 400; i++) {
        if (cluster(i) != 3) {
            pool->state[i] = SELECT_LABELED;
            pool->label[i] = (int32_t)cluster(i);
        }
    }
    result = run(pool);
    there = 0;
    for (size_t i = 0; i < result.count; i++)
        there += cluster(result.picks[i].slot) == 3;
    assert_true(there >= 12);
    select_result_deinit(&result);
    pool_free(pool);
}

/* A model that is sure and wrong gets a temperature; one that is right keeps its own. */
static void test_temperature(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct pool *pool = pool_new(10);
        for (size_t i = 0; i < N; i++) {
            for (size_t c = 0; c < CLASSES; c++)
                pool->probability[i * CLASSES + c] = c == cluster(i) ? 0.997 : 0.001;
            if (i < 300) {
                pool->state[i] = SELECT_LABELED;
                pool->label[i] = (int32_t)(wrong && i % 3 == 0 ? (cluster(i) + 1) % CLASSES : cluster(i));
            }
        }
        pool->policy.count = 10;
        struct select_result result = run(pool);
        if (wrong)
            assert_true(result.stats.temperature > 2);
        else
            assert_true(result.stats.temperature <= 1);
        select_result_deinit(&result);
        pool_free(pool);
    }
}

/* Every combination of missing columns, and columns with gaps, gives a full batch of distinct samples. */
static void test_missing_columns(void **state)
{
    (void)state;
    struct pool *pool = pool_new(11);
    struct select_result result = run(pool);
    select_result_deinit(&result);
    struct column *gaps[2] = {column_new(pool->values, N, WIDTH, KERNEL_F16, 100, true),
        column_new(pool->probability, N, CLASSES, KERNEL_F16, 100, true)};
    for (size_t i = 0; i < N; i++)
        pool->group[i] = (uint32_t)(i / 300 + 1);
    for (int which = 0; which < 27; which++) {
        int embeddings = which % 3;
        int probabilities = which / 3 % 3;
        int labels = which / 9;
        for (size_t i = 0; i < 100; i++) {
            pool->state[i] = labels ? SELECT_LABELED : SELECT_CANDIDATE;
            pool->label[i] = labels == 2 ? (int32_t)cluster(i) : -1;
        }
        pool->input.embeddings = embeddings == 0 ? NULL : embeddings == 1 ? &gaps[0]->rows : &pool->embeddings->rows;
        pool->input.probabilities = probabilities == 0   ? NULL
                                    : probabilities == 1 ? &gaps[1]->rows
                                                         : &pool->probabilities->rows;
        pool->input.label = labels ? pool->label : NULL;
        pool->policy.count = 60;
        pool->policy.spares = 5;
        pool->policy.control_share = 0.1;
        assert_int_equal(select_run(&pool->input, &pool->policy, &result, NULL), SELECT_OK);
        assert_int_equal(result.count, 60);
        assert_int_equal(result.spare_count, 5);
        bool seen[N] = {false};
        size_t in_group[4] = {0};
        size_t control = 0;
        for (size_t i = 0; i < 65; i++) {
            const struct select_pick *pick = &result.picks[i];
            assert_false(seen[pick->slot]);
            seen[pick->slot] = true;
            assert_int_equal(pool->state[pick->slot], SELECT_CANDIDATE);
            assert_true(isfinite(pick->gain) && isfinite(pick->utility) && isfinite(pick->uncertainty));
            in_group[pool->group[pick->slot]]++;
            control += pick->arm == SELECT_ARM_CONTROL;
            assert_true((pick->arm == SELECT_ARM_CONTROL) == (pick->probability > 0));
        }
        assert_int_equal(control, 6);
        if (embeddings == 0 && probabilities == 0)
            assert_true(in_group[1] >= 15 && in_group[2] >= 15 && in_group[3] >= 15);
        select_result_deinit(&result);
    }
    column_free(gaps[0]);
    column_free(gaps[1]);
    pool_free(pool);
}

static void test_all_equal(void **state)
{
    (void)state;
    struct pool *pool = pool_new(12);
    for (size_t i = 1; i < N; i++)
        copy_row(pool, 0, i, 0);
    pool->policy.count = 50;
    struct select_result result = run(pool);
    assert_int_equal(result.count, 1);
    assert_int_equal(result.stats.duplicates_out, N - 1);
    select_result_deinit(&result);
    pool->policy.duplicates = SELECT_FILTER_OFF;
    result = run(pool);
    assert_int_equal(result.count, 50);
    select_result_deinit(&result);
    pool_free(pool);
}

/* Fewer reference points than there are samples: still a full batch, the same for any number of threads. */
static void test_limits(void **state)
{
    (void)state;
    struct pool *pool = pool_new(13);
    pool->policy.references_max = 100;
    pool->policy.count = 50;
    struct select_result one = run(pool);
    assert_int_equal(one.count, 50);
    /* What is picked stands for nothing in the rounds that follow. */
    assert_in_range(one.stats.references, 100 - one.count, 100);
    for (unsigned threads = 2; threads <= 16; threads *= 8) {
        pool->policy.threads = threads;
        struct select_result many = run(pool);
        assert_int_equal(many.count, 50);
        for (size_t i = 0; i < 50; i++) {
            assert_int_equal(many.picks[i].slot, one.picks[i].slot);
            assert_memory_equal(&many.picks[i].gain, &one.picks[i].gain, sizeof(double));
        }
        select_result_deinit(&many);
    }
    select_result_deinit(&one);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_covers),
        cmocka_unit_test(test_known_is_covered),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_junk),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_prices),
        cmocka_unit_test(test_uncertainty),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_temperature),
        cmocka_unit_test(test_missing_columns),
        cmocka_unit_test(test_all_equal),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
