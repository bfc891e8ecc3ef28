/* Every long call stops at whichever question it is told to, gives nothing and loses no memory (the sanitizers look). */
#include "test/unit/pool.h"

enum { N = 500, WIDTH = 256, CLASSES = 4, DRAWS = 2, NEIGHBORS = 5 };

/* A pool with draws and labels, rows long enough for what is done with long ones only, and room for what is found in it. */
struct world {
    struct pool *pool;
    struct kernel_rows draws[DRAWS];
    uint32_t slots[N * NEIGHBORS];
    float numbers[N * NEIGHBORS];
};

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    struct pool *pool = pool_new(1, N, CLASSES, WIDTH);
    for (size_t i = 0; i < N; i++) {
        pool->state[i] = i % 5 == 0 ? SELECT_LABELED : i % 41 == 0 ? SELECT_REFUSED : SELECT_CANDIDATE;
        pool->label[i] = i % 5 == 0 ? (int32_t)(i / 5 % CLASSES) : -1;
        pool->price[i] = 50000 + (int64_t)(1000 * (i % 7));
    }
    for (size_t d = 0; d < DRAWS; d++)
        world->draws[d] = pool->probabilities->rows;
    pool->input.draws = world->draws;
    pool->input.draw_count = DRAWS;
    world->pool = pool;
    return world;
}

static void world_free(struct world *world)
{
    pool_free(world->pool);
    free(world);
}

/* A progress function that stops the call when it is asked for the stop_at-th time. */
struct asker {
    size_t asked;
    size_t stop_at;
};

static bool progress(void *context, double done)
{
    struct asker *asker = context;
    assert_true(done >= 0 && done <= 1);
    assert_true(asker->asked < asker->stop_at); /* once told, it does not ask again */
    return ++asker->asked == asker->stop_at;
}

typedef enum select_status call_fn(struct world *world, int which, struct asker *asker);

static enum select_status call_strategy(struct world *world, int which, struct asker *asker)
{
    struct select_policy policy = select_policy_default();
    policy.strategy = (enum select_strategy)(which / 2);
    policy.count = 80;
    policy.spares = 5;
    policy.threads = 1;
    policy.parameters.class_sought = 1;
    policy.duplicates = policy.junk = which % 2 ? SELECT_FILTER_ON : SELECT_FILTER_OFF;
    policy.progress = progress;
    policy.progress_context = asker;
    struct select_result result;
    enum select_status status = select_run(&world->pool->input, &policy, &result, NULL);
    if (status != SELECT_OK)
        assert_null(result.picks);
    select_result_deinit(&result);
    return status;
}

static enum select_status call_neighbors(struct world *world, int which, struct asker *asker)
{
    struct select_neighbors neighbors = {
        .k = NEIGHBORS,
        .mode = which == 0 ? SELECT_NEIGHBORS_EXACT : SELECT_NEIGHBORS_APPROXIMATE,
        .threads = 1,
        .progress = progress,
        .progress_context = asker,
        .slots = world->slots,
        .distances2 = world->numbers,
    };
    return select_neighbors(&world->pool->embeddings->rows, &neighbors, NULL);
}

static enum select_status call_duplicates(struct world *world, int which, struct asker *asker)
{
    struct select_duplicates duplicates = {
        .radius = which, .threads = 1, .progress = progress, .progress_context = asker, .group = world->slots};
    return select_duplicates(&world->pool->embeddings->rows, &duplicates, NULL);
}

static enum select_status call_outliers(struct world *world, int which, struct asker *asker)
{
    (void)which;
    struct select_outliers outliers = {.threads = 1, .progress = progress, .progress_context = asker, .score = world->numbers};
    return select_outliers(&world->pool->embeddings->rows, &outliers, NULL);
}

/* The first questions, some in between, and the last ones. */
static size_t after(size_t at, size_t asked)
{
    size_t step = at < 12 || at + 4 >= asked ? 1 : 1 + asked / 8;
    return at < asked - 1 && at + step >= asked ? asked - 1 : at + step;
}

static void stop_everywhere(call_fn *call, struct world *world, int which)
{
    struct asker whole = {.stop_at = SIZE_MAX};
    assert_int_equal(call(world, which, &whole), SELECT_OK);
    assert_true(whole.asked > 1);
    for (size_t at = 1; at <= whole.asked; at = after(at, whole.asked)) {
        struct asker asker = {.stop_at = at};
        enum select_status status = call(world, which, &asker);
        if (status != SELECT_CANCELED)
            print_message("call %d went on after question %zu of %zu\n", which, at, whole.asked);
        assert_int_equal(status, SELECT_CANCELED);
        assert_int_equal(asker.asked, at);
    }
}

static void test_every_strategy_stops_at_every_question(void **state)
{
    (void)state;
    struct world *world = world_new();
    for (int which = 0; which < 2 * SELECT_STRATEGIES; which++)
        stop_everywhere(call_strategy, world, which);
    world_free(world);
}

static void test_the_other_calls_stop_at_every_question(void **state)
{
    (void)state;
    struct world *world = world_new();
    for (int which = 0; which < 2; which++) {
        stop_everywhere(call_neighbors, world, which);
        stop_everywhere(call_duplicates, world, which);
    }
    stop_everywhere(call_outliers, world, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_strategy_stops_at_every_question),
        cmocka_unit_test(test_the_other_calls_stop_at_every_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
