#include "selector/push_rows.h"

#include "selector/half.h"
#include "selector/kernel/finite.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { ROW_NAME = 64 };

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

static void put_probability(enum array_dtype dtype, uint8_t *out, size_t i, float value)
{
    if (dtype == ARRAY_F4) {
        memcpy(out + i * sizeof value, &value, sizeof value);
        return;
    }
    const uint16_t half = half_of_probability(value);
    memcpy(out + i * sizeof half, &half, sizeof half);
}

/* --- checks ------------------------------------------------------------------------------------------------------------- */

bool push_check_finite(struct request *request, const char *field, const struct array *array)
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

/* Which row that is, for people. */
static const char *name_row(const struct array *array, size_t row, char text[ROW_NAME])
{
    if (array->layers > 1)
        snprintf(text, ROW_NAME, "draw %zu of row %zu", row % array->layers, row / array->layers);
    else
        snprintf(text, ROW_NAME, "row %zu", row);
    return text;
}

/* Checks one row element by element, and says what is wrong with it. */
static bool check_row(
    struct request *request, const char *field, const struct array *array, size_t row, double slack, bool whole)
{
    double sum = 0;
    char name[ROW_NAME];
    for (size_t i = 0; i < array->width; i++) {
        const double value = (double)element(array, row * array->width + i);
        if (!isfinite(value))
            return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, field, "finite numbers", "%g in %s, column %zu", value,
                name_row(array, row, name), i);
        if (value < 0)
            return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, field, "probabilities of 0 or more",
                "a negative one in %s", name_row(array, row, name));
        sum += value;
    }
    if (sum > 1 + slack || (whole && sum < 1 - slack))
        return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, field,
            whole ? "rows that sum to 1" : "rows that sum to 1 at most", "%.6f in %s", sum, name_row(array, row, name));
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

bool push_check_probabilities(struct request *request, const char *field, const struct array *array, bool whole)
{
    const double slack = tolerance(array->dtype);
    for (size_t row = 0; row < array->rows * array->layers; row++)
        if (!is_plainly_sound(array, row, slack, whole) && !check_row(request, field, array, row, slack, whole))
            return false;
    return true;
}

/* One row of top-k: classes known and different, probabilities not rising. Quadratic in k, which is small. */
static bool check_topk_row(struct request *request, const char *field, const struct array *classes, const struct array *probs,
    size_t row, size_t class_count)
{
    const size_t k = classes->width;
    for (size_t i = 0; i < k; i++) {
        const int64_t class_index = array_integer(classes, row * k + i);
        if (class_index >= (int64_t)class_count)
            return protocol_fail(&request->error, PROTOCOL_NOT_FOUND, field, "indices of classes of the project",
                "%" PRId64 " in row %zu", class_index, row);
        for (size_t j = 0; j < i; j++)
            if (array_integer(classes, row * k + j) == class_index)
                return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, field, "different classes in a row",
                    "class %" PRId64 " twice in row %zu", class_index, row);
        if (i > 0 && element(probs, row * k + i) > element(probs, row * k + i - 1))
            return protocol_fail(
                &request->error, PROTOCOL_BAD_REQUEST, field, "probabilities that fall or stay", "a rise in row %zu", row);
    }
    return true;
}

bool push_check_topk(
    struct request *request, const char *field, const struct array *classes, const struct array *probs, size_t class_count)
{
    if (!push_check_probabilities(request, field, probs, false))
        return false;
    for (size_t row = 0; row < classes->rows; row++)
        if (!check_topk_row(request, field, classes, probs, row, class_count))
            return false;
    return true;
}

/* --- conversions -------------------------------------------------------------------------------------------------------- */

void push_soften(const struct array *logits, uint8_t *out)
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
            const double p = exp((double)element(logits, first + i) - (double)highest) / sum;
            put_probability(logits->dtype, out, first + i, (float)p);
        }
    }
}

void push_average(const struct array *draws, uint8_t *out)
{
    enum { CLASSES = 64 }; /* summed at a time */
    for (size_t row = 0; row < draws->rows; row++) {
        for (size_t from = 0; from < draws->width; from += CLASSES) {
            const size_t count = draws->width - from < CLASSES ? draws->width - from : CLASSES;
            double sums[CLASSES] = {0};
            for (size_t draw = 0; draw < draws->layers; draw++)
                for (size_t i = 0; i < count; i++)
                    sums[i] += (double)element(draws, (row * draws->layers + draw) * draws->width + from + i);
            for (size_t i = 0; i < count; i++)
                put_probability(draws->dtype, out, row * draws->width + from + i, (float)(sums[i] / (double)draws->layers));
        }
    }
}
