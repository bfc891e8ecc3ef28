#include "selector/kernel/draws.h"

#include "selector/kernel/scores_rows.h"
#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS_TILE = 256 };

/* Of one worker: a group of rows at a time. */
struct scratch {
    float *mean;     /* [KERNEL_GROUP_MAX x width] */
    float *row;      /* [width] */
    int32_t *votes;  /* [KERNEL_GROUP_MAX x draws] */
    uint32_t *tally; /* [width] votes for each class; 0 between rows */
};

struct pass {
    const struct kernel_rows *draws;
    size_t count;
    const struct kernel_draw_scores *out;
    const struct kernel_score_path *path;
    kernel_score_rows_fn *score;
    struct scratch *scratch; /* [workers] */
};

/* A group of rows while draws are added to it. */
struct group {
    double entropy[KERNEL_GROUP_MAX]; /* sums over the draws */
    size_t members[KERNEL_GROUP_MAX]; /* draws that have the row */
};

struct results {
    float first[KERNEL_GROUP_MAX];
    float second[KERNEL_GROUP_MAX];
    int32_t place[KERNEL_GROUP_MAX];
    float entropy[KERNEL_GROUP_MAX];
};

static struct kernel_row_scores views(struct results *results)
{
    return (struct kernel_row_scores){results->first, results->second, results->place, results->entropy};
}

KERNEL_INLINE void add_body(float *sum, const float *row, size_t width)
{
    size_t j = 0;
    kernel_f8 a, b;
    for (; j + KERNEL_LANES <= width; j += KERNEL_LANES) {
        kernel_load8(sum + j, &a);
        kernel_load8(row + j, &b);
        a = a + b;
        kernel_store8(sum + j, &a);
    }
    for (; j < width; j++)
        sum[j] += row[j];
}

KERNEL_VARIANTS(add, (float *sum, const float *row, size_t width), (sum, row, width))

/* Adds what one draw says of rows from..from+count-1. */
static void add_draw(const struct pass *pass, const struct scratch *scratch, const struct kernel_rows *draw, size_t from,
    size_t count, struct group *group)
{
    const void *rows[KERNEL_GROUP_MAX];
    size_t of[KERNEL_GROUP_MAX];
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        rows[found] = kernel_row(draw, from + i);
        of[found] = i;
        found += rows[found] != NULL;
    }
    if (found == 0)
        return;
    struct results results;
    struct kernel_row_scores scores = views(&results);
    pass->score(rows, found, draw->width, draw->dtype, &scores);
    for (size_t j = 0; j < found; j++) {
        size_t i = of[j];
        kernel_widen(rows[j], draw->dtype, draw->width, scratch->row);
        add(scratch->mean + i * draw->width, scratch->row, draw->width);
        scratch->votes[i * pass->count + group->members[i]++] = results.place[j];
        group->entropy[i] += (double)results.entropy[j];
    }
}

/* Of one row's votes: the entropy of their shares, and the share of the commonest. */
static void count_votes(uint32_t *tally, const int32_t *votes, size_t count, double *entropy, double *commonest)
{
    *entropy = 0;
    *commonest = 0;
    for (size_t d = 0; d < count; d++)
        tally[votes[d]]++;
    for (size_t d = 0; d < count; d++) {
        double share = (double)tally[votes[d]] / (double)count;
        tally[votes[d]] = 0; /* each class counts once */
        *entropy -= share > 0 ? share * log(share) : 0;
        *commonest = share > *commonest ? share : *commonest;
    }
}

static void put_float(float *to, size_t i, double value)
{
    if (to != NULL)
        to[i] = value > 0 ? (float)value : 0;
}

