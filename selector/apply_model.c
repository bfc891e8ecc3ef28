/* MODEL.BEGIN, MODEL.ACTIVATE, MODEL.DROP, EVAL.PUT. */

#include "selector/apply.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS_LISTED = 64, EVALUATION_MAP_MAX = 65536 };

static bool stale(struct request *request, int64_t version, int64_t active)
{
    return protocol_fail(&request->error, PROTOCOL_STALE_MODEL, "model_version", "a version newer than the active one",
        "%" PRId64 " while %" PRId64 " is active", version, active);
}

static bool unknown(struct request *request, int64_t version)
{
    return protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "model_version", "a version that was begun", "%" PRId64, version);
}

static int64_t read_version(struct request *request)
{
    return reader_integer(&request->fields, "model_version", 1, INT64_MAX);
}

bool apply_model_begin(struct applying *applying, struct request *request, struct writer *reply)
{
    struct project *project = apply_find_project(applying, request);
    const int64_t version = read_version(request);
    if (!project || request->error.code)
        return false;
    struct txn *txn = &applying->change->txn;
    const int64_t active = project->counters.model_version;
    if (version < active)
        return stale(request, version, active);
    if (!model_check_not_dropped(txn, project->number, version, &request->error))
        return false;
    struct model model;
    if (!model_get(txn, project->number, version, &model)) {
        model = (struct model){.begun_ms = applying->change->now_ms, .state = MODEL_STAGED};
        model_put(txn, project->number, version, &model);
    }
    writer_string(reply, "state", version == active ? "active" : "staged");
    return true;
}

/* Has the version's columns deleted after the commit. */
static void purge(struct applying *applying, const struct project *project, int64_t version)
{
    struct purges *purges = applying->purges;
    if (purges->count == purges->room) {
        const size_t room = purges->room ? 2 * purges->room : 64;
        void *list = realloc(purges->list, room * sizeof *purges->list);
        if (!list)
            return; /* it is purged at the next start: the columns then belong to no model */
        purges->list = list;
        purges->room = room;
    }
    purges->list[purges->count].project = project->number;
    purges->list[purges->count++].version = version;
}

/* Forgets the oldest of what is too old to be kept; true where there may be more of it. */
static bool forget_oldest_models(struct applying *applying, struct project *project)
{
    int64_t versions[MODELS_LISTED];
    struct txn *txn = &applying->change->txn;
    const size_t count = model_list(txn, project->number, versions, MODELS_LISTED);
    size_t kept = 0;
    size_t forgotten = 0;
    for (size_t i = count; i-- > 0;) {
        if (versions[i] > project->counters.model_version)
            continue;
        const bool dropped = model_is_dropped(txn, project->number, versions[i]);
        if (!dropped && ++kept <= project->settings.keep_models)
            continue;
        forgotten += model_delete(txn, project->number, versions[i]);
        if (!dropped)
            purge(applying, project, versions[i]);
    }
    return count == MODELS_LISTED && forgotten > 0;
}

/* Forgets all but the newest `keep_models` of the versions that are not newer than the active one. */
static void forget_models(struct applying *applying, struct project *project)
{
    while (forget_oldest_models(applying, project)) {
    }
}

static void activate(struct applying *applying, struct project *project, int64_t version)
{
    struct txn *txn = &applying->change->txn;
    struct model model;
    if (version == project->counters.model_version)
        return;
    if (project->counters.model_version > 0 && model_get(txn, project->number, project->counters.model_version, &model)) {
        model.state = MODEL_RETAINED;
        model_put(txn, project->number, project->counters.model_version, &model);
    }
    if (!model_get(txn, project->number, version, &model))
        model = (struct model){.begun_ms = applying->change->now_ms};
    model.state = MODEL_ACTIVE;
    model.activated_ms = applying->change->now_ms;
    model_put(txn, project->number, version, &model);
    project->counters.model_version = version;
    forget_models(applying, project);

    struct writer *event = event_begin(applying->change, project, EVENT_MODEL_ACTIVATED);
    writer_integer(event, "model_version", version);
    event_end(applying->change, project, EVENT_MODEL_ACTIVATED);
}

bool apply_model_activate(struct applying *applying, struct request *request, struct writer *reply)
{
    struct project *project = apply_find_project(applying, request);
    const int64_t version = read_version(request);
    if (!project || request->error.code)
        return false;
    struct model model;
    if (version < project->counters.model_version)
        return stale(request, version, project->counters.model_version);
    if (!model_get(&applying->change->txn, project->number, version, &model))
        return unknown(request, version);
    activate(applying, project, version);
    writer_integer(reply, "model_version", version);
    return true;
}

bool apply_pred_activate(struct applying *applying, struct request *request, struct writer *reply)
{
    struct project *project = apply_find_project(applying, request);
    const int64_t version = read_version(request);
    if (!project || request->error.code)
        return false;
    struct model model;
    if (version < project->counters.model_version) {
        /* Overtaken since the rows were written: they are of no version, and none will come for them. */
        if (!model_get(&applying->change->txn, project->number, version, &model))
            purge(applying, project, version);
        return stale(request, version, project->counters.model_version);
    }
    /* If it was, since the rows were written, they go with the version's. */
    if (!model_check_not_dropped(&applying->change->txn, project->number, version, &request->error))
        return false;
    activate(applying, project, version);
    writer_bool(reply, "active", true);
    return true;
}

