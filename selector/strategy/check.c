#include "selector/strategy/check.h"

#include "selector/kernel/distance.h"
#include "selector/strategy/job.h"

#include <math.h>

enum { WIDTH_MAX = 1 << 20, CLASSES_MAX = 1 << 16 };

/* A view's shape; `width` 0: any from 1 on. */
static enum select_status check_rows(
    const struct kernel_rows *rows, size_t n, size_t width, const char *field, struct select_error *error)
{
    if (rows == NULL)
        return SELECT_OK;
    if (rows->count != n)
        return select_fail(error, SELECT_BAD_INPUT, field, "as many rows as there are samples", "%zu", rows->count);
    if (width != 0 && rows->width != width)
        return select_fail(error, SELECT_BAD_INPUT, field, "one element for each class (1 for a utility)", "%zu", rows->width);
    if (rows->width == 0 || rows->width > WIDTH_MAX)
        return select_fail(error, SELECT_BAD_INPUT, field, "a width of 1 to 1048576", "%zu", rows->width);
    if (rows->dtype != KERNEL_F32 && rows->dtype != KERNEL_F16)
        return select_fail(error, SELECT_BAD_INPUT, field, "a known dtype", "%d", (int)rows->dtype);
    if (rows->rows_per_block == 0 || (n > 0 && rows->blocks == NULL))
        return select_fail(error, SELECT_BAD_INPUT, field, "blocks of one row or more", "%zu", rows->rows_per_block);
    if (rows->row_bytes < rows->width * (rows->dtype == KERNEL_F16 ? 2 : 4))
        return select_fail(error, SELECT_BAD_INPUT, field, "rows that do not overlap", "%zu bytes", rows->row_bytes);
    return SELECT_OK;
}

static enum select_status check_topk(const struct select_input *input, struct select_error *error)
{
    const struct kernel_topk *topk = input->topk;
    if (topk == NULL || input->probabilities != NULL)
        return SELECT_OK;
    enum select_status status = check_rows(&topk->probability, input->n, 0, "topk", error);
    if (status != SELECT_OK)
        return status;
    if (topk->probability.width > input->classes)
        return select_fail(error, SELECT_BAD_INPUT, "topk", "no more than there are classes", "%zu", topk->probability.width);
    if (input->n > 0 && (topk->class_blocks == NULL || topk->class_row_bytes < 2 * topk->probability.width))
        return select_fail(
            error, SELECT_BAD_INPUT, "topk", "class rows that do not overlap", "%zu bytes", topk->class_row_bytes);
    return SELECT_OK;
}

/* Objects are counted by rising first ones, the last of which is their number. */
static enum select_status check_objects(const struct select_input *input, struct select_error *error)
{
    if (input->objects == NULL)
        return SELECT_OK;
    if (input->classes == 0)
        return select_fail(error, SELECT_BAD_INPUT, "objects", "none in a project without classes", "some");
    if (input->object_first == NULL)
        return select_fail(error, SELECT_BAD_INPUT, "object_first", "an array", "none");
    for (size_t i = 0; i < input->n; i++) {
        if (input->object_first[i] > input->object_first[i + 1])
            return select_fail(error, SELECT_BAD_INPUT, "object_first", "numbers that rise", "a fall at %zu", i);
    }
    if (input->object_first[0] != 0)
        return select_fail(error, SELECT_BAD_INPUT, "object_first", "0 to begin with", "%zu", (size_t)input->object_first[0]);
    return check_rows(input->objects, (size_t)input->object_first[input->n], input->classes, "objects", error);
}

