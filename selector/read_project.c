/* PROJECT.GET, PROJECT.LIST, SAMPLE.GET, STATUS, BUDGET.GET, CONFIG. */

#include "selector/half.h"
#include "selector/read.h"
#include "selector/settings.h"
#include "selector/strategy/select.h"
#include "store/column.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES_SHOWN = 100, ROUNDS_SHOWN = 100 };

bool read_project_get(struct reading *reading, struct request *request, struct writer *reply)
{
    struct project project;
    if (!project_find(reading->state, request->project, &project, &request->error))
        return false;
    settings_write(reply, reading->state, &project);
    writer_integer(reply, "samples", (int64_t)project.counters.samples);
    writer_integer(reply, "created_ms", project.counters.created_ms);
    return true;
}

static bool list_one(void *context, struct text name, uint32_t number)
{
    (void)number;
    writer_text(context, NULL, name);
    return true;
}

bool read_project_list(struct reading *reading, struct request *request, struct writer *reply)
{
    (void)request;
    writer_list_begin(reply, "projects");
    project_each(reading->state, list_one, reply);
    writer_list_end(reply);
    return true;
}

bool read_config(struct reading *reading, struct request *request, struct writer *reply)
{
    (void)request;
    writer_map_begin(reply, "config");
    configuration_write(&reading->daemon->config, reply);
    writer_map_end(reply);
    return true;
}

/* --- samples ------------------------------------------------------------------------------------------------------------ */

/* The place of the row's highest probability. */
static uint32_t highest(const struct column *column, const uint8_t *row)
{
    uint32_t best = 0;
    float best_value = -1;
    for (uint32_t i = 0; i < column->width; i++) {
        float value;
        uint16_t half;
        if (column->dtype == ARRAY_F4) {
            memcpy(&value, row + i * sizeof value, sizeof value);
        } else {
            memcpy(&half, row + i * sizeof half, sizeof half);
            value = half_to_float(half);
        }
        if (value > best_value) {
            best_value = value;
            best = i;
        }
    }
    return best;
}

/* The class the active model finds most probable; false where it says nothing of the sample. */
static bool find_predicted(struct reading *reading, const struct project *project, uint32_t slot, uint32_t *class_index)
{
    const int64_t version = project->counters.model_version;
    const struct column_id dense = column_of_model(project->number, COLUMN_PROBABILITIES, version);
    const struct column_id topk = column_of_model(project->number, COLUMN_TOPK, version);
    struct column column;
    const uint8_t *row;
    const uint8_t *classes;
    uint16_t first;
    if (column_row(reading->vectors, &dense, slot, &column, &row, NULL)) {
        *class_index = highest(&column, row);
        return true;
    }
    if (!column_row(reading->vectors, &topk, slot, &column, &row, &classes))
        return false;
    memcpy(&first, classes, sizeof first);
    *class_index = first;
    return true;
}

static void write_sample(struct reading *reading, const struct project *project, uint32_t slot, struct writer *reply)
{
    struct txn *state = reading->state;
    struct sample sample;
    if (!sample_get(state, project->number, slot, &sample)) {
        txn_corrupt(state);
        return;
    }
    const struct source source = source_get(state, project->number, slot);
    writer_map_begin(reply, NULL);
    writer_integer(reply, "slot", slot);
    writer_text(reply, "key", source.key);
    writer_text(reply, "uri", source.uri);
    writer_integer(reply, "price_microusd", sample_price(project, &sample));
    writer_text(reply, "group", name_text(state, project->number, NAME_GROUP, sample.group));
    writer_list_begin(reply, "tags");
    for (uint32_t tag = 0; tag < PROJECT_TAGS_MAX; tag++)
        if (sample.tags >> tag & 1)
            writer_text(reply, NULL, name_text(state, project->number, NAME_TAG, tag));
    writer_list_end(reply);
    writer_string(reply, "state", sample_state_name((enum sample_state)sample.state));
    if (sample.label >= 0)
        writer_text(reply, "label", name_text(state, project->number, NAME_CLASS, (uint32_t)sample.label));
    uint32_t predicted;
    if (find_predicted(reading, project, slot, &predicted))
        writer_text(reply, "predicted", name_text(state, project->number, NAME_CLASS, predicted));
    writer_integer(reply, "labels", sample.labels);
    writer_integer(reply, "skips", sample.skips);
    if (sample.batch > 0)
        writer_integer(reply, "batch", sample.batch);
    writer_map_end(reply);
}

