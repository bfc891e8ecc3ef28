/* Greedy coverage by balls against the obvious greedy, choice by choice. */
#include "selector/kernel/ball_cover.h"
#include "selector/kernel/vector.h"
#include "test/unit/columns.h"

enum { N = 150, WIDTH = 3 };

/* Balls over the rows of a column, and what is covered; candidates are some of the nodes, in no order. */
struct world {
    struct kernel_team *team;
    struct column *column;
    struct kernel_ball_graph graph;
    bool near[N][N]; /* a node is near to itself */
    bool covered[N];
    uint32_t nodes[N];
    size_t count; /* candidates */
    double divisor[N];
    bool taken[N];   /* by candidate */
    bool refused[N]; /* by candidate */
};

static bool accept(void *context, uint32_t index)
{
    const struct world *world = context;
    return !world->refused[index];
}

static struct world *world_new(uint64_t seed, float radius2, size_t count)
{
    struct world *world = calloc(1, sizeof *world);
    world->column = column_clusters(seed, N, WIDTH, 6, 0.7);
    uint32_t *slots = all_slots(N);
    float *values = malloc((size_t)N * WIDTH * sizeof *values);
    kernel_gather(&world->column->rows, slots, N, NULL, values);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++)
            world->near[i][j] = i == j || kernel_distance2(values + i * WIDTH, values + j * WIDTH, WIDTH) < radius2;
    }
    world->team = kernel_team_new(1 + (unsigned)seed % 3, NULL, NULL);
    assert_int_equal(
        kernel_ball_graph_init(&world->graph, world->team, &world->column->rows, slots, N, radius2, 1, NULL), KERNEL_OK);
    free(slots);
    free(values);
    world->count = count;
    for (uint32_t i = 0; i < count; i++) {
        world->nodes[i] = i * 37 % N; /* 37 and N have no common divisor */
        world->divisor[i] = (double)(1 + kernel_random_bits(seed, 5, i) % 3);
    }
    for (size_t i = 0; i < N; i++)
        world->covered[i] = true;
    for (size_t i = 0; i < count; i++)
        world->covered[world->nodes[i]] = false; /* the others are not to be covered */
    return world;
}

static void world_free(struct world *world)
{
    kernel_ball_graph_deinit(&world->graph);
    kernel_team_free(&world->team);
    column_free(world->column);
    free(world);
}

static void cover_ball(struct world *world, uint32_t node)
{
    for (size_t i = 0; i < N; i++)
        world->covered[i] = world->covered[i] || world->near[node][i];
}

static unsigned gain(const struct world *world, size_t index)
{
    unsigned sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += world->near[world->nodes[index]][i] && !world->covered[i];
    return sum;
}

/* The best candidate of all; count: none is left. */
static size_t best(const struct world *world, bool priced)
{
    size_t found = world->count;
    double most = 0;
    for (size_t i = 0; i < world->count; i++) {
        double worth = (double)gain(world, i) / (priced ? world->divisor[i] : 1);
        if (world->taken[i] || world->refused[i] || (found < world->count && worth <= most))
            continue;
        found = i;
        most = worth;
    }
    return found;
}

/* Takes `most` choices, or all that there are. Returns how many. */
static size_t compare(struct world *world, struct kernel_ball_cover *cover, bool priced, size_t most)
{
    size_t count = 0;
    kernel_ball_cover_rewind(cover, accept, world);
    for (; count < most; count++) {
        for (uint32_t i = 0; i < world->count; i++)
            assert_int_equal(kernel_ball_cover_gain(cover, i), gain(world, i));
        size_t expected = best(world, priced);
        uint32_t index;
        double found;
        enum kernel_status status = kernel_ball_cover_next(cover, accept, world, &index, &found);
        assert_int_equal(status, expected < world->count ? KERNEL_OK : KERNEL_END);
        if (status == KERNEL_END)
            break;
        assert_int_equal(index, expected);
        assert_true(found >= gain(world, index) && found <= gain(world, index));
        assert_int_equal(kernel_ball_cover_take(cover, index), KERNEL_OK);
        world->taken[index] = true;
        cover_ball(world, world->nodes[index]);
    }
    return count;
}

