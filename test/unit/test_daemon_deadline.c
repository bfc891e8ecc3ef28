/* The heap of deadlines, beside a plain search for the smallest. */
#include "test/unit/tests.h"

#include "selector/deadline.h"

static void empty_has_no_first(void **state)
{
    (void)state;
    struct deadlines deadlines = {0};
    assert_null(deadlines_first(&deadlines));
    deadlines_remove_first(&deadlines);
    assert_int_equal(deadlines.count, 0);
    deadlines_deinit(&deadlines);
}

static void equal_times_all_come(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    struct deadlines deadlines = {0};
    bool seen[MANY] = {false};
    for (uint32_t i = 0; i < MANY; i++)
        assert_true(deadlines_add(&deadlines, (struct deadline){.time_ms = 5, .fence = i, .project = 2, .slot = i}));
    for (uint32_t i = 0; i < MANY; i++) {
        const struct deadline first = *deadlines_first(&deadlines);
        assert_int_equal(first.time_ms, 5);
        assert_int_equal(first.project, 2);
        assert_int_equal(first.fence, first.slot);
        assert_false(seen[first.slot]);
        seen[first.slot] = true;
        deadlines_remove_first(&deadlines);
    }
    assert_null(deadlines_first(&deadlines));
    deadlines_deinit(&deadlines);
}

static void random_walks_give_the_smallest(void **state)
{
    enum { ROOM = 600 };
    (void)state;
    uint64_t seed = random_seed("deadlines");
    struct deadlines deadlines = {0};
    int64_t plain[ROOM];
    size_t count = 0;
    for (int step = 0; step < 20000; step++) {
        const bool growing = step / 1000 % 2 == 0;
        if (count < ROOM && random_next(&seed) % 10 < (growing ? 7u : 3u)) {
            const int64_t time_ms = (int64_t)(random_next(&seed) % 2000) - 1000;
            assert_true(deadlines_add(&deadlines, (struct deadline){.time_ms = time_ms, .fence = (uint64_t)(time_ms + 5000)}));
            plain[count++] = time_ms;
        } else if (count > 0) {
            size_t smallest = 0;
            for (size_t i = 1; i < count; i++)
                if (plain[i] < plain[smallest])
                    smallest = i;
            assert_int_equal(deadlines_first(&deadlines)->time_ms, plain[smallest]);
            assert_int_equal(deadlines_first(&deadlines)->fence, plain[smallest] + 5000);
            deadlines_remove_first(&deadlines);
            plain[smallest] = plain[--count];
        }
        assert_int_equal(deadlines.count, count);
    }
    deadlines_deinit(&deadlines);
    assert_null(deadlines_first(&deadlines));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_has_no_first),
        cmocka_unit_test(equal_times_all_come),
        cmocka_unit_test(random_walks_give_the_smallest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
