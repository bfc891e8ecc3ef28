#include "selector/kernel/coverage_state.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LISTED_MAX = 1024 }; /* values of a candidate that are kept, at most */

/* Bytes of the values of a whole square, at most. */
static const size_t square_max = (size_t)512 << 20;

size_t kernel_coverage_listed(const struct kernel_coverage *coverage)
{
    size_t listed = coverage->rows_max / 2 / (2 * sizeof(float)) / (coverage->input.candidates.count + 1);
    return coverage->input.gains_only ? 0 : listed < LISTED_MAX ? listed : LISTED_MAX;
}

size_t kernel_coverage_scratch(const struct kernel_coverage *coverage)
{
    return COVERAGE_TILE * (coverage->input.references.width + 1 + COVERAGE_REFERENCES + 2 * coverage->listed_max);
}

bool kernel_coverage_has_row(const struct kernel_coverage *coverage, uint32_t index)
{
    return kernel_row(coverage->input.candidates.rows, coverage->input.candidates.slots[index]) != NULL;
}

static uint32_t own_of(const struct kernel_coverage *coverage, uint32_t index)
{
    return coverage->input.own != NULL ? coverage->input.own[index] : UINT32_MAX;
}

/* What a gain holds too much, its own reference counted in full; `self` is the kernel's value there. */
static float excess_of(const struct kernel_coverage *coverage, uint32_t own, float self)
{
    float open = self - coverage->input.cover[own];
    return open > 0 ? coverage->input.excess[own] * open : 0;
}

float kernel_coverage_gain(const struct kernel_coverage *coverage, uint32_t index)
{
    const struct kernel_coverage_input *input = &coverage->input;
    const struct kernel_similarity_row *row = &coverage->rows[index];
    uint32_t own = own_of(coverage, index);
    double gain = kernel_similarity_row_gain(row, input->cover, input->weight);
    if (own != UINT32_MAX)
        gain -= (double)excess_of(coverage, own, kernel_similarity_row_at(row, own));
    return (float)fmax(gain, 0);
}

struct kernel_points kernel_coverage_references(const struct kernel_coverage *coverage, size_t from, size_t most)
{
    const struct kernel_points *all = &coverage->input.references;
    return (struct kernel_points){.values = all->values + from * all->width,
        .norm2 = all->norm2 + from,
        .count = all->count - from < most ? all->count - from : most,
        .width = all->width};
}

/* --- any candidates and references -------------------------------------------------------------------------------------- */

/* What the first pass has found of a tile of candidates, in the worker's scratch memory. */
struct begin {
    size_t first; /* candidate */
    size_t count;
    float *rows;                        /* [COVERAGE_TILE x width] */
    float *norm2;                       /* [COVERAGE_TILE] */
    float *values;                      /* [COVERAGE_TILE x COVERAGE_REFERENCES] */
    float *listed_values;               /* [COVERAGE_TILE x listed_max] */
    uint32_t *listed;                   /* [COVERAGE_TILE x listed_max] */
    size_t listed_count[COVERAGE_TILE]; /* SIZE_MAX: too many */
    double gains[COVERAGE_TILE];
    float self[COVERAGE_TILE]; /* similarity to the reference that is the candidate itself; 0: none is */
};

static void begin_init(struct begin *begin, const struct kernel_coverage *coverage, size_t tile, unsigned worker)
{
    size_t left = coverage->input.candidates.count - tile * COVERAGE_TILE;
    *begin = (struct begin){.first = tile * COVERAGE_TILE, .count = left < COVERAGE_TILE ? left : COVERAGE_TILE};
    begin->rows = coverage->scratch + worker * coverage->scratch_size;
    begin->norm2 = begin->rows + COVERAGE_TILE * coverage->input.references.width;
    begin->values = begin->norm2 + COVERAGE_TILE;
    begin->listed_values = begin->values + (size_t)COVERAGE_TILE * COVERAGE_REFERENCES;
    begin->listed = (uint32_t *)(void *)(begin->listed_values + COVERAGE_TILE * coverage->listed_max);
}

