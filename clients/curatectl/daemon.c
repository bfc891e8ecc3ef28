/* status, verify, snapshot, config, stop, drain: what concerns the daemon as a whole. */
#include "clients/curatectl/command.h"
#include "clients/curatectl/json.h"
#include "clients/curatectl/table.h"
#include "clients/curatectl/verify.h"
#include "clients/curatectl/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void show_integers(struct table *table, const msgpack_object_map *map)
{
    for (uint32_t i = 0; i < map->size; i++) {
        const struct text name = reader_object_text(&map->ptr[i].key);
        table_row(table);
        table_format(table, "  %.*s", (int)name.size, name.data);
        table_integer(table, map->ptr[i].val.type == MSGPACK_OBJECT_POSITIVE_INTEGER ? (int64_t)map->ptr[i].val.via.u64 : -1);
    }
}

static void show_integer(struct table *table, const char *name, const msgpack_object_map *map, const char *field)
{
    table_name(table, name);
    table_integer(table, view_integer(map, field, 0));
}

static void show_bool(struct table *table, const char *name, const msgpack_object_map *map, const char *field)
{
    table_name(table, name);
    table_string(table, view_bool(map, field, false) ? "yes" : "no");
}

static void show_words(struct table *table, const char *name, const msgpack_object_array *list)
{
    for (uint32_t i = 0; i < list->size; i++) {
        table_name(table, i ? "" : name);
        table_text(table, reader_object_text(&list->ptr[i]));
    }
}

static void show_spaces(struct table *table, const msgpack_object_array *spaces)
{
    for (uint32_t i = 0; i < spaces->size; i++) {
        const msgpack_object_map *space = view_as_map(&spaces->ptr[i]);
        const struct text name = view_text(space, "space");
        const struct text dtype = view_text(space, "dtype");
        table_name(table, i ? "" : "spaces");
        table_format(table, "%.*s: %lld rows of %lld %.*s", (int)name.size, name.data,
            (long long)view_integer(space, "rows", 0), (long long)view_integer(space, "width", 0), (int)dtype.size, dtype.data);
    }
}

static void show_budget(struct table *table, const msgpack_object_map *budget)
{
    static const struct {
        const char *name, *field;
    } rows[] = {{"  granted", "granted_microusd"}, {"  available", "available_microusd"}, {"  reserved", "reserved_microusd"},
        {"  spent", "spent_microusd"}};
    table_name(table, "budget, $");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        table_name(table, rows[i].name);
        table_money(table, view_integer(budget, rows[i].field, 0));
    }
}

static void show_evaluation(struct table *table, const msgpack_object_map *evaluation)
{
    const msgpack_object_map *metrics = view_map(evaluation, "metrics");
    if (evaluation->size == 0)
        return;
    table_name(table, "evaluated version");
    table_integer(table, view_integer(evaluation, "model_version", 0));
    for (uint32_t i = 0; i < metrics->size; i++) {
        const struct text name = reader_object_text(&metrics->ptr[i].key);
        table_row(table);
        table_format(table, "  %.*s", (int)name.size, name.data);
        table_number(table, view_as_number(&metrics->ptr[i].val));
    }
}

static bool show_project(const struct context *context, const msgpack_object_map *status)
{
    struct table *table = table_new_pairs();
    table_name(table, "project");
    table_string(table, context->project);
    show_integer(table, "samples", status, "samples");
    show_integers(table, view_map(status, "states"));
    show_integer(table, "waiting", status, "waiting");
    show_integer(table, "leases", status, "leases");
    show_integer(table, "batches", status, "batches");
    show_integer(table, "model version", status, "model_version");
    show_integer(table, "predicted", status, "predicted");
    show_spaces(table, view_list(status, "spaces"));
    show_budget(table, view_map(status, "budget"));
    show_integer(table, "labels", status, "labels");
    show_integers(table, view_map(status, "classes"));
    show_evaluation(table, view_map(status, "evaluation"));
    show_integer(table, "last event", status, "event_seq");
    show_bool(table, "planning", status, "planning");
    return table_print(table);
}

static void show_planner(struct table *table, const msgpack_object_map *planner)
{
    const struct text operation = view_text(planner, "op");
    const int64_t task = view_integer(planner, "task", 0);
    table_name(table, "computing");
    if (task > 0)
        table_format(table, "%.*s, task %lld, %.0f %% done", (int)operation.size, operation.data, (long long)task,
            100 * view_number(planner, "done", 0));
    else
        table_string(table, "nothing");
}

static bool show_daemon(const msgpack_object_map *status)
{
    struct table *table = table_new_pairs();
    const int64_t seconds = view_integer(status, "uptime_ms", 0) / 1000;
    table_name(table, "version");
    table_text(table, view_text(status, "version"));
    table_name(table, "kernels");
    table_text(table, view_text(status, "kernels"));
    table_name(table, "up");
    table_format(table, "%lld d %02lld:%02lld:%02lld", (long long)(seconds / 86400), (long long)(seconds / 3600 % 24),
        (long long)(seconds / 60 % 60), (long long)(seconds % 60));
    show_bool(table, "draining", status, "draining");
    show_bool(table, "read only", status, "read_only");
    show_integer(table, "commits", status, "commits");
    show_integer(table, "requests", status, "requests");
    show_planner(table, view_map(status, "planner"));
    show_words(table, "projects", view_list(status, "projects"));
    return table_print(table);
}

