#include "selector/plan_policy.h"

#include "store/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SPARES = 64 }; /* samples that may leave the pool between plan and commit without leaving a gap */

void wish_deinit(struct wish *wish)
{
    free(wish->include);
    *wish = (struct wish){0};
}

/* The project's settings and circumstances, before a request changes any. */
static struct plan_inputs inputs_of(const struct project *project)
{
    const struct settings *settings = &project->settings;
    const struct counters *counters = &project->counters;
    struct plan_inputs inputs;
    memset(&inputs, 0, sizeof inputs);
    inputs.samples = counters->samples;
    inputs.label_seq = counters->labels;
    inputs.columns_changed = counters->columns_changed;
    inputs.model_version = counters->model_version;
    memcpy(inputs.space, settings->space, sizeof settings->space);
    inputs.budget = INT64_MAX;
    inputs.count = SIZE_MAX;
    inputs.spares = SPARES;
    /* Each batch has a seed of its own, and the same state gives the same. */
    inputs.seed = (settings->seed + (counters->batches + 1) * UINT64_C(0x9e3779b97f4a7c15)) & INT64_MAX;
    inputs.control_share = settings->control_share;
    inputs.tags_excluded = settings->excluded_tags;
    inputs.overlap = settings->overlap;
    inputs.group_max = settings->group_max;
    inputs.duplicates = settings->keep_duplicates ? SELECT_FILTER_OFF : SELECT_FILTER_DEFAULT;
    inputs.junk = settings->keep_junk ? SELECT_FILTER_OFF : SELECT_FILTER_DEFAULT;
    inputs.strategy = SELECT_AUTO;
    inputs.share_count = settings->share_count;
    for (uint32_t i = 0; i < settings->share_count; i++) {
        inputs.shares[i].is_class = settings->shares[i].is_class;
        inputs.shares[i].index = settings->shares[i].index;
        inputs.shares[i].share = settings->shares[i].share;
        inputs.shares[i].maximum = settings->shares[i].maximum;
    }
    for (int tag = 0; tag < PROJECT_TAGS_MAX; tag++)
        inputs.tag_weight[tag] = 1;
    return inputs;
}

static void read_names(struct plan_inputs *inputs, struct request *request, const struct project *project)
{
    struct reader *fields = &request->fields;
    const struct text strategy = reader_text_or(fields, "strategy", 1, 64, "auto");
    const struct text space = reader_text_or(fields, "space", 0, SPACE_NAME_MAX, project->settings.space);
    const struct text type = reader_text_or(fields, "type", 0, 63, "");
    enum select_strategy chosen = SELECT_AUTO;
    if (request->error.code)
        return;
    if (!select_strategy_parse(strategy.data, strategy.size, &chosen))
        protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, "strategy",
            "the name of a strategy, as docs/selection.md has them", "%.*s", (int)strategy.size, strategy.data);
    inputs->strategy = (uint32_t)chosen;
    memset(inputs->space, 0, sizeof inputs->space);
    memcpy(inputs->space, space.data, space.size);
    if (type.size == 0)
        return;
    for (uint32_t i = 0; i < project->settings.type_count; i++)
        if (text_equal(type, project->settings.types[i].name))
            inputs->type = i + 1;
    if (inputs->type == 0)
        protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "type", "an annotation type of the project", "%.*s", (int)type.size,
            type.data);
}

/* What the request says of a filter, else what the project does. */
static uint32_t read_filter(struct reader *fields, const char *field, uint32_t mode)
{
    if (!reader_has(fields, field))
        return mode;
    return reader_bool_or(fields, field, false) ? SELECT_FILTER_OFF : SELECT_FILTER_ON;
}

static void read_numbers(struct plan_inputs *inputs, struct request *request)
{
    struct reader *fields = &request->fields;
    inputs->budget = reader_integer_or(fields, "budget_microusd", 0, INT64_MAX - 1, INT64_MAX);
    inputs->count = reader_has(fields, "count") ? (uint64_t)reader_integer(fields, "count", 1, UINT32_MAX) : SIZE_MAX;
    inputs->overlap = (uint32_t)reader_integer_or(fields, "overlap", 1, PROJECT_OVERLAP_MAX, inputs->overlap);
    inputs->control_share = reader_number_or(fields, "control_share", 0, 1, inputs->control_share);
    inputs->group_max = (uint32_t)reader_integer_or(fields, "group_max", 0, UINT32_MAX, inputs->group_max);
    inputs->duplicates = read_filter(fields, "keep_duplicates", inputs->duplicates);
    inputs->junk = read_filter(fields, "keep_junk", inputs->junk);
    inputs->seed = (uint64_t)reader_integer_or(fields, "seed", 0, INT64_MAX, (int64_t)inputs->seed);
}