static struct kernel_ball_cover *cover_new(const struct world *world, bool priced)
{
    struct kernel_ball_cover *cover =
        kernel_ball_cover_new(world->team, &world->graph, world->nodes, world->count, priced ? world->divisor : NULL);
    assert_non_null(cover);
    assert_int_equal(kernel_ball_cover_begin(cover), KERNEL_OK);
    return cover;
}

/* All nodes or some are candidates, with balls of hardly any others to all others. */
static void test_greedy(void **state)
{
    (void)state;
    static const float radius2[] = {0, 0.05F, 0.5F, 2, 1e9F};
    for (uint64_t c = 0; c < 20; c++) {
        bool priced = c % 2 == 1;
        struct world *world = world_new(c, radius2[c / 4], c % 4 < 2 ? N : 60);
        struct kernel_ball_cover *cover = cover_new(world, priced);
        assert_int_equal(compare(world, cover, priced, N), world->count);
        kernel_ball_cover_free(&cover);
        world_free(world);
    }
}

/* Nodes that are labelled: candidates or not, one of them twice. */
static void test_add(void **state)
{
    (void)state;
    for (int priced = 0; priced < 2; priced++) {
        struct world *world = world_new(30, 0.5F, 100);
        struct kernel_ball_cover *cover = cover_new(world, priced);
        const uint32_t added[] = {world->nodes[4], 99 * 37 % N, 120 * 37 % N, world->nodes[4]};
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(kernel_ball_cover_add(cover, added[i]), KERNEL_OK);
            cover_ball(world, added[i]);
        }
        assert_int_equal(compare(world, cover, priced, N), 100);
        kernel_ball_cover_free(&cover);
        world_free(world);
    }
}

/* What is refused comes again after a rewind, and what is taken never does; refusals fall between two choices too. */
static void test_accept_and_rewind(void **state)
{
    (void)state;
    struct world *world = world_new(31, 0.5F, N);
    struct kernel_ball_cover *cover = cover_new(world, true);
    for (size_t i = 0; i < N; i += 3)
        world->refused[i] = true;
    assert_int_equal(compare(world, cover, true, 10), 10);
    memset(world->refused, 0, sizeof world->refused);
    assert_int_equal(kernel_ball_cover_add(cover, 5), KERNEL_OK);
    cover_ball(world, 5);
    assert_int_equal(compare(world, cover, true, 10), 10);
    uint32_t index;
    double found;
    assert_int_equal(kernel_ball_cover_next(cover, accept, world, &index, &found), KERNEL_OK);
    world->refused[index] = true;
    world->refused[best(world, true)] = true;
    size_t expected = best(world, true);
    kernel_ball_cover_rewind(cover, NULL, NULL);
    assert_int_equal(kernel_ball_cover_next(cover, accept, world, &index, &found), KERNEL_OK);
    assert_int_equal(index, expected);
    memset(world->refused, 0, sizeof world->refused);
    assert_int_equal(compare(world, cover, true, N), N - 20);
    kernel_ball_cover_free(&cover);
    world_free(world);
}

static void test_nothing_to_choose_from(void **state)
{
    (void)state;
    struct world *world = world_new(32, 0.5F, 0);
    struct kernel_ball_cover *cover = cover_new(world, false);
    assert_int_equal(kernel_ball_cover_add(cover, 3), KERNEL_OK);
    assert_int_equal(compare(world, cover, false, 1), 0);
    kernel_ball_cover_free(&cover);
    assert_null(cover);
    kernel_ball_cover_free(&cover);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_accept_and_rewind),
        cmocka_unit_test(test_nothing_to_choose_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
