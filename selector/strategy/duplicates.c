/*
 * duplicates.c - select_duplicates and select_outliers: what a policy's filters go by, for all rows and told to the caller.
 */
#include "selector/kernel/ball_pairs.h"
#include "selector/kernel/components.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/job.h"
#include "selector/strategy/usual.h"

#include <math.h>
#include <stdlib.h>

enum { TILE = 128 };

/* What both calls share. */
struct call {
    const struct kernel_rows *rows;
    select_progress_fn *progress;
    void *progress_context;
    struct kernel_team *team;
    uint32_t *present; /* [count] slots, rising */
    size_t count;
    struct select_usual *usual;
    size_t steps; /* of work; 0: not known yet */
    atomic_size_t done;
    float *scratch; /* for each worker */
    float *score;   /* of select_outliers */
};

static bool stop(void *context)
{
    const struct call *call = context;
    double done = call->steps > 0 ? (double)atomic_load(&call->done) / (double)call->steps : 0;
    return call->progress(call->progress_context, done < 1 ? done : 1);
}

static enum select_status call_init(
    struct call *call, const struct kernel_rows *rows, unsigned threads, struct select_error *error)
{
    if (rows->count >= UINT32_MAX)
        return select_fail(error, SELECT_BAD_INPUT, "rows", "fewer than 2^32 - 1", "%zu", rows->count);
    if (rows->width == 0)
        return select_fail(error, SELECT_BAD_INPUT, "rows", "at least 1 element", "0");
    call->rows = rows;
    call->team = kernel_team_new(threads, call->progress != NULL ? stop : NULL, call);
    call->present = malloc((rows->count + 1) * sizeof *call->present);
    if (call->team == NULL || call->present == NULL)
        return SELECT_NO_MEMORY;
    for (size_t i = 0; i < rows->count; i++) {
        if (kernel_row(rows, i) != NULL)
            call->present[call->count++] = (uint32_t)i;
    }
    return SELECT_OK;
}

static void call_deinit(struct call *call)
{
    select_usual_deinit(call->usual);
    kernel_team_free(&call->team);
    free(call->present);
    free(call->scratch);
}

/* --- duplicates --------------------------------------------------------------------------------------------------------- */

/* From each row's first of its group (a place among the present ones) to numbers of groups that have more than one row. */
static bool number_groups(const struct call *call, const uint32_t *first, struct select_duplicates *duplicates)
{
    uint32_t *number = calloc(call->count + 1, sizeof *number);
    if (number == NULL)
        return false;
    for (size_t i = 0; i < call->count; i++)
        number[first[i]] += first[i] != i;
    duplicates->groups = 0;
    for (size_t i = 0; i < call->count; i++)
        number[i] = number[i] > 0 ? (uint32_t)++duplicates->groups : 0;
    for (size_t i = 0; i < call->rows->count; i++)
        duplicates->group[i] = 0;
    for (size_t i = 0; i < call->count; i++)
        duplicates->group[call->present[i]] = number[first[i]];
    free(number);
    return true;
}

static enum select_status find_radius(struct call *call, struct select_duplicates *duplicates)
{
    if (duplicates->radius > 0)
        return SELECT_OK;
    enum select_status status = select_usual_init(call->usual, call->team, call->rows, call->present, call->count);
    duplicates->radius = sqrt(USUAL_DUPLICATE_SHARE * (double)call->usual->spacing);
    return status;
}

static enum select_status find_duplicates(struct call *call, struct select_duplicates *duplicates)
{
    uint32_t *first = malloc((call->count + 1) * sizeof *first);
    enum select_status status = first != NULL ? find_radius(call, duplicates) : SELECT_NO_MEMORY;
    if (status == SELECT_OK && call->count > 0) {
        /* As far apart as the radius is near enough: what is below the next number is not above this one. */
        float radius2 = nextafterf((float)(duplicates->radius * duplicates->radius), INFINITY);
        call->steps = kernel_ball_pairs_steps(call->count);
        status = select_status_of(
            kernel_components(call->team, call->rows, call->present, call->count, radius2, 0, first, &call->done));
    }
    if (status == SELECT_OK && !number_groups(call, first, duplicates))
        status = SELECT_NO_MEMORY;
    free(first);
    return status;
}

enum select_status select_duplicates(
    const struct kernel_rows *rows, struct select_duplicates *duplicates, struct select_error *error)
{
    if (!(duplicates->radius >= 0 && duplicates->radius < 1e18))
        return select_fail(error, SELECT_BAD_INPUT, "radius", "0 or more, and less than 1e18", "%g", duplicates->radius);
    struct select_usual usual = {0};
    struct call call = {.progress = duplicates->progress, .progress_context = duplicates->progress_context, .usual = &usual};
    enum select_status status = call_init(&call, rows, duplicates->threads, error);
    if (status == SELECT_OK)
        status = find_duplicates(&call, duplicates);
    call_deinit(&call);
    return status;
}

/* --- outliers ----------------------------------------------------------------------------------------------------------- */

static void score_tile(void *context, size_t tile, unsigned worker)
{
    struct call *call = context;
    size_t from = tile * TILE;
    size_t count = call->count - from < TILE ? call->count - from : TILE;
    float distances2[TILE];
    float *scratch = call->scratch + worker * select_usual_scratch(call->usual, TILE);
    select_usual_distances(call->usual, call->present + from, count, scratch, distances2);
    for (size_t i = 0; i < count; i++) {
        /* Among equal rows nothing is usual but to be equal. */
        float score = distances2[i] > 0 ? distances2[i] / call->usual->spacing : 0;
        call->score[call->present[from + i]] = isfinite(distances2[i]) ? score : 0;
    }
    atomic_fetch_add(&call->done, 1);
}

static enum select_status score(struct call *call, struct select_outliers *outliers)
{
    enum select_status status = select_usual_init(call->usual, call->team, call->rows, call->present, call->count);
    if (status != SELECT_OK)
        return status;
    size_t scratch = kernel_team_size(call->team) * select_usual_scratch(call->usual, TILE);
    call->scratch = malloc((scratch + 1) * sizeof *call->scratch);
    if (call->scratch == NULL)
        return SELECT_NO_MEMORY;
    call->score = outliers->score;
    for (size_t i = 0; i < call->rows->count; i++)
        outliers->score[i] = 0;
    call->steps = (call->count + TILE - 1) / TILE;
    outliers->radius = sqrt((double)call->usual->spacing);
    outliers->bound = call->usual->spacing > 0 ? (double)call->usual->isolation / (double)call->usual->spacing : INFINITY;
    return kernel_team_run(call->team, call->steps, score_tile, call) ? SELECT_OK : SELECT_CANCELED;
}

enum select_status select_outliers(const struct kernel_rows *rows, struct select_outliers *outliers, struct select_error *error)
{
    struct select_usual usual = {0};
    struct call call = {.progress = outliers->progress, .progress_context = outliers->progress_context, .usual = &usual};
    enum select_status status = call_init(&call, rows, outliers->threads, error);
    if (status == SELECT_OK)
        status = score(&call, outliers);
    call_deinit(&call);
    return status;
}
