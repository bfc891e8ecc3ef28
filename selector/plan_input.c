#include "selector/plan_input.h"

#include "store/label.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum select_state state_of(const struct sample *sample)
{
    switch ((enum sample_state)sample->state) {
    case SAMPLE_POOL:
        return SELECT_CANDIDATE;
    case SAMPLE_RESERVED:
    case SAMPLE_LEASED:
        return SELECT_IN_FLIGHT;
    case SAMPLE_LABELED:
        return SELECT_LABELED;
    case SAMPLE_REJECTED:
        return sample->flags & SAMPLE_NONE_OF_THESE ? SELECT_REFUSED : SELECT_EXCLUDED;
    default:
        return SELECT_EXCLUDED;
    }
}

static bool allocate(struct plan_input *input, size_t samples)
{
    input->state = malloc(samples + 1);
    input->label = malloc((samples + 1) * sizeof *input->label);
    input->price = malloc((samples + 1) * sizeof *input->price);
    input->group = malloc((samples + 1) * sizeof *input->group);
    input->tags = malloc((samples + 1) * sizeof *input->tags);
    return input->state && input->label && input->price && input->group && input->tags;
}

static void fill(struct plan_input *input, struct txn *state, const struct project *project, size_t samples, uint32_t type)
{
    const struct key prefix = key_project(project->number);
    struct cursor cursor;
    size_t slot = 0;
    cursor_open(&cursor, state, STATE_SAMPLES, &prefix, NULL);
    for (; slot < samples && cursor_next(&cursor); slot++) {
        struct sample sample;
        if (cursor.data.size != sizeof sample)
            break;
        memcpy(&sample, cursor.data.data, sizeof sample);
        const enum select_state now = state_of(&sample);
        input->state[slot] = (uint8_t)now;
        input->label[slot] = now == SELECT_LABELED ? sample.label : LABEL_NO_CLASS;
        input->price[slot] = type > 0 ? project->settings.types[type - 1].price_microusd : sample_price(project, &sample);
        input->group[slot] = sample.group;
        input->tags[slot] = sample.tags;
    }
    cursor_close(&cursor);
    if (slot < samples)
        txn_corrupt(state);
}

bool plan_input_init(struct plan_input *input, struct txn *state, const struct project *project, size_t samples, uint32_t type)
{
    memset(input, 0, sizeof *input);
    if (!allocate(input, samples)) {
        state->status = DATABASE_NO_MEMORY;
        return false;
    }
    fill(input, state, project, samples, type);
    input->select = (struct select_input){
        .n = samples,
        .classes = project->settings.classes,
        .state = input->state,
        .label = input->label,
        .price = input->price,
        .group = input->group,
        .tags = input->tags,
    };
    return state->status == DATABASE_OK;
}

void plan_input_deinit(struct plan_input *input)
{
    column_view_deinit(&input->probabilities_view);
    column_view_deinit(&input->draws_view);
    column_view_deinit(&input->topk_view);
    column_view_deinit(&input->utility_view);
    column_view_deinit(&input->embeddings_view);
    free(input->draws);
    free(input->draw_blocks);
    free(input->state);
    free(input->label);
    free(input->price);
    free(input->group);
    free(input->tags);
    memset(input, 0, sizeof *input);
}

/* --- columns ------------------------------------------------------------------------------------------------------------ */

static struct kernel_rows rows_of(const struct column_view *view)
{
    return (struct kernel_rows){
        .count = view->count,
        .width = view->column.width,
        .row_bytes = view->row_bytes,
        .dtype = view->column.dtype == ARRAY_F4 ? KERNEL_F32 : KERNEL_F16,
        .rows_per_block = COLUMN_BLOCK_ROWS,
        .blocks = view->blocks,
        .present = view->present,
    };
}

/*
 * Opens one view. As recorded: the column must not have been rewritten since, and rows that came later are hidden. True where
 * the view is there, or rightly isn't.
 */
static bool open_view(struct column_view *view, struct txn *vectors, const struct column_id *id, size_t samples,
    struct plan_column *mark, bool as_recorded, const char *what, struct protocol_error *error)
{
    struct column column;
    const bool exists = column_get(vectors, id, &column);
    if (as_recorded) {
        if (mark->high == 0)
            return true;
        if (!exists)
            return protocol_fail(
                error, PROTOCOL_NOT_FOUND, "batch", "a batch whose predictions and embeddings are kept", "%s are gone", what);
        if (column.rewrites != mark->rewrites)
            return protocol_fail(
                error, PROTOCOL_CONFLICT, "batch", "a batch whose inputs are as they were", "%s were pushed again since", what);
    } else {
        *mark = exists ? (struct plan_column){column.high, column.rewrites} : (struct plan_column){0, 0};
    }
    if (exists && !column_view_init(view, vectors, id, samples, (size_t)mark->high))
        return protocol_fail(error, PROTOCOL_INTERNAL, "", "", "%s", database_status_text(vectors->status));
    return true;
}