/* Lists those of a candidate's values to the reference points from number `at` on that are above the cover. */
static void list_values(
    struct begin *begin, const struct kernel_coverage *coverage, size_t i, size_t at, const struct kernel_similarity_row *row)
{
    size_t *listed = &begin->listed_count[i];
    if (*listed == SIZE_MAX || coverage->input.gains_only)
        return;
    size_t above = kernel_similarity_row_above(row, coverage->input.cover + at);
    if (above > coverage->listed_max - *listed) {
        *listed = SIZE_MAX;
        return;
    }
    const float *cover = coverage->input.cover + at;
    size_t place = i * coverage->listed_max + *listed;
    *listed += above;
    for (size_t r = 0; r < row->count && place < i * coverage->listed_max + *listed; r++) {
        if (!(row->values[r] > cover[r]))
            continue;
        begin->listed_values[place] = row->values[r];
        begin->listed[place++] = (uint32_t)(at + r);
    }
}

/* Adds what the reference points from number `at` on give to the gain of candidate i of the tile. */
static void add_gain(struct begin *begin, const struct kernel_coverage *coverage, size_t i, size_t at, size_t count)
{
    const struct kernel_coverage_input *input = &coverage->input;
    struct kernel_similarity_row row = {.values = begin->values + i * count, .count = count};
    begin->gains[i] += kernel_similarity_row_gain(&row, input->cover + at, input->weight + at);
    uint32_t own = own_of(coverage, (uint32_t)(begin->first + i));
    if (own >= at && own - at < count)
        begin->self[i] = row.values[own - at];
    list_values(begin, coverage, i, at, &row);
}

/* Keeps what was listed of a candidate; without memory it is found again when it is needed. */
static void keep_listed(const struct begin *begin, struct kernel_coverage *coverage, size_t i)
{
    struct kernel_similarity_row *row = &coverage->rows[begin->first + i];
    size_t from = i * coverage->listed_max;
    if (!coverage->input.gains_only && begin->listed_count[i] != SIZE_MAX &&
        kernel_coverage_has_row(coverage, (uint32_t)(begin->first + i)) &&
        kernel_similarity_row_list(
            row, begin->listed_values + from, begin->listed + from, begin->listed_count[i], coverage->input.references.count))
        atomic_fetch_add(&coverage->row_bytes, kernel_similarity_row_bytes(row));
}

static void begin_tile(void *context, size_t tile, unsigned worker)
{
    struct kernel_coverage *coverage = context;
    const struct kernel_coverage_input *input = &coverage->input;
    const struct kernel_subset *candidates = &input->candidates;
    size_t width = input->references.width;
    struct begin begin;
    begin_init(&begin, coverage, tile, worker);
    kernel_gather(candidates->rows, candidates->slots + begin.first, begin.count, candidates->origin, begin.rows);
    for (size_t i = 0; i < begin.count; i++)
        begin.norm2[i] = kernel_norm2(begin.rows + i * width, width);
    for (size_t at = 0; at < input->references.count && !kernel_team_poll(coverage->team, worker); at += COVERAGE_REFERENCES) {
        struct kernel_points part = kernel_coverage_references(coverage, at, COVERAGE_REFERENCES);
        kernel_distances(begin.rows, begin.norm2, begin.count, &part, begin.values);
        kernel_similarities(begin.values, begin.count * part.count, input->scale);
        for (size_t i = 0; i < begin.count; i++)
            add_gain(&begin, coverage, i, at, part.count);
    }
    for (size_t i = 0; i < begin.count; i++) {
        uint32_t index = (uint32_t)(begin.first + i);
        uint32_t own = own_of(coverage, index);
        if (own != UINT32_MAX)
            begin.gains[i] -= (double)excess_of(coverage, own, begin.self[i]);
        bool present = kernel_coverage_has_row(coverage, index);
        coverage->first_gain[index] = present ? (float)fmax(begin.gains[i], 0) : input->alone != NULL ? input->alone[index] : 0;
        keep_listed(&begin, coverage, i);
    }
}

