#include "clients/curatectl/command.h"

#include "clients/curatectl/json.h"
#include "clients/curatectl/lines.h"
#include "clients/curatectl/table.h"
#include "clients/curatectl/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const groups[] = {
    daemon_commands, project_commands, sample_commands, selection_commands, work_commands, money_commands, event_commands};

enum { GROUPS = sizeof groups / sizeof *groups };

void command_each(void (*visit)(const struct command *command, void *argument), void *argument)
{
    for (size_t i = 0; i < GROUPS; i++)
        for (const struct command *command = groups[i]; command->name; command++)
            visit(command, argument);
}

/* How many words of the name were given: all of them, or 0. */
static int match(const char *name, const char *first, const char *second)
{
    const size_t size = strlen(first);
    if (strcmp(name, first) == 0)
        return 1;
    return strncmp(name, first, size) == 0 && name[size] == ' ' && strcmp(name + size + 1, second) == 0 ? 2 : 0;
}

const struct command *command_find(const char *first, const char *second, int *words)
{
    for (size_t i = 0; i < GROUPS; i++) {
        for (const struct command *command = groups[i]; command->name; command++) {
            *words = match(command->name, first, second);
            if (*words)
                return command;
        }
    }
    return NULL;
}

const struct given *command_value(const struct context *context, const char *name)
{
    static const struct given nothing = {0};
    const struct parameter *parameters = context->command->parameters;
    for (int i = 0; parameters && parameters[i].name; i++)
        if (strcmp(parameters[i].name, name) == 0)
            return &context->values[i];
    return &nothing;
}

static void write_words(struct writer *fields, const char *field, const char *text)
{
    writer_list_begin(fields, field);
    while (*text) {
        const size_t size = strcspn(text, ",");
        if (size > 0)
            writer_text(fields, NULL, (struct text){text, size});
        text += size + (text[size] == ',');
    }
    writer_list_end(fields);
}

static bool write_json(struct context *context, struct writer *fields, const struct parameter *parameter, const char *text)
{
    json_error_t problem;
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &problem);
    if (!json) {
        report_usage(context, "--%s: expected JSON, got '%s': %s", parameter->name, text, problem.text);
        return false;
    }
    json_write(fields, parameter->field, json);
    json_decref(json);
    return true;
}

static bool write_keys_file(struct context *context, struct writer *fields, const struct parameter *parameter, const char *path)
{
    struct lines lines;
    if (!lines_read(context, path, &lines))
        return false;
    writer_map_begin(fields, parameter->field);
    writer_list_begin(fields, "keys");
    for (size_t i = 0; i < lines.count; i++)
        writer_string(fields, NULL, lines.items[i]);
    writer_list_end(fields);
    writer_map_end(fields);
    lines_free(&lines);
    return true;
}

static bool write_values(
    struct context *context, struct writer *fields, const struct parameter *parameters, const struct given *values);

static bool write_fields(struct context *context, struct writer *fields, const struct parameter *parameter)
{
    writer_map_begin(fields, parameter->field);
    const bool written = write_values(context, fields, parameter->fields, context->fields);
    writer_map_end(fields);
    return written;
}

static bool write_value(
    struct context *context, struct writer *fields, const struct parameter *parameter, const struct given *value)
{
    switch (parameter->kind) {
    case PARAMETER_TEXT:
        writer_string(fields, parameter->field, value->text);
        return true;
    case PARAMETER_INTEGER:
    case PARAMETER_MONEY:
    case PARAMETER_DURATION:
        writer_integer(fields, parameter->field, value->integer);
        return true;
    case PARAMETER_NUMBER:
        writer_number(fields, parameter->field, value->number);
        return true;
    case PARAMETER_FLAG:
    case PARAMETER_SWITCH:
        writer_bool(fields, parameter->field, value->integer != 0);
        return true;
    case PARAMETER_WORDS:
        write_words(fields, parameter->field, value->text);
        return true;
    case PARAMETER_JSON:
        return write_json(context, fields, parameter, value->text);
    case PARAMETER_KEYS_FILE:
        return write_keys_file(context, fields, parameter, value->text);
    case PARAMETER_FIELDS:
        return write_fields(context, fields, parameter);
    }
    return false;
}

