/* Groups of near rows against joining every near pair, for several numbers of threads. */
#include "selector/kernel/ball_pairs.h"
#include "selector/kernel/components.h"
#include "selector/kernel/vector.h"
#include "test/unit/columns.h"
#include "test/unit/stop.h"

/* Lowest member by relaxation: what is near takes the lower of two names, until no name changes. */
static void reference(const struct kernel_rows *rows, float radius2, uint32_t *first)
{
    size_t width = rows->width;
    float *values = malloc(rows->count * width * sizeof *values);
    for (uint32_t i = 0; i < rows->count; i++) {
        first[i] = i;
        kernel_gather(rows, &i, 1, NULL, values + i * width);
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < rows->count; i++) {
            for (size_t j = 0; j < rows->count; j++) {
                if (first[j] >= first[i] || !(kernel_distance2(values + i * width, values + j * width, width) < radius2))
                    continue;
                first[i] = first[j];
                changed = true;
            }
        }
    }
    free(values);
}

static void check(size_t n, size_t width, size_t clusters, float spread, float radius2)
{
    struct column *column = column_clusters(7, n, width, clusters, spread);
    uint32_t *slots = all_slots(n);
    uint32_t *expected = malloc(n * sizeof *expected);
    uint32_t *first = malloc(n * sizeof *first);
    reference(&column->rows, radius2, expected);
    for (unsigned threads = 1; threads <= 16; threads *= 4) {
        atomic_size_t done = 0;
        struct kernel_team *team = kernel_team_new(threads, NULL, NULL);
        assert_int_equal(kernel_components(team, &column->rows, slots, n, radius2, 3, first, &done), KERNEL_OK);
        assert_memory_equal(first, expected, n * sizeof *first);
        assert_int_equal(atomic_load(&done), kernel_ball_pairs_steps(n));
        kernel_team_free(&team);
    }
    free(slots);
    free(expected);
    free(first);
    column_free(column);
}

static void test_groups(void **state)
{
    (void)state;
    check(1300, 3, 40, 0.3F, 0.02F);   /* many small groups, some chains */
    check(1300, 12, 6, 0.5F, 2.5F);    /* few large groups that all threads join at once */
    check(900, 140, 30, 0.02F, 0.08F); /* wide rows; tiles that are far apart */
    check(600, 5, 1, 0.5F, 1e-20F);    /* all alone */
}

static void test_stop(void **state)
{
    (void)state;
    struct column *column = column_clusters(7, 3000, 8, 5, 0.5F);
    uint32_t *slots = all_slots(3000);
    uint32_t *first = malloc(3000 * sizeof *first);
    unsigned left = 6;
    struct kernel_team *team = kernel_team_new(2, stop_after, &left);
    assert_int_equal(kernel_components(team, &column->rows, slots, 3000, 0.1F, 3, first, NULL), KERNEL_STOPPED);
    kernel_team_free(&team);
    free(slots);
    free(first);
    column_free(column);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups), cmocka_unit_test(test_stop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