static int show_status(struct context *context, const msgpack_object_map *reply)
{
    const bool good = context->project ? show_project(context, reply) : show_daemon(reply);
    return good ? EXIT_FINE : report_local(context, "cannot print the reply");
}

/* Where --all was given, the project of the environment does not count. */
static void forget_project(struct context *context)
{
    if (command_value(context, "all")->text || (context->project && !*context->project))
        context->project = NULL;
}

static int watch(struct context *context, int64_t pause_ms)
{
    const struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
    for (;;) {
        /* Home and clear, so that the page stays in place. */
        if (!context->json && isatty(STDOUT_FILENO))
            fputs("\033[H\033[2J", stdout);
        const int status = command_run(context);
        if (status != EXIT_FINE && status != EXIT_UNREACHABLE)
            return status;
        if (fflush(stdout) != 0)
            return EXIT_LOCAL;
        nanosleep(&pause, NULL);
    }
}

static int run_status(struct context *context)
{
    const struct given *every = command_value(context, "every");
    forget_project(context);
    if (command_value(context, "watch")->text || every->text)
        return watch(context, every->text && every->integer > 0 ? every->integer : 2000);
    return command_run(context);
}

static int judge_verify(const msgpack_object_map *reply)
{
    return view_bool(reply, "clean", false) ? EXIT_FINE : EXIT_DIFFERS;
}

static int run_verify(struct context *context)
{
    const struct given *folder = command_value(context, "store");
    forget_project(context);
    return folder->text ? verify_folder(context, folder->text) : command_run_judged(context, judge_verify);
}

static int show_verify(struct context *context, const msgpack_object_map *reply)
{
    const msgpack_object_array *problems = view_list(reply, "problems");
    struct table *table = table_new_pairs();
    table_name(table, "clean");
    table_string(table, view_bool(reply, "clean", false) ? "yes" : "no");
    table_name(table, "checked");
    show_integers(table, view_map(reply, "checked"));
    show_words(table, "problems", problems);
    return table_print(table) ? EXIT_FINE : report_local(context, "cannot print the reply");
}

static int show_config(struct context *context, const msgpack_object_map *reply)
{
    const msgpack_object_map *config = view_map(reply, "config");
    struct table *table = table_new_pairs();
    for (uint32_t i = 0; i < config->size; i++) {
        table_row(table);
        table_text(table, reader_object_text(&config->ptr[i].key));
        json_t *json = json_from_object(&config->ptr[i].val);
        char *text = json_is_string(json) ? strdup(json_string_value(json)) : json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
        table_string(table, text ? text : "?");
        free(text);
        json_decref(json);
    }
    return table_print(table) ? EXIT_FINE : report_local(context, "cannot print the reply");
}

static const struct parameter status_parameters[] = {
    {.name = "watch", .key = 'w', .kind = PARAMETER_FLAG, .help = "show it again every two seconds"},
    {.name = "every", .argument = "TIME", .kind = PARAMETER_DURATION, .help = "watch at this pace"},
    {.name = "all", .key = 'a', .kind = PARAMETER_FLAG, .help = "the daemon, even where CURATED_PROJECT is set"},
    {0},
};

static const struct parameter verify_parameters[] = {
    {.name = "all", .key = 'a', .kind = PARAMETER_FLAG, .help = "all projects, even where CURATED_PROJECT is set"},
    {.name = "store", .argument = "FOLDER", .help = "look at the store in FOLDER, whose daemon is stopped"},
    {0},
};

static const struct parameter snapshot_parameters[] = {
    {.name = "NAME", .field = "name", .place = PLACE_ARGUMENT, .help = "the snapshot's name, of A-Z a-z 0-9 . _ -"},
    {0},
};

static const struct parameter stop_parameters[] = {
    {.name = "task", .field = "task", .kind = PARAMETER_INTEGER, .help = "only this one, by its number in the status"},
    {0},
};

static const struct parameter drain_parameters[] = {
    {.name = "on|off", .field = "on", .kind = PARAMETER_SWITCH, .place = PLACE_ARGUMENT, .help = "on or off"},
    {0},
};

const struct command daemon_commands[] = {
    {"status", "STATUS", "how the project, or the daemon, is doing", status_parameters, run_status, show_status, false},
    {"verify", "VERIFY", "recount states, money, leases and events from the records", verify_parameters, run_verify,
        show_verify, false},
    {"snapshot", "SNAPSHOT", "copy the store, consistent, into its folder snapshots/NAME", snapshot_parameters, NULL, NULL,
        false},
    {"config", "CONFIG", "the configuration in force", NULL, NULL, show_config, false},
    {"stop", "PLANNER.CANCEL", "stop the selection that is being computed", stop_parameters, NULL, NULL, false},
    {"drain", "DRAIN", "while on, no new leases and batches; everything else works", drain_parameters, NULL, NULL, false},
    {0},
};