bool apply_model_drop(struct applying *applying, struct request *request, struct writer *reply)
{
    (void)reply;
    struct project *project = apply_find_project(applying, request);
    struct txn *txn = &applying->change->txn;
    const int64_t version = read_version(request);
    if (!project || request->error.code)
        return false;
    struct model model;
    if (version == project->counters.model_version)
        return protocol_fail(
            &request->error, PROTOCOL_CONFLICT, "model_version", "a version that is not active", "%" PRId64, version);
    if (!model_get(txn, project->number, version, &model))
        return unknown(request, version);
    model.state = MODEL_DROPPED;
    if (version > project->counters.model_version)
        model_put(txn, project->number, version, &model);
    else
        model_delete(txn, project->number, version); /* too old to be pushed again anyway */
    purge(applying, project, version);
    return true;
}

/* --- evaluations -------------------------------------------------------------------------------------------------------- */

static bool is_finite_number(const msgpack_object *value)
{
    if (value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64)
        return isfinite(value->via.f64);
    return value->type == MSGPACK_OBJECT_POSITIVE_INTEGER || value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
}

/* A map of numbers, or where `nested` allows it of maps of numbers. */
static bool check_numbers(struct reader *fields, const char *field, const msgpack_object_map *map, bool nested)
{
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *value = &map->ptr[i].val;
        if (nested && value->type == MSGPACK_OBJECT_MAP) {
            if (!check_numbers(fields, field, &value->via.map, false))
                return false;
        } else if (!is_finite_number(value)) {
            return reader_reject(fields, field, "finite numbers", reader_type_name(value));
        }
    }
    return true;
}

static bool copy_numbers(struct reader *fields, struct writer *stored, const char *field, bool nested)
{
    if (!reader_has(fields, field))
        return true;
    const msgpack_object_map *map = reader_map(fields, field);
    if (map->size > EVALUATION_MAP_MAX)
        return protocol_fail(fields->error, PROTOCOL_TOO_LARGE, field, "at most 65536 entries", "%" PRIu32, map->size);
    if (fields->error->code || !check_numbers(fields, field, map, nested))
        return false;
    writer_object(stored, field, reader_find(fields, field));
    return true;
}

/* Every class of `per_class` must be known; slices may be named that no sample carries yet. */
static bool check_classes(struct applying *applying, const struct project *project, struct request *request)
{
    if (!reader_has(&request->fields, "per_class"))
        return true;
    const msgpack_object_map *map = reader_map(&request->fields, "per_class");
    for (uint32_t i = 0; i < map->size; i++) {
        int32_t index;
        if (!apply_read_class(applying, project, &map->ptr[i].key, "per_class", &index, &request->error))
            return false;
    }
    return !request->error.code;
}

static bool copy_correct(struct reader *fields, struct writer *stored)
{
    if (!reader_has(fields, "correct"))
        return true;
    const struct array correct = reader_array(fields, "correct", ARRAY_BIT(ARRAY_U1), 1);
    for (size_t i = 0; i < correct.rows; i++)
        if (correct.data[i] > 1)
            return protocol_fail(fields->error, PROTOCOL_BAD_REQUEST, "correct", "0 or 1", "%u at %zu", correct.data[i], i);
    writer_bytes(stored, "correct", correct.data, correct.bytes);
    return !fields->error->code;
}

bool apply_eval_put(struct applying *applying, struct request *request, struct writer *reply)
{
    struct project *project = apply_find_project(applying, request);
    struct reader *fields = &request->fields;
    const int64_t version = read_version(request);
    const int64_t trained_on = reader_integer_or(fields, "trained_on", 0, INT64_MAX, 0);
    if (!project || request->error.code)
        return false;
    struct writer stored;
    writer_init(&stored);
    writer_map_begin(&stored, NULL);
    bool ok = check_classes(applying, project, request) && copy_numbers(fields, &stored, "metrics", false) &&
              copy_numbers(fields, &stored, "per_class", true) && copy_numbers(fields, &stored, "per_slice", true) &&
              copy_correct(fields, &stored);
    writer_map_end(&stored);
    const struct text map = writer_finish(&stored);
    if (ok && !map.data)
        ok = protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    if (ok) {
        const struct evaluation evaluation = {
            .time_ms = applying->change->now_ms,
            .spent_microusd = project->counters.spent_microusd,
            .labels = project->counters.labels_settled,
            .trained_on = (uint64_t)trained_on,
        };
        evaluation_put(&applying->change->txn, project->number, version, &evaluation, map);
        struct writer *event = event_begin(applying->change, project, EVENT_EVALUATION_RECEIVED);
        writer_integer(event, "model_version", version);
        event_end(applying->change, project, EVENT_EVALUATION_RECEIVED);
        writer_integer(reply, "seq", (int64_t)project->counters.events);
    }
    writer_deinit(&stored);
    return ok;
}
