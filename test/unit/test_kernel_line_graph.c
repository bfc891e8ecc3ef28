/* The line of nodes, and the search for where its labels change, against its definition by a walk along the whole line. */
#include "selector/kernel/line_graph.h"
#include "selector/kernel/random.h"
#include "test/unit/tests.h"

#include <math.h>
#include <string.h>

enum { N_MAX = 400 };
enum label { UNKNOWN, OF_CLASS, NOT };

static const uint32_t no_node = UINT32_MAX;

/* The line by ranks: 1..count are nodes, 0 and count + 1 its ends. */
struct line {
    size_t count;
    double keys[N_MAX];        /* by node */
    uint32_t nodes[N_MAX + 2]; /* by rank */
    enum label labels[N_MAX + 2];
    bool running[N_MAX + 2];
    bool refused[N_MAX]; /* by node: what `accept` says */
    struct kernel_line_graph *graph;
};

/* Nodes in the order of falling keys, equal ones by number: each has as many before it as its rank says. */
static void line_init(struct line *line, size_t count, uint64_t seed, double levels)
{
    memset(line, 0, sizeof *line);
    line->count = count;
    for (size_t i = 0; i < count; i++)
        line->keys[i] = floor(kernel_random_uniform(seed, 1, i) * levels) - levels / 2;
    for (uint32_t i = 0; i < count; i++) {
        size_t rank = 1;
        for (uint32_t j = 0; j < count; j++)
            rank += line->keys[j] > line->keys[i] || (line->keys[j] >= line->keys[i] && j < i);
        line->nodes[rank] = i;
    }
    line->graph = kernel_line_graph_new(line->keys, count);
    assert_non_null(line->graph);
}

static size_t rank_of(const struct line *line, uint32_t node)
{
    size_t rank = 1;
    while (line->nodes[rank] != node)
        rank++;
    return rank;
}

static void label(struct line *line, uint32_t node, bool of_class)
{
    size_t rank = rank_of(line, node);
    line->labels[rank] = of_class ? OF_CLASS : NOT;
    line->running[rank] = false;
    assert_true(kernel_line_graph_label(line->graph, node, of_class));
}

static void close_line(struct line *line)
{
    bool seen[3] = {false};
    for (size_t rank = 1; rank <= line->count; rank++)
        seen[line->labels[rank]] = true;
    if (!seen[OF_CLASS] || !seen[NOT]) {
        line->labels[0] = OF_CLASS;
        line->labels[line->count + 1] = NOT;
    }
    assert_true(kernel_line_graph_close(line->graph));
}

static void rewind_line(struct line *line, const uint8_t *open)
{
    for (size_t rank = 1; rank <= line->count; rank++)
        line->running[rank] = line->labels[rank] == UNKNOWN && open[line->nodes[rank]] != 0;
    kernel_line_graph_rewind(line->graph, open);
}

/* --- the definition ----------------------------------------------------------------------------------------------------- */

/* A choice; the least is the best, by one number after the other. */
struct choice {
    size_t beside_cut; /* 1: not on a path */
    size_t length;
    size_t left; /* of the path */
    size_t off;  /* from the middle of the path, the upper one of two */
    size_t rank; /* 0: none */
};

static bool better(const struct choice *a, const struct choice *b)
{
    if (b->rank == 0 || a->beside_cut != b->beside_cut)
        return b->rank == 0 || a->beside_cut < b->beside_cut;
    if (a->length != b->length)
        return a->length < b->length;
    if (a->left != b->left)
        return a->left < b->left;
    return a->off != b->off ? a->off < b->off : a->rank < b->rank;
}

static size_t apart(size_t a, size_t b)
{
    return a > b ? a - b : b - a;
}

/* The best node of all beside or between the labels at ranks left < right, which differ. */
static void look(const struct line *line, size_t left, size_t right, struct choice *best)
{
    for (size_t rank = 1; rank <= line->count; rank++) {
        struct choice choice = {0, right - left, left, apart(rank, (left + right) / 2), rank};
        if (rank < left || rank > right)
            choice = (struct choice){1, rank < left ? left - rank : rank - right, 0, 0, rank};
        if (line->running[rank] && !line->refused[line->nodes[rank]] && better(&choice, best))
            *best = choice;
    }
}

static struct choice definition(const struct line *line)
{
    struct choice best = {0};
    size_t left = SIZE_MAX;
    for (size_t rank = 0; rank <= line->count + 1; rank++) {
        if (line->labels[rank] == UNKNOWN)
            continue;
        if (left != SIZE_MAX && line->labels[left] != line->labels[rank])
            look(line, left, rank, &best);
        left = rank;
    }
    return best;
}

/* --- one against the other ---------------------------------------------------------------------------------------------- */

static bool accept(void *context, uint32_t node)
{
    const struct line *line = context;
    return !line->refused[node];
}

/* What is refused now is out of the running until the next rewind, if the graph came upon it: the tests refuse for good. */
static uint32_t next(struct line *line)
{
    struct choice expected = definition(line);
    uint32_t node;
    size_t length;
    enum kernel_status status = kernel_line_graph_next(line->graph, accept, line, &node, &length);
    assert_int_equal(status, expected.rank > 0 ? KERNEL_OK : KERNEL_END);
    if (status == KERNEL_END)
        return no_node;
    assert_int_equal(node, line->nodes[expected.rank]);
    assert_int_equal(length, expected.length);
    return node;
}