static bool write_values(
    struct context *context, struct writer *fields, const struct parameter *parameters, const struct given *values)
{
    for (int i = 0; parameters && parameters[i].name; i++)
        if (parameters[i].field && values[i].text && !write_value(context, fields, &parameters[i], &values[i]))
            return false;
    return true;
}

bool command_fields(struct context *context, struct writer *fields)
{
    writer_init(fields);
    writer_map_begin(fields, NULL);
    return write_values(context, fields, context->command->parameters, context->values);
}

struct curated_reply *command_call(
    struct context *context, const char *operation, const char *project, struct writer *fields, int *status)
{
    struct curated_error error;
    writer_map_end(fields);
    const struct text bytes = writer_finish(fields);
    if (!bytes.data) {
        *status = report_local(context, "no memory for the request, or JSON nested too deeply");
        return NULL;
    }
    const struct curated_request request = {
        .operation = operation, .project = project, .fields = bytes.data, .fields_size = bytes.size};
    struct curated_reply *reply = curated_call(context->client, &request, &error);
    *status = reply ? EXIT_FINE : report_error(context, &error);
    return reply;
}

int command_run_judged(struct context *context, int (*judge)(const msgpack_object_map *reply))
{
    struct writer fields;
    int status = EXIT_USAGE;
    struct curated_reply *reply = NULL;
    if (command_fields(context, &fields))
        reply = command_call(context, context->command->operation, context->project, &fields, &status);
    writer_deinit(&fields);
    if (reply)
        status = command_show(context, curated_reply_map(reply));
    if (reply && status == EXIT_FINE && judge)
        status = judge(curated_reply_map(reply));
    curated_reply_free(reply);
    return status;
}

int command_run(struct context *context)
{
    return command_run_judged(context, NULL);
}

static bool is_money(struct text name)
{
    static const char ending[] = "_microusd";
    const size_t size = sizeof ending - 1;
    return name.size > size && memcmp(name.data + name.size - size, ending, size) == 0;
}

/* The value of any field in one cell. */
static void show_value(struct table *table, struct text name, const msgpack_object *value)
{
    if (value->type == MSGPACK_OBJECT_STR) {
        table_text(table, reader_object_text(value));
    } else if (is_money(name) && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        table_money(table, (int64_t)value->via.u64);
    } else if (is_money(name) && value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        table_money(table, value->via.i64);
    } else {
        json_t *json = json_from_object(value);
        char *text = json ? json_dumps(json, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) : NULL;
        table_string(table, text ? text : "?");
        free(text);
        json_decref(json);
    }
}

/* Amounts are shown in dollars, so their fields lose their unit. */
static struct text shown_name(struct text name)
{
    return is_money(name) ? (struct text){name.data, name.size - sizeof "_microusd" + 1} : name;
}

static int show_fields(struct context *context, const msgpack_object_map *reply)
{
    struct table *table = table_new_pairs();
    for (uint32_t i = 0; i < reply->size; i++) {
        const struct text name = reader_object_text(&reply->ptr[i].key);
        if (text_equal(name, "v") || text_equal(name, "id") || text_equal(name, "ok"))
            continue;
        table_row(table);
        table_text(table, shown_name(name));
        show_value(table, name, &reply->ptr[i].val);
    }
    return table_print(table) ? EXIT_FINE : report_local(context, "cannot print the reply");
}

int command_show(struct context *context, const msgpack_object_map *reply)
{
    if (context->json)
        return json_print(json_from_reply(reply), false) ? EXIT_FINE : report_local(context, "cannot print the reply");
    return context->command->show ? context->command->show(context, reply) : show_fields(context, reply);
}