static enum select_status check_samples(const struct select_input *input, struct select_error *error)
{
    if (input->n > UINT32_MAX)
        return select_fail(error, SELECT_BAD_INPUT, "n", "at most 2^32 - 1", "%zu", input->n);
    if (input->classes > CLASSES_MAX)
        return select_fail(error, SELECT_BAD_INPUT, "classes", "at most 65536", "%zu", input->classes);
    if (input->n > 0 && input->state == NULL)
        return select_fail(error, SELECT_BAD_INPUT, "state", "an array", "none");
    if (input->n > 0 && input->price == NULL)
        return select_fail(error, SELECT_BAD_INPUT, "price", "an array", "none");
    for (size_t i = 0; i < input->n; i++) {
        if (input->state[i] > SELECT_EXCLUDED)
            return select_fail(error, SELECT_BAD_INPUT, "state", "0..4", "%u at %zu", input->state[i], i);
        if (input->price[i] < 0)
            return select_fail(error, SELECT_BAD_INPUT, "price", "0 or more", "%lld at %zu", (long long)input->price[i], i);
        if (input->label != NULL && (input->label[i] < -1 || input->label[i] >= (int64_t)input->classes))
            return select_fail(error, SELECT_BAD_INPUT, "label", "a class or -1", "%d at %zu", (int)input->label[i], i);
    }
    return SELECT_OK;
}

static bool is_share(double value)
{
    return value >= 0 && value <= 1;
}

static bool is_weight(double value)
{
    return isfinite(value) && value >= 0 && value <= 1e6;
}

static enum select_status check_weights(
    const struct select_input *input, const struct select_policy *policy, struct select_error *error)
{
    for (size_t c = 0; policy->class_weight != NULL && c < input->classes; c++) {
        if (!is_weight(policy->class_weight[c]))
            return select_fail(error, SELECT_BAD_INPUT, "class_weight", "0..1e6", "%g at %zu", policy->class_weight[c], c);
    }
    for (size_t t = 0; policy->tag_weight != NULL && t < 64; t++) {
        if (!is_weight(policy->tag_weight[t]))
            return select_fail(error, SELECT_BAD_INPUT, "tag_weight", "0..1e6", "%g at %zu", policy->tag_weight[t], t);
    }
    return SELECT_OK;
}

/* 0 is the default everywhere. */
static enum select_status check_parameters(const struct select_parameters *parameters, struct select_error *error)
{
    if ((unsigned)parameters->aggregate > SELECT_AGGREGATE_SUM)
        return select_fail(error, SELECT_BAD_INPUT, "aggregate", "max, mean or sum", "%d", (int)parameters->aggregate);
    if (parameters->neighbors > KERNEL_NEIGHBORS_MAX)
        return select_fail(error, SELECT_BAD_INPUT, "neighbors", "at most 128", "%zu", parameters->neighbors);
    const struct {
        const char *field;
        double value;
        double least;
        double most;
        const char *expected;
    } numbers[] = {
        /* Its square is a float, and so are the squares of what is measured by it. */
        {"radius", parameters->radius, 1e-15, 1e15, "1e-15..1e15, or 0 for the default"},
        {"purity", parameters->purity, 0, 1, "0..1"},
        {"redundancy", parameters->redundancy, 0, 1e12, "0..1e12"},
        {"outlier_share", parameters->outlier_share, 0, 1, "0..1"},
        {"power", parameters->power, 0, 1e12, "0..1e12"},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        double value = numbers[i].value;
        if (!(value >= 0 && value <= numbers[i].most) || (value > 0 && value < numbers[i].least))
            return select_fail(error, SELECT_BAD_INPUT, numbers[i].field, numbers[i].expected, "%g", value);
    }
    return SELECT_OK;
}