/* --- the references are the candidates ---------------------------------------------------------------------------------- */

/* Kernel values of one block on or above the diagonal, and of its mirror image. */
static void square_tile(void *context, size_t tile, unsigned worker)
{
    struct kernel_coverage *coverage = context;
    const struct kernel_points *points = &coverage->input.references;
    size_t row = 0;
    size_t blocks = (points->count + COVERAGE_TILE - 1) / COVERAGE_TILE;
    for (; tile >= blocks - row; row++)
        tile -= blocks - row;
    size_t from = row * COVERAGE_TILE;
    size_t at = (row + tile) * COVERAGE_TILE;
    struct kernel_points rows = kernel_coverage_references(coverage, from, COVERAGE_TILE);
    struct kernel_points columns = kernel_coverage_references(coverage, at, COVERAGE_TILE);
    size_t count = points->count;
    float *values = coverage->scratch + worker * coverage->scratch_size;
    kernel_distances(rows.values, rows.norm2, rows.count, &columns, values);
    kernel_similarities(values, rows.count * columns.count, coverage->input.scale);
    for (size_t i = 0; i < rows.count; i++)
        memcpy(coverage->matrix + (from + i) * count + at, values + i * columns.count, columns.count * sizeof *values);
    for (size_t j = 0; j < columns.count; j++) {
        float *mirror = coverage->matrix + (at + j) * count + from;
        for (size_t i = 0; i < rows.count; i++)
            mirror[i] = values[i * columns.count + j];
    }
}

static float first_gain(const struct kernel_coverage *coverage, uint32_t index)
{
    const float *alone = coverage->input.alone;
    return coverage->rows[index].values != NULL ? kernel_coverage_gain(coverage, index) : alone != NULL ? alone[index] : 0;
}

static void square_gain_tile(void *context, size_t tile, unsigned worker)
{
    (void)worker;
    struct kernel_coverage *coverage = context;
    for (size_t i = tile * COVERAGE_TILE; i < coverage->input.candidates.count && i < (tile + 1) * COVERAGE_TILE; i++)
        coverage->first_gain[i] = first_gain(coverage, (uint32_t)i);
}

/* Memory by large pages where there are any: with small ones a first touch costs as much as the values do. */
static float *allocate_large(size_t count)
{
    const size_t page = (size_t)2 << 20;
    size_t bytes = (count * sizeof(float) + page - 1) / page * page;
    float *memory = aligned_alloc(page, bytes);
    if (memory != NULL)
        madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static enum kernel_status begin_square(struct kernel_coverage *coverage)
{
    size_t candidates = coverage->input.candidates.count;
    size_t count = coverage->input.references.count;
    size_t blocks = (count + COVERAGE_TILE - 1) / COVERAGE_TILE;
    coverage->matrix = allocate_large(count * count);
    if (coverage->matrix == NULL)
        return KERNEL_NO_MEMORY;
    for (uint32_t i = 0; i < candidates; i++) {
        uint32_t own = own_of(coverage, i);
        if (own != UINT32_MAX)
            coverage->rows[i] =
                (struct kernel_similarity_row){.values = coverage->matrix + own * count, .count = count, .all = count};
    }
    bool done = kernel_team_run(coverage->team, blocks * (blocks + 1) / 2, square_tile, coverage) &&
                kernel_team_run(coverage->team, (candidates + COVERAGE_TILE - 1) / COVERAGE_TILE, square_gain_tile, coverage);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status kernel_coverage_first_pass(struct kernel_coverage *coverage)
{
    size_t references = coverage->input.references.count;
    if (coverage->input.square && references > 0 && references <= square_max / sizeof(float) / references)
        return begin_square(coverage);
    size_t tiles = (coverage->input.candidates.count + COVERAGE_TILE - 1) / COVERAGE_TILE;
    return kernel_team_run(coverage->team, tiles, begin_tile, coverage) ? KERNEL_OK : KERNEL_STOPPED;
}
