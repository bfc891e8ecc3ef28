#include "selector/push.h"

#include "selector/push_rows.h"
#include "store/model.h"
#include "store/sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the parts ---------------------------------------------------------------------------------------------------------- */

static struct push_part *add_part(struct push *push, struct column_id id, const char *field, const struct array *array)
{
    struct push_part *part = &push->parts[push->part_count++];
    *part = (struct push_part){
        .id = id, .field = field, .dtype = array->dtype, .width = array->layers * array->width, .rows = array->data};
    return part;
}

static struct push_part *add_prediction(struct push *push, enum column_kind kind, const char *field, const struct array *array)
{
    return add_part(push, column_of_model(push->project.number, kind, push->version), field, array);
}

static bool no_memory(struct request *request)
{
    return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
}

/* Every array of a push has as many rows. */
static bool check_rows(struct push *push, struct request *request, const char *field, const struct array *array)
{
    if (request->error.code)
        return false;
    if (push->count == SIZE_MAX)
        push->count = array->rows;
    return push->count == array->rows || protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, field, "one row a sample",
                                             "%zu rows for %zu samples", array->rows, push->count);
}

static bool check_width(struct request *request, const char *field, const struct array *array, size_t width)
{
    return array->width == width || protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, field, "one column a class",
                                        "%zu columns for %zu classes", array->width, width);
}

/* The column must be new, or have this dtype and width. */
static bool check_column(struct request *request, struct txn *vectors, const struct push_part *part)
{
    struct column column;
    if (!column_get(vectors, &part->id, &column) || (column.dtype == part->dtype && column.width == part->width))
        return true;
    char expected[64];
    const char *unit = part->id.kind == COLUMN_DRAWS ? "draws x classes" : "columns";
    snprintf(expected, sizeof expected, "%s with %" PRIu32 " %s, as pushed before",
        array_dtype_name((enum array_dtype)column.dtype), column.width, unit);
    return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, part->field, expected, "%s with %zu %s",
        array_dtype_name(part->dtype), part->width, unit);
}

static bool read_probs(struct push *push, struct request *request)
{
    const struct array probs = reader_array(&request->fields, "probs", ARRAY_FLOATS, 2);
    if (!check_rows(push, request, "probs", &probs) || !check_width(request, "probs", &probs, push->project.settings.classes) ||
        !push_check_probabilities(request, "probs", &probs, true))
        return false;
    add_prediction(push, COLUMN_PROBABILITIES, "probs", &probs);
    return true;
}

static bool read_logits(struct push *push, struct request *request)
{
    const struct array logits = reader_array(&request->fields, "logits", ARRAY_FLOATS, 2);
    if (!check_rows(push, request, "logits", &logits) ||
        !check_width(request, "logits", &logits, push->project.settings.classes) ||
        !push_check_finite(request, "logits", &logits))
        return false;
    struct push_part *part = add_prediction(push, COLUMN_PROBABILITIES, "logits", &logits);
    part->rows = part->converted_rows = malloc(logits.bytes + 1);
    if (!part->converted_rows)
        return no_memory(request);
    push_soften(&logits, part->converted_rows);
    return true;
}

/* The draws, and their mean in the place of probabilities. */
static bool read_draws(struct push *push, struct request *request)
{
    const struct array draws = reader_array(&request->fields, "draws", ARRAY_FLOATS, 3);
    if (!check_rows(push, request, "draws", &draws) || !check_width(request, "draws", &draws, push->project.settings.classes))
        return false;
    if (draws.layers < PUSH_DRAWS_MIN || draws.layers > PUSH_DRAWS_MAX || draws.layers * draws.width > PUSH_DRAWS_WIDTH_MAX)
        return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, "draws",
            "shape [n, draws, classes] with 2 to 64 draws, draws x classes at most 65536", "%zu draws of %zu classes",
            draws.layers, draws.width);
    if (!push_check_probabilities(request, "draws", &draws, true))
        return false;
    struct push_part *mean = add_prediction(push, COLUMN_PROBABILITIES, "draws", &draws);
    mean->width = draws.width;
    mean->rows = mean->converted_rows = malloc(draws.bytes / draws.layers + 1);
    if (!mean->converted_rows)
        return no_memory(request);
    push_average(&draws, mean->converted_rows);
    add_prediction(push, COLUMN_DRAWS, "draws", &draws);
    return true;
}

