/* events: one line each, from the log and, with --follow, as they come. */
#include "clients/curatectl/command.h"
#include "clients/curatectl/json.h"
#include "clients/curatectl/units.h"
#include "clients/curatectl/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 100000 }; /* what the protocol takes as a limit */

/* The kind's own fields: not those that every event has, which the line starts with. */
static bool is_common(struct text name)
{
    static const char *const common[] = {"seq", "prev", "time_ms", "project", "kind"};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (text_equal(name, common[i]))
            return true;
    return false;
}

static void print_field(struct text name, const msgpack_object *value)
{
    static const char ending[] = "_microusd";
    char money[UNITS_MONEY_SIZE];
    const size_t tail = sizeof ending - 1;
    const bool is_money = name.size > tail && memcmp(name.data + name.size - tail, ending, tail) == 0;
    if (is_money && (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER || value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)) {
        printf(" %.*s=$%s", (int)(name.size - tail), name.data, units_money(value->via.i64, money));
        return;
    }
    json_t *json = json_from_object(value);
    char *text = json ? json_dumps(json, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) : NULL;
    printf(" %.*s=%s", (int)name.size, name.data, text ? text : "?");
    free(text);
    json_decref(json);
}

static int print_event(struct context *context, const msgpack_object_map *event)
{
    char time[UNITS_TIME_SIZE];
    if (context->json) {
        const msgpack_object object = {.type = MSGPACK_OBJECT_MAP, .via.map = *event};
        return json_print(json_from_object(&object), true) ? EXIT_FINE : report_local(context, "cannot print the event");
    }
    const struct text kind = view_text(event, "kind");
    printf("%lld  %s  %.*s", (long long)view_integer(event, "seq", 0), units_time(view_integer(event, "time_ms", 0), time),
        (int)kind.size, kind.data);
    for (uint32_t i = 0; i < event->size; i++) {
        const struct text name = reader_object_text(&event->ptr[i].key);
        if (!is_common(name))
            print_field(name, &event->ptr[i].val);
    }
    putchar('\n');
    return fflush(stdout) == 0 ? EXIT_FINE : report_local(context, "cannot print the event");
}

static int follow(struct context *context, int64_t since)
{
    struct curated_error error;
    int status = EXIT_FINE;
    struct curated_events *events = curated_events_open(context->client, context->project, since, &error);
    if (!events)
        return report_error(context, &error);
    while (status == EXIT_FINE) {
        const msgpack_object_map *event = curated_events_next(events, -1, &error);
        status = event ? print_event(context, event) : report_error(context, &error);
    }
    curated_events_close(events);
    return status;
}

/* One page of the log; `since` (in and out). */
static int print_page(struct context *context, int64_t *since, int64_t *limit, bool *more)
{
    struct writer fields;
    int status;
    writer_init(&fields);
    writer_map_begin(&fields, NULL);
    writer_integer(&fields, "since", *since);
    if (*limit > 0)
        writer_integer(&fields, "limit", *limit < PAGE_MAX ? *limit : PAGE_MAX);
    struct curated_reply *reply = command_call(context, "EVENTS.SINCE", context->project, &fields, &status);
    writer_deinit(&fields);
    if (!reply)
        return status;
    const msgpack_object_array *events = view_list(curated_reply_map(reply), "events");
    for (uint32_t i = 0; status == EXIT_FINE && i < events->size; i++)
        status = print_event(context, view_as_map(&events->ptr[i]));
    *more = curated_reply_bool(reply, "more", false);
    *since = curated_reply_integer(reply, "next", *since);
    if (*limit > 0)
        *limit -= events->size;
    curated_reply_free(reply);
    return status;
}

static int run_events(struct context *context)
{
    const struct given *since = command_value(context, "since");
    const struct given *limit = command_value(context, "limit");
    int64_t at = since->text ? since->integer : 0;
    int64_t rest = limit->text ? limit->integer : 0;
    bool more = true;
    int status = EXIT_FINE;
    if (at < 0)
        return report_usage(context, "--since: expected 0 or more, got %s", since->text);
    if (limit->text && rest < 1)
        return report_usage(context, "--limit: expected 1 or more, got %s", limit->text);
    if (command_value(context, "follow")->text)
        return follow(context, command_value(context, "new")->text ? -1 : at);
    while (status == EXIT_FINE && more && (!limit->text || rest > 0))
        status = print_page(context, &at, &rest, &more);
    return status;
}

static const struct parameter events_parameters[] = {
    {.name = "since", .key = 's', .argument = "SEQ", .kind = PARAMETER_INTEGER, .help = "events after this number (0)"},
    {.name = "limit", .key = 'l', .argument = "N", .kind = PARAMETER_INTEGER, .help = "at most so many, without --follow"},
    {.name = "follow",
        .key = 'f',
        .kind = PARAMETER_FLAG,
        .help = "go on with those that come; what publishing loses is replayed"},
    {.name = "new", .kind = PARAMETER_FLAG, .help = "with --follow: only those from now on"},
    {0},
};

const struct command event_commands[] = {
    {"events", "EVENTS.SINCE", "what happened, one line each", events_parameters, run_events, NULL, false},
    {0},
};
