/*
 * explain.c - the terms of a pick that are filled in once all picks are made.
 *
 * Many strategies read no predictions. Their picks are told the predicted class all the same, from a view of the picks' own
 * rows: a pass over all predictions of a large pool would cost more than the selection.
 */
#include "selector/strategy/explain.h"

#include "selector/kernel/vector.h"
#include "selector/strategy/predictions.h"

#include <stdlib.h>

/* Views of some samples' predictions, row by row, in the place of those of all. */
struct picked {
    struct select_input input;
    struct kernel_rows probabilities;
    struct kernel_topk topk;
    struct kernel_rows objects;
    struct kernel_rows *draws; /* [draw_count] */
    uint64_t *object_first;    /* [count + 1] */
    const void **blocks;       /* of all the views, one after another */
};

/* Rows slots[0..count) of a view; takes `count` of *blocks. */
static void view_rows(const struct kernel_rows *rows, const struct select_pick *picks, size_t count, const void ***blocks,
    struct kernel_rows *view)
{
    *view = *rows;
    view->count = count;
    view->rows_per_block = 1;
    view->present = NULL;
    view->blocks = *blocks;
    for (size_t i = 0; i < count; i++)
        *(*blocks)++ = kernel_row(rows, picks[i].slot);
}

static void view_topk(const struct kernel_topk *topk, const struct select_pick *picks, size_t count, const void ***blocks,
    struct kernel_topk *view)
{
    const struct kernel_rows *rows = &topk->probability;
    *view = *topk;
    view_rows(rows, picks, count, blocks, &view->probability);
    view->class_blocks = *blocks;
    for (size_t i = 0; i < count; i++) {
        size_t slot = picks[i].slot;
        const char *block = topk->class_blocks[slot / rows->rows_per_block];
        *(*blocks)++ = block != NULL ? block + slot % rows->rows_per_block * topk->class_row_bytes : NULL;
    }
}

static void view_objects(struct picked *picked, const struct select_input *input, const struct select_pick *picks, size_t count,
    const void ***blocks)
{
    size_t found = 0;
    picked->objects = *input->objects;
    picked->objects.rows_per_block = 1;
    picked->objects.present = NULL;
    picked->objects.blocks = *blocks;
    for (size_t i = 0; i < count; i++) {
        picked->object_first[i] = found;
        for (uint64_t o = input->object_first[picks[i].slot]; o < input->object_first[picks[i].slot + 1]; o++, found++)
            *(*blocks)++ = kernel_row(input->objects, o);
    }
    picked->object_first[count] = found;
    picked->objects.count = found;
}

static size_t objects_of(const struct select_input *input, const struct select_pick *picks, size_t count)
{
    size_t objects = 0;
    for (size_t i = 0; input->objects != NULL && i < count; i++)
        objects += (size_t)(input->object_first[picks[i].slot + 1] - input->object_first[picks[i].slot]);
    return objects;
}

/* False without memory. */
static bool picked_init(struct picked *picked, const struct select_input *input, const struct select_pick *picks, size_t count)
{
    *picked = (struct picked){.input = *input};
    size_t blocks = (3 + input->draw_count) * count + objects_of(input, picks, count);
    picked->draws = malloc((input->draw_count + 1) * sizeof *picked->draws);
    picked->object_first = malloc((count + 1) * sizeof *picked->object_first);
    picked->blocks = malloc((blocks + 1) * sizeof *picked->blocks);
    if (picked->draws == NULL || picked->object_first == NULL || picked->blocks == NULL)
        return false;
    const void **next = picked->blocks;
    picked->input.n = count;
    if (input->probabilities != NULL) {
        view_rows(input->probabilities, picks, count, &next, &picked->probabilities);
        picked->input.probabilities = &picked->probabilities;
    }
    if (input->topk != NULL) {
        view_topk(input->topk, picks, count, &next, &picked->topk);
        picked->input.topk = &picked->topk;
    }
    if (input->objects != NULL) {
        view_objects(picked, input, picks, count, &next);
        picked->input.objects = &picked->objects;
        picked->input.object_first = picked->object_first;
    }
    for (size_t d = 0; input->draws != NULL && d < input->draw_count; d++)
        view_rows(&input->draws[d], picks, count, &next, &picked->draws[d]);
    picked->input.draws = input->draws != NULL ? picked->draws : NULL;
    return true;
}

static void picked_deinit(struct picked *picked)
{
    free(picked->draws);
    free(picked->object_first);
    free(picked->blocks);
}

/* Predicts the picks alone. */
static enum select_status predict(const struct select_job *job, struct select_pick *picks, size_t count)
{
    struct picked picked;
    struct select_job alone = {.input = &picked.input, .policy = job->policy, .team = job->team};
    enum select_status status = SELECT_NO_MEMORY;
    if (picked_init(&picked, job->input, picks, count))
        status = select_job_scores(&alone, 1, false);
    for (size_t i = 0; status == SELECT_OK && i < count; i++)
        picks[i].predicted = alone.predicted != NULL ? alone.predicted[i] : -1;
    free(alone.first);
    free(alone.second);
    free(alone.predicted);
    picked_deinit(&picked);
    return status;
}

enum select_status select_job_explain(struct select_job *job)
{
    size_t count = job->result->count + job->result->spare_count;
    for (size_t i = 0; i < count; i++) {
        struct select_pick *pick = &job->result->picks[i];
        pick->predicted = job->predicted != NULL ? job->predicted[pick->slot] : -1;
        pick->uncertainty = job->uncertainty != NULL ? (double)job->uncertainty[pick->slot] : 0;
        pick->class_weight = select_job_class_weight(job, pick->slot);
        pick->slice_weight = select_job_slice_weight(job, pick->slot);
    }
    return job->predicted == NULL && count > 0 ? predict(job, job->result->picks, count) : SELECT_OK;
}