static enum select_status check_policy(
    const struct select_input *input, const struct select_policy *policy, struct select_error *error)
{
    if ((unsigned)policy->strategy >= SELECT_STRATEGIES)
        return select_fail(error, SELECT_BAD_INPUT, "strategy", "a known strategy", "%d", (int)policy->strategy);
    if (policy->budget < 0)
        return select_fail(error, SELECT_BAD_INPUT, "budget", "0 or more", "%lld", (long long)policy->budget);
    if (policy->overlap < 1)
        return select_fail(error, SELECT_BAD_INPUT, "overlap", "1 or more", "0");
    if (!is_share(policy->control_share))
        return select_fail(error, SELECT_BAD_INPUT, "control_share", "0..1", "%g", policy->control_share);
    if (policy->group_max > 0 && input->n > 0 && input->group == NULL)
        return select_fail(error, SELECT_NEEDS_COLUMN, "group", "groups, for group_max", "none");
    if (policy->include_count > 0 && policy->include == NULL)
        return select_fail(error, SELECT_BAD_INPUT, "include", "an array", "none");
    bool filtered = policy->duplicates == SELECT_FILTER_ON || policy->junk == SELECT_FILTER_ON;
    if (filtered && policy->strategy != SELECT_AUTO && input->embeddings == NULL)
        return select_fail(error, SELECT_NEEDS_COLUMN, "embeddings", "embeddings, to keep duplicates or junk out", "none");
    if (policy->share_count > 0 && policy->shares == NULL)
        return select_fail(error, SELECT_BAD_INPUT, "shares", "an array", "none");
    for (size_t i = 0; i < policy->share_count; i++) {
        const struct select_share *share = &policy->shares[i];
        if (!is_share(share->share))
            return select_fail(error, SELECT_BAD_INPUT, "shares", "0..1", "%g", share->share);
        if (!is_share(share->maximum) || share->maximum < share->share)
            return select_fail(error, SELECT_BAD_INPUT, "shares", "a maximum of the minimum..1", "%g", share->maximum);
        if (share->index >= (share->is_class ? input->classes : 64))
            return select_fail(error, SELECT_BAD_INPUT, "shares", "a class or tag that there is", "%u", share->index);
    }
    return check_weights(input, policy, error);
}

enum select_status select_check_needs(const struct select_input *input, unsigned needs, struct select_error *error)
{
    if ((needs & NEED_PREDICTIONS) && input->probabilities == NULL && input->topk == NULL && input->objects == NULL)
        return select_fail(error, SELECT_NEEDS_COLUMN, "probabilities", "predictions", "none");
    if ((needs & NEED_DENSE) && input->probabilities == NULL)
        return select_fail(error, SELECT_NEEDS_COLUMN, "probabilities", "a probability of each class", "none");
    if ((needs & NEED_DISTRIBUTION) && input->multi_label)
        return select_fail(
            error, SELECT_BAD_INPUT, "multi_label", "probabilities of one class or another", "of independent ones");
    if ((needs & NEED_UTILITY) && input->utility == NULL)
        return select_fail(error, SELECT_NEEDS_COLUMN, "utility", "a utility of each sample", "none");
    if ((needs & NEED_EMBEDDINGS) && input->embeddings == NULL)
        return select_fail(error, SELECT_NEEDS_COLUMN, "embeddings", "embeddings", "none");
    if ((needs & NEED_DRAWS) && input->draws == NULL)
        return select_fail(error, SELECT_NEEDS_COLUMN, "draws",
            "draws (several predictions of each sample, by chance or by a committee)", "none");
    return SELECT_OK;
}

enum select_status select_check(
    const struct select_input *input, const struct select_policy *policy, struct select_error *error)
{
    enum select_status status = check_samples(input, error);
    if (status == SELECT_OK && input->probabilities != NULL && input->classes == 0)
        return select_fail(error, SELECT_BAD_INPUT, "probabilities", "none in a project without classes", "some");
    if (status == SELECT_OK)
        status = check_rows(input->probabilities, input->n, input->classes, "probabilities", error);
    if (status == SELECT_OK)
        status = check_topk(input, error);
    if (status == SELECT_OK)
        status = check_rows(input->utility, input->n, 1, "utility", error);
    if (status == SELECT_OK)
        status = check_rows(input->embeddings, input->n, 0, "embeddings", error);
    if (status == SELECT_OK)
        status = check_policy(input, policy, error);
    if (status == SELECT_OK)
        status = check_parameters(&policy->parameters, error);
    if (status == SELECT_OK && input->draws != NULL && (input->draw_count == 0 || input->classes == 0))
        return select_fail(
            error, SELECT_BAD_INPUT, "draws", "one or more, in a project with classes", "%zu", input->draw_count);
    for (size_t i = 0; status == SELECT_OK && input->draws != NULL && i < input->draw_count; i++)
        status = check_rows(&input->draws[i], input->n, input->classes, "draws", error);
    if (status == SELECT_OK)
        status = check_objects(input, error);
    return status;
}