static bool read_topk(struct push *push, struct request *request)
{
    struct reader inner = {
        reader_map(&request->fields, "topk"), request->fields.frames, request->fields.frame_count, &request->error};
    const struct array classes = reader_array(&inner, "classes", ARRAY_BIT(ARRAY_U2) | ARRAY_BIT(ARRAY_U4), 2);
    const struct array probs = reader_array(&inner, "probs", ARRAY_FLOATS, 2);
    const size_t class_count = push->project.settings.classes;
    if (!check_rows(push, request, "topk", &classes) || !check_rows(push, request, "topk", &probs))
        return false;
    if (classes.width != probs.width || classes.width < 1 || classes.width > class_count || classes.width > 256)
        return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, "topk",
            "classes and probs of shape [n, k], k from 1 to the classes, at most 256", "%zu and %zu columns", classes.width,
            probs.width);
    if (!push_check_topk(request, "topk", &classes, &probs, class_count))
        return false;
    struct push_part *part = add_prediction(push, COLUMN_TOPK, "topk", &probs);
    part->classes = classes.data;
    if (classes.dtype == ARRAY_U2)
        return true;
    const size_t count = classes.rows * classes.width;
    uint16_t *narrow = malloc((count + 1) * sizeof *narrow);
    part->converted_classes = narrow;
    part->classes = (const uint8_t *)narrow;
    if (!narrow)
        return no_memory(request);
    for (size_t i = 0; i < count; i++)
        narrow[i] = (uint16_t)array_integer(&classes, i);
    return true;
}

static bool read_utility(struct push *push, struct request *request)
{
    const struct array utility = reader_array(&request->fields, "utility", ARRAY_FLOATS, 1);
    if (!check_rows(push, request, "utility", &utility) || !push_check_finite(request, "utility", &utility))
        return false;
    add_prediction(push, COLUMN_UTILITY, "utility", &utility);
    return true;
}

static bool read_embeddings(struct push *push, struct request *request)
{
    const struct text space = reader_text(&request->fields, "space", 1, SPACE_NAME_MAX);
    const struct array embeddings = reader_array(&request->fields, "embeddings", ARRAY_FLOATS, 2);
    if (request->error.code)
        return false;
    if (!text_is_name(space, SPACE_NAME_MAX, "@"))
        return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, "space", "1 to 64 of A-Z a-z 0-9 . _ - @", "%.*s",
            (int)space.size, space.data);
    if (embeddings.width < 1 || embeddings.width > PUSH_WIDTH_MAX)
        return protocol_fail(
            &request->error, PROTOCOL_BAD_REQUEST, "embeddings", "1 to 16384 columns", "%zu", embeddings.width);
    if (!check_rows(push, request, "embeddings", &embeddings) || !push_check_finite(request, "embeddings", &embeddings))
        return false;
    add_part(push, column_of_space(push->project.number, space.data, space.size), "embeddings", &embeddings);
    return true;
}

/* --- the whole ---------------------------------------------------------------------------------------------------------- */

static bool read_version(struct push *push, struct request *request, struct txn *state)
{
    struct model model;
    const int64_t active = push->project.counters.model_version;
    push->version = reader_integer(&request->fields, "model_version", 1, INT64_MAX);
    push->activate = reader_bool_or(&request->fields, "activate", false);
    push->active = push->version == active;
    if (request->error.code)
        return false;
    if (push->version < active)
        return protocol_fail(&request->error, PROTOCOL_STALE_MODEL, "model_version", "no version older than the active one",
            "%" PRId64 " while %" PRId64 " is active", push->version, active);
    if (!model_check_not_dropped(state, push->project.number, push->version, &request->error))
        return false;
    return push->activate || push->active || model_get(state, push->project.number, push->version, &model) ||
           protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "model_version", "a version that was begun, or activate: true",
               "%" PRId64, push->version);
}

static bool has_column(const struct push *push, struct txn *vectors, enum column_kind kind)
{
    struct column column;
    const struct column_id id = column_of_model(push->project.number, kind, push->version);
    return column_get(vectors, &id, &column);
}

