#include "selector/push.h"

#include "selector/half.h"
#include "selector/kernel/finite.h"
#include "store/model.h"
#include "store/sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* How far a row of probabilities may be from adding up to 1. */
static double tolerance(enum array_dtype dtype)
{
    return dtype == ARRAY_F4 ? 1e-3 : 1e-2;
}

static float element(const struct array *array, size_t i)
{
    if (array->dtype == ARRAY_F4) {
        float value;
        memcpy(&value, array->data + i * sizeof value, sizeof value);
        return value;
    }
    uint16_t half;
    memcpy(&half, array->data + i * sizeof half, sizeof half);
    return half_to_float(half);
}

/* --- checks over whole arrays
 * -------------------------------------------------------------------------------------------------- */

static bool check_finite(struct request *request, const char *field, const struct array *array)
{
    const enum kernel_dtype dtype = array->dtype == ARRAY_F4 ? KERNEL_F32 : KERNEL_F16;
    if (kernel_finite(array->data, dtype, array->bytes / array_dtype_size(array->dtype)))
        return true;
    size_t at = 0;
    while (isfinite(element(array, at)))
        at++;
    return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, field, "finite numbers", "%g in row %zu, column %zu",
        (double)element(array, at), at / array->width, at % array->width);
}

/* Checks one row element by element, and says what is wrong with it. */
static bool check_row(
    struct request *request, const char *field, const struct array *array, size_t row, double slack, bool whole)
{
    double sum = 0;
    for (size_t i = 0; i < array->width; i++) {
        const double value = (double)element(array, row * array->width + i);
        if (!isfinite(value))
            return protocol_fail(
                &request->error, PROTOCOL_BAD_REQUEST, field, "finite numbers", "%g in row %zu, column %zu", value, row, i);
        if (value < 0)
            return protocol_fail(
                &request->error, PROTOCOL_BAD_REQUEST, field, "probabilities of 0 or more", "a negative one in row %zu", row);
        sum += value;
    }
    if (sum > 1 + slack || (whole && sum < 1 - slack))
        return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, field,
            whole ? "rows that sum to 1" : "rows that sum to 1 at most", "%.6f in row %zu", sum, row);
    return true;
}

/*
 * True for most rows of floats that are sound, by vectors: no sign bit is set, and the sum, in which infinity and NaN would
 * show, is well within the tolerance. Of other rows check_row has the last word.
 */
static bool is_plainly_sound(const struct array *array, size_t row, double slack, bool whole)
{
    enum { LANES = 8 };
    typedef float floats __attribute__((vector_size(LANES * sizeof(float))));
    typedef uint32_t bits __attribute__((vector_size(LANES * sizeof(uint32_t))));
    if (array->dtype != ARRAY_F4)
        return false;
    const uint8_t *at = array->data + row * array->width * sizeof(float);
    floats sums = {0};
    bits signs = {0};
    for (size_t left = array->width; left > 0;) {
        const size_t count = left < LANES ? left : LANES;
        floats values = {0};
        bits pattern;
        if (count == LANES)
            memcpy(&values, at, sizeof values);
        else
            memcpy(&values, at, count * sizeof(float));
        memcpy(&pattern, &values, sizeof pattern);
        sums += values;
        signs |= pattern;
        at += count * sizeof(float);
        left -= count;
    }
    double sum = 0;
    uint32_t sign = 0;
    for (int lane = 0; lane < LANES; lane++) {
        sum += (double)sums[lane];
        sign |= signs[lane];
    }
    return sign >> 31 == 0 && sum < 1 + slack / 2 && (!whole || sum > 1 - slack / 2);
}

static bool check_probabilities(struct request *request, const char *field, const struct array *array, bool whole)
{
    const double slack = tolerance(array->dtype);
    for (size_t row = 0; row < array->rows; row++)
        if (!is_plainly_sound(array, row, slack, whole) && !check_row(request, field, array, row, slack, whole))
            return false;
    return true;
}

/* --- the parts
 * ------------------------------------------------------------------------------------------------------------------ */

static struct push_part *add_part(struct push *push, struct column_id id, const struct array *array)
{
    struct push_part *part = &push->parts[push->part_count++];
    *part = (struct push_part){.id = id, .dtype = array->dtype, .width = array->width, .rows = array->data};
    return part;
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
    return array->width == width || protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, field, "shape [n, classes]",
                                        "%zu columns for %zu classes", array->width, width);
}

/* The column must be new, or have this dtype and width. */
static bool check_column(struct request *request, struct txn *vectors, const char *field, const struct push_part *part)
{
    struct column column;
    if (!column_get(vectors, &part->id, &column) || (column.dtype == part->dtype && column.width == part->width))
        return true;
    char expected[64];
    snprintf(expected, sizeof expected, "%s with %" PRIu32 " columns, as pushed before",
        array_dtype_name((enum array_dtype)column.dtype), column.width);
    return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, field, expected, "%s with %zu columns",
        array_dtype_name(part->dtype), part->width);
}

static bool read_probs(struct push *push, struct request *request)
{
    const struct array probs = reader_array(&request->fields, "probs", ARRAY_FLOATS, 2);
    if (!check_rows(push, request, "probs", &probs) || !check_width(request, "probs", &probs, push->project.settings.classes) ||
        !check_probabilities(request, "probs", &probs, true))
        return false;
    add_part(push, column_of_model(push->project.number, COLUMN_PROBABILITIES, push->version), &probs);
    return true;
}