/* What the strategy leaves open; 0 stays for what is absent. */
static void read_parameters(
    struct select_parameters *parameters, struct request *request, struct txn *state, const struct project *project)
{
    static const double most = 1e12;
    static const double radius_most = 1e15;
    if (!reader_has(&request->fields, "parameters"))
        return;
    struct reader fields = {reader_map(&request->fields, "parameters"), NULL, 0, &request->error};
    parameters->neighbors = (size_t)reader_integer_or(&fields, "neighbors", 1, UINT32_MAX, 0);
    parameters->clusters = (size_t)reader_integer_or(&fields, "clusters", 1, UINT32_MAX, 0);
    parameters->margin_pool = (size_t)reader_integer_or(&fields, "margin_pool", 1, UINT32_MAX, 0);
    parameters->radius = reader_number_or(&fields, "radius", 0, radius_most, 0);
    parameters->purity = reader_number_or(&fields, "purity", 0, 1, 0);
    parameters->redundancy = reader_number_or(&fields, "redundancy", 0, most, 0);
    parameters->outlier_share = reader_number_or(&fields, "outlier_share", 0, 1, 0);
    parameters->power = reader_number_or(&fields, "power", 0, most, 0);
    const struct text sought = reader_text_or(&fields, "class_sought", 0, 255, "");
    if (!request->error.code && sought.size > 0 && !name_find(state, project, NAME_CLASS, sought, &parameters->class_sought))
        protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "class_sought", "a class of the project", "%.*s", (int)sought.size,
            sought.data);
}

/* Samples named by {slots} or {keys} under a field. */
static bool read_samples(
    struct wish *wish, const char *field, struct request *request, struct txn *state, const struct project *project)
{
    struct reader inner = {
        reader_map(&request->fields, field), request->fields.frames, request->fields.frame_count, &request->error};
    const struct sample_names names = reader_samples(&inner, false);
    if (request->error.code)
        return false;
    wish->include = malloc((names.count + 1) * sizeof *wish->include);
    if (!wish->include)
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    wish->include_count = names.count;
    return samples_resolve(state, project, &names, names.count, wish->include, &request->error);
}

static bool read_named(struct wish *wish, struct request *request, struct txn *state, const struct project *project)
{
    const bool only = reader_has(&request->fields, "only");
    if (only && request->operation != OPERATION_BATCH_COMMIT)
        return reader_reject(&request->fields, "only", "nothing: it is a field of BATCH.COMMIT", "a list");
    if (only && reader_has(&request->fields, "include"))
        return reader_reject(&request->fields, "only", "one of only, include", "both");
    wish->only = only;
    if (only || reader_has(&request->fields, "include"))
        return read_samples(wish, only ? "only" : "include", request, state, project);
    return true;
}

/* More money than there is can't be asked for, unless what there is will do. */
static bool check_budget(struct plan *plan, struct request *request, const struct project *project)
{
    const int64_t available = project->counters.available_microusd;
    if (plan->partial) {
        plan->inputs.budget = plan->inputs.budget < available ? plan->inputs.budget : available;
        return true;
    }
    if (plan->inputs.budget == INT64_MAX || plan->inputs.budget <= available)
        return true;
    protocol_fail(&request->error, PROTOCOL_BUDGET_EXHAUSTED, "budget_microusd",
        "no more than what is available, or partial: true", "%" PRId64 " of %" PRId64 " available", plan->inputs.budget,
        available);
    request->error.available_microusd = available;
    return false;
}

bool wish_read(struct wish *wish, struct plan *plan, struct request *request, struct txn *state, const struct project *project,
    struct protocol_error *error)
{
    struct reader *fields = &request->fields;
    plan->inputs = inputs_of(project);
    plan->partial = reader_bool_or(fields, "partial", false);
    read_names(&plan->inputs, request, project);
    read_numbers(&plan->inputs, request);
    read_parameters(&plan->inputs.parameters, request, state, project);
    bool ok = !request->error.code && read_named(wish, request, state, project);
    if (ok && !wish->only && plan->inputs.budget == INT64_MAX && plan->inputs.count == SIZE_MAX)
        ok = reader_reject(fields, "budget_microusd", "at least one of budget_microusd, count", "neither");
    ok = ok && check_budget(plan, request, project);
    if (!ok)
        *error = request->error;
    return ok;
}