/* Views of the draws one by one: the blocks of all, each a draw's width further. */
static bool split_draws(struct plan_input *input)
{
    const struct kernel_rows all = rows_of(&input->draws_view);
    const size_t width = input->probabilities_view.column.width;
    const size_t draw_bytes = width * array_dtype_size((enum array_dtype)input->draws_view.column.dtype);
    const size_t count = all.width / width;
    const size_t blocks = (all.count + COLUMN_BLOCK_ROWS - 1) / COLUMN_BLOCK_ROWS;
    input->draws = malloc((count + 1) * sizeof *input->draws);
    input->draw_blocks = malloc((count * blocks + 1) * sizeof *input->draw_blocks);
    if (!input->draws || !input->draw_blocks)
        return false;
    for (size_t draw = 0; draw < count; draw++) {
        const void **at = input->draw_blocks + draw * blocks;
        for (size_t i = 0; i < blocks; i++)
            at[i] = all.blocks[i] ? (const uint8_t *)all.blocks[i] + draw * draw_bytes : NULL;
        input->draws[draw] = all;
        input->draws[draw].width = width;
        input->draws[draw].blocks = at;
    }
    input->select.draws = input->draws;
    input->select.draw_count = count;
    return true;
}

/* Draws are written with their means, row for row: what is recorded of the one column is true of the other. */
static bool open_draws(struct plan_input *input, struct txn *vectors, const struct column_id *id,
    const struct plan_column *means, struct protocol_error *error)
{
    struct column column;
    if (!input->probabilities_view.blocks || !column_get(vectors, id, &column))
        return true;
    const uint32_t classes = input->probabilities_view.column.width;
    const size_t samples = input->probabilities_view.count;
    if (classes == 0 || column.width % classes != 0)
        txn_corrupt(vectors);
    if (vectors->status != DATABASE_OK || !column_view_init(&input->draws_view, vectors, id, samples, (size_t)means->high))
        return protocol_fail(error, PROTOCOL_INTERNAL, "", "", "%s", database_status_text(vectors->status));
    return split_draws(input) || protocol_fail(error, PROTOCOL_INTERNAL, "", "", "out of memory");
}

bool plan_input_open_columns(struct plan_input *input, struct txn *vectors, uint32_t project, struct plan_inputs *inputs,
    bool as_recorded, struct protocol_error *error)
{
    const size_t samples = (size_t)inputs->samples;
    const int64_t version = inputs->model_version;
    if (!as_recorded && inputs->space[0] == '\0') {
        struct column_id first;
        if (column_first_space(vectors, project, &first))
            memcpy(inputs->space, first.name, first.name_size);
    }
    const struct column_id probabilities = column_of_model(project, COLUMN_PROBABILITIES, version);
    const struct column_id draws = column_of_model(project, COLUMN_DRAWS, version);
    const struct column_id topk = column_of_model(project, COLUMN_TOPK, version);
    const struct column_id utility = column_of_model(project, COLUMN_UTILITY, version);
    const struct column_id embeddings = column_of_space(project, inputs->space, strlen(inputs->space));
    struct column space;
    if (!as_recorded && inputs->space[0] != '\0' && !column_get(vectors, &embeddings, &space))
        return protocol_fail(error, PROTOCOL_NOT_FOUND, "space", "an embedding space that was pushed", "%s", inputs->space);
    if (!open_view(&input->probabilities_view, vectors, &probabilities, samples, &inputs->probabilities, as_recorded,
            "predictions", error) ||
        !open_draws(input, vectors, &draws, &inputs->probabilities, error) ||
        !open_view(&input->topk_view, vectors, &topk, samples, &inputs->topk, as_recorded, "predictions", error) ||
        !open_view(&input->utility_view, vectors, &utility, samples, &inputs->utility, as_recorded, "utilities", error) ||
        !open_view(
            &input->embeddings_view, vectors, &embeddings, samples, &inputs->embeddings, as_recorded, "embeddings", error))
        return false;
    input->probabilities = rows_of(&input->probabilities_view);
    input->topk =
        (struct kernel_topk){rows_of(&input->topk_view), input->topk_view.class_blocks, input->topk_view.class_row_bytes};
    input->utility = rows_of(&input->utility_view);
    input->embeddings = rows_of(&input->embeddings_view);
    input->select.probabilities = input->probabilities_view.blocks ? &input->probabilities : NULL;
    input->select.topk = input->topk_view.blocks ? &input->topk : NULL;
    input->select.utility = input->utility_view.blocks ? &input->utility : NULL;
    input->select.embeddings = input->embeddings_view.blocks ? &input->embeddings : NULL;
    return true;
}

bool plan_input_recall_labels(struct plan_input *input, struct txn *state, uint32_t project, uint64_t label_seq)
{
    for (size_t slot = 0; slot < input->select.n; slot++)
        input->label[slot] = LABEL_NO_CLASS;
    const struct key prefix = key_project(project);
    struct cursor cursor;
    cursor_open(&cursor, state, STATE_LABELS, &prefix, NULL);
    while (cursor_next(&cursor) && key_read_u64((const uint8_t *)cursor.key.data + prefix.size) <= label_seq) {
        struct label label;
        if (!label_read(cursor.data, &label, NULL)) {
            txn_corrupt(state);
            break;
        }
        if (label.kind != LABEL_LATE && label.class_index != LABEL_NO_CLASS && label.slot < input->select.n)
            input->label[label.slot] = label.class_index;
    }
    cursor_close(&cursor);
    /* A sample that is being labelled again has a label, but is in flight: the selection was not shown it. */
    for (size_t slot = 0; slot < input->select.n; slot++)
        if (input->state[slot] != SELECT_LABELED)
            input->label[slot] = LABEL_NO_CLASS;
    return state->status == DATABASE_OK;
}