/* Softmax, row by row, in the array's own dtype. */
static void soften(const struct array *logits, uint8_t *out)
{
    for (size_t row = 0; row < logits->rows; row++) {
        const size_t first = row * logits->width;
        float highest = element(logits, first);
        double sum = 0;
        for (size_t i = 1; i < logits->width; i++)
            highest = fmaxf(highest, element(logits, first + i));
        for (size_t i = 0; i < logits->width; i++)
            sum += exp((double)element(logits, first + i) - (double)highest);
        for (size_t i = 0; i < logits->width; i++) {
            const float p = (float)(exp((double)element(logits, first + i) - (double)highest) / sum);
            const uint16_t half = half_of_probability(p);
            if (logits->dtype == ARRAY_F4)
                memcpy(out + (first + i) * sizeof p, &p, sizeof p);
            else
                memcpy(out + (first + i) * sizeof half, &half, sizeof half);
        }
    }
}

static bool read_logits(struct push *push, struct request *request)
{
    const struct array logits = reader_array(&request->fields, "logits", ARRAY_FLOATS, 2);
    if (!check_rows(push, request, "logits", &logits) ||
        !check_width(request, "logits", &logits, push->project.settings.classes) || !check_finite(request, "logits", &logits))
        return false;
    struct push_part *part =
        add_part(push, column_of_model(push->project.number, COLUMN_PROBABILITIES, push->version), &logits);
    part->rows = part->converted_rows = malloc(logits.bytes + 1);
    if (!part->converted_rows)
        return no_memory(request);
    soften(&logits, part->converted_rows);
    return true;
}

/* One row of top-k: classes known and different, probabilities not rising. Quadratic in k, which is small. */
static bool check_topk_row(
    struct request *request, const struct array *classes, const struct array *probs, size_t row, size_t class_count)
{
    const size_t k = classes->width;
    for (size_t i = 0; i < k; i++) {
        const int64_t class_index = array_integer(classes, row * k + i);
        if (class_index >= (int64_t)class_count)
            return protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "topk", "indices of classes of the project",
                "%" PRId64 " in row %zu", class_index, row);
        for (size_t j = 0; j < i; j++)
            if (array_integer(classes, row * k + j) == class_index)
                return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, "topk", "different classes in a row",
                    "class %" PRId64 " twice in row %zu", class_index, row);
        if (i > 0 && element(probs, row * k + i) > element(probs, row * k + i - 1))
            return protocol_fail(
                &request->error, PROTOCOL_BAD_REQUEST, "topk", "probabilities that fall or stay", "a rise in row %zu", row);
    }
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
    if (!check_probabilities(request, "topk", &probs, false))
        return false;
    for (size_t row = 0; row < classes.rows; row++)
        if (!check_topk_row(request, &classes, &probs, row, class_count))
            return false;
    struct push_part *part = add_part(push, column_of_model(push->project.number, COLUMN_TOPK, push->version), &probs);
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
    if (!check_rows(push, request, "utility", &utility) || !check_finite(request, "utility", &utility))
        return false;
    add_part(push, column_of_model(push->project.number, COLUMN_UTILITY, push->version), &utility);
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
    if (!check_rows(push, request, "embeddings", &embeddings) || !check_finite(request, "embeddings", &embeddings))
        return false;
    add_part(push, column_of_space(push->project.number, space.data, space.size), &embeddings);
    return true;
}

/* --- the whole
 * ---------------------------------------------------------------------------------------------------------------- */

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
    return push->activate || push->active || model_get(state, push->project.number, push->version, &model) ||
           protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "model_version", "a version that was begun, or activate: true",
               "%" PRId64, push->version);
}

/* A model version's predictions are either dense or top-k. */
static bool check_one_form(struct push *push, struct request *request, struct txn *vectors)
{
    const bool topk = reader_has(&request->fields, "topk");
    const struct column_id other =
        column_of_model(push->project.number, topk ? COLUMN_PROBABILITIES : COLUMN_TOPK, push->version);
    struct column column;
    return !column_get(vectors, &other, &column) || protocol_fail(&request->error, PROTOCOL_CONFLICT, topk ? "topk" : "probs",
                                                        "the form this version was pushed in before", "another one");
}

static bool read_predictions(struct push *push, struct request *request, struct txn *vectors)
{
    const struct reader *fields = &request->fields;
    const int forms = reader_has(fields, "probs") + reader_has(fields, "logits") + reader_has(fields, "topk");
    const bool utility = reader_has(fields, "utility");
    const bool embeddings = reader_has(fields, "embeddings");
    if (forms > 1 || (forms == 0 && !utility && !embeddings))
        return reader_reject(&request->fields, "probs",
            "at most one of probs, logits, topk, and at least one of these, utility, embeddings",
            forms > 1 ? "more than one" : "none");
    return (forms == 0 || check_one_form(push, request, vectors)) &&
           (!reader_has(fields, "probs") || read_probs(push, request)) &&
           (!reader_has(fields, "logits") || read_logits(push, request)) &&
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
        if (!check_column(
                request, vectors, push->parts[i].id.kind == COLUMN_EMBEDDINGS ? "embeddings" : "probs", &push->parts[i]))
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