bool read_sample_get(struct reading *reading, struct request *request, struct writer *reply)
{
    struct project project;
    const struct sample_names names = reader_samples(&request->fields, false);
    if (request->error.code || !project_find(reading->state, request->project, &project, &request->error))
        return false;
    uint32_t *slots = malloc((names.count + 1) * sizeof *slots);
    if (!slots)
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    const bool ok = samples_resolve(reading->state, &project, &names, names.count, slots, &request->error);
    writer_list_begin(reply, "samples");
    for (size_t i = 0; ok && i < names.count; i++)
        write_sample(reading, &project, slots[i], reply);
    writer_list_end(reply);
    free(slots);
    return ok;
}

/* --- money -------------------------------------------------------------------------------------------------------------- */

static void write_budget(struct writer *reply, const struct counters *counters)
{
    writer_integer(reply, "granted_microusd", counters->granted_microusd);
    writer_integer(reply, "available_microusd", counters->available_microusd);
    writer_integer(reply, "reserved_microusd", counters->reserved_microusd);
    writer_integer(reply, "spent_microusd", counters->spent_microusd);
}

/* Adds the field of a stored evaluation's map. */
static void write_stored(struct writer *reply, const char *field, struct text stored)
{
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    struct protocol_error error = {0};
    if (msgpack_unpack_next(&unpacked, stored.data, stored.size, NULL) == MSGPACK_UNPACK_SUCCESS &&
        unpacked.data.type == MSGPACK_OBJECT_MAP) {
        const struct reader reader = {&unpacked.data.via.map, NULL, 0, &error};
        const msgpack_object *value = reader_find(&reader, field);
        if (value)
            writer_object(reply, field, value);
    }
    msgpack_unpacked_destroy(&unpacked);
}

/* Where the newest `ROUNDS_SHOWN` evaluations begin. */
static size_t count_rounds(struct txn *state, const struct key *prefix)
{
    size_t count = 0;
    struct cursor cursor;
    cursor_open(&cursor, state, STATE_EVALUATIONS, prefix, NULL);
    while (cursor_next(&cursor))
        count++;
    cursor_close(&cursor);
    return count;
}

static uint64_t write_rounds(struct reading *reading, const struct project *project, struct writer *reply)
{
    const struct key prefix = key_project(project->number);
    const size_t count = count_rounds(reading->state, &prefix);
    uint64_t effective = 0;
    struct cursor cursor;
    cursor_open(&cursor, reading->state, STATE_EVALUATIONS, &prefix, NULL);
    writer_list_begin(reply, "rounds");
    for (size_t i = 0; cursor_next(&cursor); i++) {
        struct evaluation evaluation;
        struct text fields;
        if (i + ROUNDS_SHOWN < count || !evaluation_read(cursor.data, &evaluation, &fields))
            continue;
        writer_map_begin(reply, NULL);
        writer_integer(reply, "model_version", (int64_t)key_read_u64((const uint8_t *)cursor.key.data + prefix.size));
        writer_integer(reply, "time_ms", evaluation.time_ms);
        writer_integer(reply, "spent_microusd", evaluation.spent_microusd);
        writer_integer(reply, "labels", (int64_t)evaluation.labels);
        write_stored(reply, "metrics", fields);
        writer_map_end(reply);
        effective = evaluation.trained_on;
    }
    writer_list_end(reply);
    cursor_close(&cursor);
    return effective;
}

bool read_budget_get(struct reading *reading, struct request *request, struct writer *reply)
{
    struct project project;
    if (!project_find(reading->state, request->project, &project, &request->error))
        return false;
    const struct counters *counters = &project.counters;
    write_budget(reply, counters);
    writer_integer(reply, "labels_received", (int64_t)counters->labels);
    writer_integer(reply, "labels_paid", (int64_t)counters->labels_paid);
    writer_integer(reply, "labels_accepted", (int64_t)counters->labels_settled);
    writer_integer(reply, "labels_effective", (int64_t)write_rounds(reading, &project, reply));
    return true;
}

/* --- STATUS ------------------------------------------------------------------------------------------------------------- */

static bool write_space(void *context, const struct column_id *id, const struct column *column)
{
    struct writer *reply = context;
    writer_map_begin(reply, NULL);
    writer_text(reply, "space", (struct text){id->name, id->name_size});
    writer_integer(reply, "width", column->width);
    writer_string(reply, "dtype", array_dtype_name((enum array_dtype)column->dtype));
    writer_integer(reply, "rows", (int64_t)column->rows);
    writer_map_end(reply);
    return true;
}