/* A model version's predictions are all top-k, or all dense without draws, or all dense with them. */
static bool check_one_form(struct push *push, struct request *request, struct txn *vectors, const char *form)
{
    const bool had_dense = has_column(push, vectors, COLUMN_PROBABILITIES);
    const bool had_draws = has_column(push, vectors, COLUMN_DRAWS);
    const bool had_topk = has_column(push, vectors, COLUMN_TOPK);
    bool same = !had_topk && (!had_dense || had_draws == reader_has(&request->fields, "draws"));
    if (reader_has(&request->fields, "topk"))
        same = !had_dense;
    return same ||
           protocol_fail(&request->error, PROTOCOL_CONFLICT, form, "the form this version was pushed in before", "another one");
}

/* The one form that the predictions come in; NULL where there are none, or, with an error, several. */
static const char *find_form(struct request *request)
{
    static const char *const forms[] = {"probs", "logits", "draws", "topk"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (!reader_has(&request->fields, forms[i]))
            continue;
        if (found) {
            protocol_fail(
                &request->error, PROTOCOL_BAD_REQUEST, forms[i], "at most one of probs, logits, draws, topk", "%s too", found);
            return NULL;
        }
        found = forms[i];
    }
    return found;
}

static bool read_predictions(struct push *push, struct request *request, struct txn *vectors)
{
    const struct reader *fields = &request->fields;
    const char *form = find_form(request);
    const bool utility = reader_has(fields, "utility");
    const bool embeddings = reader_has(fields, "embeddings");
    if (request->error.code)
        return false;
    if (!form && !utility && !embeddings)
        return reader_reject(
            &request->fields, "probs", "at least one of probs, logits, draws, topk, utility, embeddings", "none");
    return (!form || check_one_form(push, request, vectors, form)) &&
           (!reader_has(fields, "probs") || read_probs(push, request)) &&
           (!reader_has(fields, "logits") || read_logits(push, request)) &&
           (!reader_has(fields, "draws") || read_draws(push, request)) &&
           (!reader_has(fields, "topk") || read_topk(push, request)) && (!utility || read_utility(push, request)) &&
           (!embeddings || read_embeddings(push, request));
}

static bool resolve(struct push *push, struct request *request, const struct sample_names *names, struct txn *state)
{
    if (push->count > READER_SAMPLES_MAX)
        return protocol_fail(
            &request->error, PROTOCOL_TOO_LARGE, "slots", "at most 262144 samples in one request", "%zu", push->count);
    push->slots = malloc((push->count + 1) * sizeof *push->slots);
    if (!push->slots)
        return no_memory(request);
    return samples_resolve(state, &push->project, names, push->count, push->slots, &request->error);
}

bool push_read(struct push *push, struct request *request, struct txn *state, struct txn *vectors)
{
    memset(push, 0, sizeof *push);
    if (!project_find(state, request->project, &push->project, &request->error))
        return false;
    const struct sample_names names = reader_samples(&request->fields, true);
    push->count = names.kind == SAMPLES_FROM ? SIZE_MAX : names.count;
    if (request->error.code)
        return false;
    const bool read = request->operation == OPERATION_EMB_PUT
                          ? read_embeddings(push, request)
                          : read_version(push, request, state) && read_predictions(push, request, vectors);
    if (!read || !resolve(push, request, &names, state))
        return false;
    for (size_t i = 0; i < push->part_count; i++)
        if (!check_column(request, vectors, &push->parts[i]))
            return false;
    return true;
}

void push_deinit(struct push *push)
{
    for (size_t i = 0; i < push->part_count; i++) {
        free(push->parts[i].converted_rows);
        free(push->parts[i].converted_classes);
    }
    free(push->slots);
    memset(push, 0, sizeof *push);
}

void push_write(const struct push *push, struct txn *vectors)
{
    for (size_t i = 0; i < push->part_count; i++) {
        const struct push_part *part = &push->parts[i];
        const struct column_rows rows = {
            .count = push->count, .slots = push->slots, .rows = part->rows, .classes = part->classes};
        column_write(vectors, &part->id, part->dtype, part->width, &rows);
    }
}