/* Goes on to the end, where every node has a label or is refused. Labels change at `sides` places of the line at most, or are
 * by chance. */
static void search(struct line *line, uint64_t seed, size_t sides)
{
    uint32_t node;
    for (uint64_t step = 0; (node = next(line)) != no_node; step++) {
        assert_int_equal(next(line), node); /* it stays in the running */
        if (kernel_random_uniform(seed, 2, step) < 0.2) {
            line->refused[node] = true;
            continue;
        }
        size_t rank = rank_of(line, node);
        bool of_class = sides > 0 ? rank * (sides + 1) / (line->count + 1) % 2 == 0 : kernel_random_bits(seed, 3, step) % 2;
        label(line, node, of_class);
        if (kernel_random_uniform(seed, 4, step) < 0.1) { /* another label, from elsewhere */
            uint32_t other = (uint32_t)(kernel_random_bits(seed, 5, step) % line->count);
            if (line->labels[rank_of(line, other)] == UNKNOWN)
                label(line, other, kernel_random_bits(seed, 6, step) % 2);
        }
    }
    for (size_t rank = 1; rank <= line->count; rank++)
        assert_true(!line->running[rank] || line->refused[line->nodes[rank]]);
}

/* `known` labels to begin with, and some nodes that are not open; all again, with what was refused, after a rewind. */
static void check(size_t count, size_t known, uint64_t seed, double levels, size_t sides)
{
    struct line line;
    uint8_t open[N_MAX];
    line_init(&line, count, seed, levels);
    for (size_t i = 0; i < known; i++) {
        uint32_t node = (uint32_t)(kernel_random_bits(seed, 7, i) % count);
        if (line.labels[rank_of(&line, node)] == UNKNOWN)
            label(&line, node, kernel_random_bits(seed, 8, i) % 2);
    }
    for (size_t i = 0; i < count; i++)
        open[i] = kernel_random_uniform(seed, 9, i) < 0.9 ? 1 + i % 2 : 0;
    close_line(&line);
    rewind_line(&line, open);
    search(&line, seed, sides);
    memset(line.refused, 0, sizeof line.refused);
    memset(open, 1, sizeof open);
    rewind_line(&line, open);
    search(&line, seed + 1000, sides);
    kernel_line_graph_free(&line.graph);
    assert_null(line.graph);
}

static void test_search(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, 10, 63, 64, 65, 150};
    for (uint64_t seed = 0; seed < 25; seed++) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            check(counts[c], counts[c] * (seed % 3) / 10, seed, 1000, seed % 4);
    }
    check(N_MAX, 0, 1, 1000, 5);
    check(N_MAX, 40, 2, 1000, 0);
}

/* Equal keys go by number; with one level there is nothing but that. */
static void test_ties(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        check(120, seed, seed, 4, seed % 3);
        check(120, seed, seed, 1, seed % 3);
    }
}

/* Paths of one length, and nodes as far from two cuts: the higher key is first. */
static void test_equal_choices(void **state)
{
    (void)state;
    struct line line;
    uint8_t open[40];
    memset(open, 1, sizeof open);
    line_init(&line, 40, 3, 1); /* ranks are nodes + 1 */
    for (uint32_t node = 0; node < 40; node += 4)
        label(&line, node, node % 8 == 0);
    close_line(&line);
    rewind_line(&line, open);
    assert_int_equal(next(&line), 2);
    search(&line, 3, 0);
    kernel_line_graph_free(&line.graph);

    line_init(&line, 40, 3, 1);
    label(&line, 10, true);
    label(&line, 11, false);
    label(&line, 20, false);
    label(&line, 21, true);
    close_line(&line);
    rewind_line(&line, open);
    line.refused[9] = true;
    line.refused[12] = true;
    line.refused[19] = true;
    assert_int_equal(next(&line), 22); /* 1 from a cut; what is 2 away is later */
    line.refused[22] = true;
    assert_int_equal(next(&line), 8); /* of 8, 13, 18 and 23 */
    kernel_line_graph_free(&line.graph);
}

/* Without two labels that differ the ends are labels: the class is at the top. */
static void test_ends(void **state)
{
    (void)state;
    struct line line;
    uint8_t open[9];
    memset(open, 1, sizeof open);
    line_init(&line, 9, 3, 1);
    label(&line, 1, true);
    close_line(&line);
    rewind_line(&line, open);
    assert_int_equal(next(&line), 5); /* rank 6, between 2 and the end, which is 10 */
    kernel_line_graph_free(&line.graph);

    line_init(&line, 9, 3, 1);
    label(&line, 1, false);
    label(&line, 4, true);
    close_line(&line);
    rewind_line(&line, open);
    assert_int_equal(next(&line), 2); /* between the two: the ends are no labels */
    kernel_line_graph_free(&line.graph);
}

static void test_nothing(void **state)
{
    (void)state;
    struct line line;
    uint8_t open[3] = {0};
    line_init(&line, 0, 1, 1);
    close_line(&line);
    rewind_line(&line, open);
    assert_int_equal(next(&line), no_node);
    kernel_line_graph_free(&line.graph);
    line_init(&line, 3, 1, 1);
    close_line(&line);
    rewind_line(&line, open); /* nothing is open */
    assert_int_equal(next(&line), no_node);
    kernel_line_graph_free(&line.graph);
    kernel_line_graph_free(&line.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_equal_choices),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