bool wish_replenish(struct wish *wish, struct plan *plan, const struct project *project, struct protocol_error *error)
{
    (void)wish;
    const struct counters *counters = &project->counters;
    plan->inputs = inputs_of(project);
    plan->inputs.strategy = project->settings.replenish_strategy;
    plan->inputs.budget = counters->available_microusd;
    plan->inputs.count =
        project->settings.replenish_depth > counters->waiting ? project->settings.replenish_depth - counters->waiting : 0;
    plan->partial = true;
    return plan->inputs.count > 0 || protocol_fail(error, PROTOCOL_NOT_FOUND, "", "", "the queue is full");
}

/* --- weights ------------------------------------------------------------------------------------------------------------ */

/* How well a class or slice does, 0..1: its accuracy, else its recall, or the plain number. Negative where none is said. */
static double score_of(const msgpack_object *value)
{
    if (value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64)
        return value->via.f64;
    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return (double)value->via.u64;
    if (value->type != MSGPACK_OBJECT_MAP)
        return -1;
    struct protocol_error ignored = {0};
    const struct reader inner = {&value->via.map, NULL, 0, &ignored};
    const msgpack_object *score = reader_find(&inner, "accuracy");
    if (!score)
        score = reader_find(&inner, "recall");
    return score && score->type != MSGPACK_OBJECT_MAP ? score_of(score) : -1;
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* Weights error rates by their mean; `place` says where an entry's weight goes, NULL where nowhere. */
static void weigh_map(const msgpack_object_map *map, double *(*place)(void *context, const msgpack_object *key), void *context)
{
    double sum = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < map->size; i++) {
        const double score = score_of(&map->ptr[i].val);
        if (score >= 0 && score <= 1) {
            sum += 1 - score;
            count++;
        }
    }
    for (uint32_t i = 0; i < map->size && sum > 0; i++) {
        const double score = score_of(&map->ptr[i].val);
        double *weight = score >= 0 && score <= 1 ? place(context, &map->ptr[i].key) : NULL;
        if (weight)
            *weight = clamp((1 - score) / (sum / count), 0.5, 2);
    }
}

struct placing {
    struct txn *state;
    const struct project *project;
    double *weights;
    enum name_kind kind;
    uint32_t count;
};

static double *place_named(void *context, const msgpack_object *key)
{
    const struct placing *placing = context;
    uint32_t index;
    if (key->type != MSGPACK_OBJECT_STR ||
        !name_find(placing->state, placing->project, placing->kind, reader_object_text(key), &index))
        return NULL;
    return index < placing->count ? &placing->weights[index] : NULL;
}

static bool weigh_stored(struct plan_inputs *inputs, double *class_weights, struct txn *state, const struct project *project,
    const msgpack_object_map *stored)
{
    struct protocol_error error = {0};
    struct reader fields = {stored, NULL, 0, &error};
    struct placing classes = {state, project, class_weights, NAME_CLASS, project->settings.classes};
    struct placing tags = {state, project, inputs->tag_weight, NAME_TAG, PROJECT_TAGS_MAX};
    if (reader_has(&fields, "per_class"))
        weigh_map(reader_map(&fields, "per_class"), place_named, &classes);
    if (reader_has(&fields, "per_slice"))
        weigh_map(reader_map(&fields, "per_slice"), place_named, &tags);
    return !error.code;
}

bool wish_weigh(struct plan_inputs *inputs, double **class_weights, struct txn *state, const struct project *project,
    struct protocol_error *error)
{
    struct evaluation evaluation;
    struct text fields;
    int64_t version;
    *class_weights = NULL;
    double *weights = malloc((project->settings.classes + 1u) * sizeof *weights);
    if (!weights)
        return protocol_fail(error, PROTOCOL_INTERNAL, "", "", "out of memory");
    for (uint32_t i = 0; i < project->settings.classes; i++)
        weights[i] = 1;
    *class_weights = weights;
    inputs->class_weights = project->settings.classes;
    if (!evaluation_newest(state, project->number, &version, &evaluation, &fields))
        return true;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    const bool ok = msgpack_unpack_next(&unpacked, fields.data, fields.size, NULL) == MSGPACK_UNPACK_SUCCESS &&
                    unpacked.data.type == MSGPACK_OBJECT_MAP &&
                    weigh_stored(inputs, weights, state, project, &unpacked.data.via.map);
    msgpack_unpacked_destroy(&unpacked);
    return ok || protocol_fail(error, PROTOCOL_INTERNAL, "", "", "a malformed evaluation");
}
