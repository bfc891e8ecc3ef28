/* Projects, money and the daemon itself: PROJECT.CREATE, PROJECT.SET, BUDGET.GRANT, DRAIN. */

#include "selector/apply.h"
#include "selector/settings.h"

#include <string.h>

struct project *apply_find_project(struct applying *applying, struct request *request)
{
    return change_project(applying->change, request->project, &request->error);
}

bool apply_read_class(struct applying *applying, const struct project *project, const msgpack_object *value, const char *field,
    int32_t *class_index, struct protocol_error *error)
{
    const struct text name = reader_object_text(value);
    uint32_t index;
    if (value->type == MSGPACK_OBJECT_STR) {
        if (!name_find(&applying->change->txn, project, NAME_CLASS, name, &index))
            return protocol_fail(error, PROTOCOL_NOT_FOUND, field, "a class of the project", "%.*s", (int)name.size, name.data);
    } else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 < project->settings.classes) {
        index = (uint32_t)value->via.u64;
    } else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER || value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        return protocol_fail(
            error, PROTOCOL_NOT_FOUND, field, "the index of a class of the project", "%lld", (long long)value->via.i64);
    } else {
        return protocol_fail(error, PROTOCOL_BAD_REQUEST, field, "a class name or index", "%s", reader_type_name(value));
    }
    *class_index = (int32_t)index;
    return true;
}

/* The project exists: the request must ask for just what it is. */
static bool compare_with(struct applying *applying, struct project *project, struct request *request, struct writer *reply)
{
    struct settings wanted = settings_default();
    wanted.classes = project->settings.classes;
    if (!settings_read_classes(&request->fields, applying->change, project, false) ||
        !settings_read(&request->fields, applying->change, project, &wanted))
        return false;
    const char *field = settings_difference(&wanted, &project->settings);
    if (field)
        return protocol_fail(&request->error, PROTOCOL_CONFLICT, field, "what the project has, as PROJECT.GET shows it", "%s",
            reader_has(&request->fields, field) ? "another value" : "its default, as the field is missing");
    writer_bool(reply, "created", false);
    return true;
}

bool apply_project_create(struct applying *applying, struct request *request, struct writer *reply)
{
    struct reader *fields = &request->fields;
    reader_list(fields, "classes", PROJECT_CLASSES_MAX);
    reader_integer(fields, "price_microusd", 0, INT64_MAX / 1024);
    if (request->error.code)
        return false;
    struct protocol_error unknown = {0};
    struct project *project = change_project(applying->change, request->project, &unknown);
    if (project)
        return compare_with(applying, project, request, reply);
    if (unknown.code != PROTOCOL_NOT_FOUND)
        return false;

    struct settings settings = settings_default();
    project = change_create_project(applying->change, request->project, &settings);
    if (!project || !settings_read_classes(fields, applying->change, project, true))
        return false;
    settings.classes = project->settings.classes;
    if (!settings_read(fields, applying->change, project, &settings))
        return false;
    project->settings = settings;
    project_put_settings(&applying->change->txn, project);
    writer_bool(reply, "created", true);
    return true;
}

static void tell_changed(struct applying *applying, struct project *project, const char *what)
{
    struct writer *event = event_begin(applying->change, project, EVENT_CONFIG_CHANGED);
    writer_string(event, "what", what);
    event_end(applying->change, project, EVENT_CONFIG_CHANGED);
}

bool apply_project_set(struct applying *applying, struct request *request, struct writer *reply)
{
    (void)reply;
    struct project *project = apply_find_project(applying, request);
    if (!project)
        return false;
    if (reader_has(&request->fields, "seed"))
        return protocol_fail(
            &request->error, PROTOCOL_CONFLICT, "seed", "no change: it is fixed when the project is created", "a seed");
    if (reader_has(&request->fields, "classes") && !settings_read_classes(&request->fields, applying->change, project, true))
        return false;
    struct settings settings = project->settings;
    if (!settings_read(&request->fields, applying->change, project, &settings))
        return false;
    const bool repriced = settings.price_microusd != project->settings.price_microusd ||
                          memcmp(settings.types, project->settings.types, sizeof settings.types) != 0;
    project->counters.columns_changed += repriced;
    project->settings = settings;
    project_put_settings(&applying->change->txn, project);
    tell_changed(applying, project, "settings");
    return true;
}

bool apply_budget_grant(struct applying *applying, struct request *request, struct writer *reply)
{
    struct project *project = apply_find_project(applying, request);
    if (!project)
        return false;
    const int64_t amount = reader_integer(&request->fields, "amount_microusd", -INT64_MAX, INT64_MAX);
    const struct text note = reader_text_or(&request->fields, "note", 0, LEDGER_NOTE_MAX, "");
    if (!request->error.code && amount == 0)
        reader_reject(&request->fields, "amount_microusd", "an amount other than 0", "0");
    if (request->error.code)
        return false;
    const struct entry entry = {
        .kind = amount > 0 ? LEDGER_GRANT : LEDGER_CORRECT, .amount_microusd = amount, .slot = LEDGER_NO_SLOT};
    if (!ledger_append(applying->change, project, entry, note, &request->error))
        return false;
    struct writer *event = event_begin(applying->change, project, EVENT_BUDGET_GRANTED);
    writer_integer(event, "amount_microusd", amount);
    writer_integer(event, "available_microusd", project->counters.available_microusd);
    event_end(applying->change, project, EVENT_BUDGET_GRANTED);
    writer_integer(reply, "seq", (int64_t)project->counters.entries);
    writer_integer(reply, "granted_microusd", project->counters.granted_microusd);
    writer_integer(reply, "available_microusd", project->counters.available_microusd);
    return true;
}

bool apply_drain(struct applying *applying, struct request *request, struct writer *reply)
{
    const bool on = reader_bool(&request->fields, "on");
    if (request->error.code)
        return false;
    *applying->draining = on;
    /* The engine looks at the projects that are loaded: some may have waited for this. */
    if (!on)
        change_load_projects(applying->change);
    writer_bool(reply, "draining", on);
    return true;
}
