/* The set of numbers against an array of flags. */
#include "selector/kernel/random.h"
#include "selector/kernel/rank_set.h"
#include "test/unit/tests.h"

#include <string.h>

enum { SIZE_MOST = 70000, STEPS = 3000 };

static size_t slow_next(const bool *flags, size_t size, size_t from)
{
    while (from < size && !flags[from])
        from++;
    return from < size ? from : KERNEL_RANK_NONE;
}

static size_t slow_previous(const bool *flags, size_t size, size_t from)
{
    from = from < size ? from : size - 1;
    while (!flags[from]) {
        if (from-- == 0)
            return KERNEL_RANK_NONE;
    }
    return from;
}

static void compare(const struct kernel_rank_set *set, const bool *flags, size_t size, size_t from)
{
    assert_int_equal(kernel_rank_set_next(set, from), slow_next(flags, size, from));
    assert_int_equal(kernel_rank_set_previous(set, from), slow_previous(flags, size, from));
}

/* Few members in a wide set, so that all levels of the tree are walked. */
static void neighbours_are_those_of_the_flags(void **state)
{
    static const size_t sizes[] = {1, 2, 63, 64, 65, 4096, 4097, SIZE_MOST};
    static bool flags[SIZE_MOST];
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t size = sizes[s];
        struct kernel_rank_set set;
        memset(flags, 0, sizeof flags);
        assert_true(kernel_rank_set_init(&set, size));
        for (uint64_t i = 0; i < STEPS; i++) {
            size_t number = (size_t)(kernel_random_uniform(s, 1, i) * (double)size);
            bool insert = kernel_random_uniform(s, 2, i) < (i / 500 % 2 == 0 ? 0.6 : 0.2);
            flags[number] = insert;
            (insert ? kernel_rank_set_insert : kernel_rank_set_remove)(&set, number);
            compare(&set, flags, size, (size_t)(kernel_random_uniform(s, 3, i) * (double)(size + 2)));
        }
        compare(&set, flags, size, 0);
        compare(&set, flags, size, size - 1);
        compare(&set, flags, size, SIZE_MAX);
        kernel_rank_set_clear(&set);
        assert_int_equal(kernel_rank_set_next(&set, 0), KERNEL_RANK_NONE);
        assert_int_equal(kernel_rank_set_previous(&set, SIZE_MAX), KERNEL_RANK_NONE);
        kernel_rank_set_deinit(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(neighbours_are_those_of_the_flags)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