static void put(const struct kernel_draw_scores *out, size_t i, const struct results *mean, size_t j, double entropy,
    double vote_entropy, double commonest)
{
    put_float(out->information, i, (double)mean->entropy[j] - entropy);
    put_float(out->vote_entropy, i, vote_entropy);
    put_float(out->variation, i, 1 - commonest);
    put_float(out->first, i, (double)mean->first[j]);
    put_float(out->second, i, (double)mean->second[j]);
    put_float(out->entropy, i, (double)mean->entropy[j]);
    if (out->predicted != NULL)
        out->predicted[i] = mean->place[j];
}

static void score_group(const struct pass *pass, const struct scratch *scratch, size_t from, size_t count)
{
    size_t width = pass->draws->width;
    struct group group = {0};
    memset(scratch->mean, 0, count * width * sizeof *scratch->mean);
    for (size_t d = 0; d < pass->count; d++)
        add_draw(pass, scratch, &pass->draws[d], from, count, &group);
    const void *rows[KERNEL_GROUP_MAX];
    for (size_t i = 0; i < count; i++) {
        float *mean = scratch->mean + i * width;
        for (size_t j = 0; j < width && group.members[i] > 0; j++)
            mean[j] /= (float)group.members[i];
        rows[i] = mean;
    }
    struct results results;
    struct kernel_row_scores scores = views(&results);
    pass->score(rows, count, width, KERNEL_F32, &scores);
    for (size_t i = 0; i < count; i++) {
        double members = (double)group.members[i];
        double vote_entropy = 0, commonest = 1;
        if (members > 0)
            count_votes(scratch->tally, scratch->votes + i * pass->count, group.members[i], &vote_entropy, &commonest);
        else
            results.place[i] = -1;
        put(pass->out, from + i, &results, i, members > 0 ? group.entropy[i] / members : 0, vote_entropy, commonest);
    }
}

static void draws_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    size_t rows = pass->draws->count;
    size_t end = (tile + 1) * ROWS_TILE < rows ? (tile + 1) * ROWS_TILE : rows;
    for (size_t i = tile * ROWS_TILE; i < end; i += pass->path->group_rows) {
        size_t count = end - i < pass->path->group_rows ? end - i : pass->path->group_rows;
        score_group(pass, &pass->scratch[worker], i, count);
    }
}

static bool scratch_init(struct scratch *scratch, size_t width, size_t draws)
{
    *scratch = (struct scratch){
        .mean = malloc(KERNEL_GROUP_MAX * width * sizeof *scratch->mean),
        .row = malloc(width * sizeof *scratch->row),
        .votes = malloc(KERNEL_GROUP_MAX * draws * sizeof *scratch->votes),
        .tally = calloc(width, sizeof *scratch->tally),
    };
    return scratch->mean != NULL && scratch->row != NULL && scratch->votes != NULL && scratch->tally != NULL;
}

static void scratch_deinit(struct scratch *scratch)
{
    free(scratch->mean);
    free(scratch->row);
    free(scratch->votes);
    free(scratch->tally);
}

enum kernel_status kernel_draws(
    struct kernel_team *team, const struct kernel_rows *draws, size_t count, const struct kernel_draw_scores *out)
{
    unsigned workers = kernel_team_size(team);
    const struct kernel_score_path *path = kernel_score_path();
    struct pass pass = {
        .draws = draws,
        .count = count,
        .out = out,
        .path = path,
        .score = draws->width >= path->narrow_min && draws->width <= path->narrow_max ? path->narrow : path->wide,
        .scratch = calloc(workers, sizeof *pass.scratch),
    };
    bool ok = pass.scratch != NULL;
    for (unsigned i = 0; ok && i < workers; i++)
        ok = scratch_init(&pass.scratch[i], draws->width, count);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (ok)
        status =
            kernel_team_run(team, (draws->count + ROWS_TILE - 1) / ROWS_TILE, draws_tile, &pass) ? KERNEL_OK : KERNEL_STOPPED;
    for (unsigned i = 0; pass.scratch != NULL && i < workers; i++)
        scratch_deinit(&pass.scratch[i]);
    free(pass.scratch);
    return status;
}