static uint64_t count_predicted(struct reading *reading, const struct project *project)
{
    static const enum column_kind kinds[] = {COLUMN_PROBABILITIES, COLUMN_TOPK, COLUMN_UTILITY};
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct column column;
        const struct column_id id = column_of_model(project->number, kinds[i], project->counters.model_version);
        if (column_get(reading->vectors, &id, &column) && column.rows > most)
            most = column.rows;
    }
    return most;
}

static void write_classes(struct reading *reading, const struct project *project, struct writer *reply)
{
    writer_map_begin(reply, "classes");
    for (uint32_t i = 0; i < project->settings.classes && i < CLASSES_SHOWN; i++)
        writer_integer_at(reply, name_text(reading->state, project->number, NAME_CLASS, i),
            (int64_t)tally_get(reading->state, project->number, i));
    writer_map_end(reply);
}

static void write_evaluation(struct reading *reading, const struct project *project, struct writer *reply)
{
    struct evaluation evaluation;
    struct text fields;
    int64_t version;
    if (!evaluation_newest(reading->state, project->number, &version, &evaluation, &fields))
        return;
    writer_map_begin(reply, "evaluation");
    writer_integer(reply, "model_version", version);
    write_stored(reply, "metrics", fields);
    writer_map_end(reply);
}

static bool write_project_status(struct reading *reading, struct request *request, struct writer *reply)
{
    struct project project;
    if (!project_find(reading->state, request->project, &project, &request->error))
        return false;
    const struct counters *counters = &project.counters;
    writer_integer(reply, "samples", (int64_t)counters->samples);
    writer_map_begin(reply, "states");
    for (int i = 0; i < SAMPLE_STATES; i++)
        writer_integer(reply, sample_state_name((enum sample_state)i), (int64_t)counters->states[i]);
    writer_map_end(reply);
    writer_integer(reply, "waiting", (int64_t)counters->waiting);
    writer_integer(reply, "leases", (int64_t)counters->leases);
    writer_integer(reply, "predicted", (int64_t)count_predicted(reading, &project));
    writer_integer(reply, "model_version", counters->model_version);
    writer_list_begin(reply, "spaces");
    column_each(reading->vectors, project.number, COLUMN_EMBEDDINGS, write_space, reply);
    writer_list_end(reply);
    writer_map_begin(reply, "budget");
    write_budget(reply, counters);
    writer_map_end(reply);
    writer_integer(reply, "labels", (int64_t)counters->labels_settled);
    write_classes(reading, &project, reply);
    writer_integer(reply, "batches", (int64_t)counters->batches);
    write_evaluation(reading, &project, reply);
    writer_integer(reply, "event_seq", (int64_t)counters->events);
    writer_bool(reply, "planning", reading->daemon->vitals.task != 0);
    return true;
}

static void write_planner(struct writer *reply, const struct vitals *vitals)
{
    const uint64_t task = vitals->task;
    writer_map_begin(reply, "planner");
    writer_integer(reply, "task", (int64_t)task);
    if (task != 0) {
        writer_string(reply, "op", operation_name((enum operation)vitals->task_operation));
        writer_number(reply, "done", vitals->task_permille / 1000.0);
    }
    writer_map_end(reply);
}

bool read_planner_cancel(struct reading *reading, struct request *request, struct writer *reply)
{
    struct vitals *vitals = &reading->daemon->vitals;
    const uint64_t task = vitals->task;
    const int64_t wanted = reader_integer_or(&request->fields, "task", 1, INT64_MAX, 0);
    if (request->error.code)
        return false;
    const uint32_t operation = vitals->task_operation;
    const bool selects = operation == OPERATION_PLAN || operation == OPERATION_BATCH_COMMIT || operation == OPERATION_REPLAY;
    const bool found = task != 0 && selects && (wanted == 0 || (uint64_t)wanted == task);
    if (found)
        vitals->task_canceled = task;
    writer_bool(reply, "canceled", found);
    return true;
}

bool read_status(struct reading *reading, struct request *request, struct writer *reply)
{
    if (request->project.size > 0)
        return write_project_status(reading, request, reply);
    const struct daemon *daemon = reading->daemon;
    writer_string(reply, "version", CURATED_VERSION);
    writer_integer(reply, "uptime_ms", wall_ms() - daemon->started_ms);
    writer_string(reply, "kernels", select_kernels_name());
    read_project_list(reading, request, reply);
    writer_bool(reply, "draining", daemon->vitals.draining);
    writer_bool(reply, "read_only", daemon->vitals.read_only);
    writer_integer(reply, "commits", (int64_t)daemon->vitals.commits);
    writer_integer(reply, "requests", (int64_t)daemon->vitals.requests);
    write_planner(reply, &daemon->vitals);
    return true;
}
