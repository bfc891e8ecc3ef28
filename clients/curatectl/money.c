/* grant, budget and ledger. */
#include "clients/curatectl/command.h"
#include "clients/curatectl/json.h"
#include "clients/curatectl/table.h"
#include "clients/curatectl/units.h"
#include "clients/curatectl/view.h"

#include <stdio.h>
#include <stdlib.h>

static int show_grant(struct context *context, const msgpack_object_map *reply)
{
    char granted[UNITS_MONEY_SIZE], available[UNITS_MONEY_SIZE];
    printf("%s: granted $%s in all, $%s available\n", context->project,
        units_money(view_integer(reply, "granted_microusd", 0), granted),
        units_money(view_integer(reply, "available_microusd", 0), available));
    return EXIT_FINE;
}

static bool show_sums(const msgpack_object_map *reply)
{
    static const struct {
        const char *name, *field;
        bool money;
    } rows[] = {
        {"granted, $", "granted_microusd", true},
        {"available, $", "available_microusd", true},
        {"reserved, $", "reserved_microusd", true},
        {"spent, $", "spent_microusd", true},
        {"labels received", "labels_received", false},
        {"labels paid", "labels_paid", false},
        {"labels accepted", "labels_accepted", false},
        {"labels effective", "labels_effective", false},
    };
    struct table *table = table_new_pairs();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int64_t value = view_integer(reply, rows[i].field, 0);
        table_name(table, rows[i].name);
        if (rows[i].money)
            table_money(table, value);
        else
            table_integer(table, value);
    }
    return table_print(table);
}

static bool show_rounds(const msgpack_object_array *rounds)
{
    static const char *const headings[] = {">MODEL", "TIME", ">SPENT, $", ">LABELS", "METRICS", NULL};
    struct table *table = table_new(headings);
    for (uint32_t i = 0; i < rounds->size; i++) {
        const msgpack_object_map *round = view_as_map(&rounds->ptr[i]);
        const msgpack_object_map *metrics = view_map(round, "metrics");
        const msgpack_object object = {.type = MSGPACK_OBJECT_MAP, .via.map = *metrics};
        json_t *json = json_from_object(&object);
        char *text = json ? json_dumps(json, JSON_REAL_PRECISION(4)) : NULL;
        table_row(table);
        table_integer(table, view_integer(round, "model_version", 0));
        table_time(table, view_integer(round, "time_ms", 0));
        table_money(table, view_integer(round, "spent_microusd", 0));
        table_integer(table, view_integer(round, "labels", 0));
        table_string(table, text ? text : "?");
        free(text);
        json_decref(json);
    }
    return table_print(table);
}

static int show_budget(struct context *context, const msgpack_object_map *reply)
{
    const msgpack_object_array *rounds = view_list(reply, "rounds");
    bool good = show_sums(reply);
    if (good && rounds->size > 0)
        good = putchar('\n') != EOF && show_rounds(rounds);
    return good ? EXIT_FINE : report_local(context, "cannot print the reply");
}

static int show_ledger(struct context *context, const msgpack_object_map *reply)
{
    static const char *const headings[] = {">SEQ", "TIME", "KIND", ">AMOUNT, $", ">BATCH", ">SLOT", ">LABEL", "NOTE", NULL};
    const msgpack_object_array *entries = view_list(reply, "entries");
    struct table *table = table_new(headings);
    for (uint32_t i = 0; i < entries->size; i++) {
        const msgpack_object_map *entry = view_as_map(&entries->ptr[i]);
        table_row(table);
        table_integer(table, view_integer(entry, "seq", 0));
        table_time(table, view_integer(entry, "time_ms", 0));
        table_text(table, view_text(entry, "kind"));
        table_money(table, view_integer(entry, "amount_microusd", 0));
        table_integer(table, view_integer(entry, "batch", 0));
        table_integer(table, view_integer(entry, "slot", -1));
        table_integer(table, view_integer(entry, "label_seq", 0));
        table_text(table, view_text(entry, "note"));
    }
    if (!table_print(table))
        return report_local(context, "cannot print the reply");
    if (view_bool(reply, "more", false))
        fprintf(stderr, "there are more: --since=%lld\n", (long long)view_integer(reply, "next", 0));
    return EXIT_FINE;
}

static const struct parameter grant_parameters[] = {
    {.name = "AMOUNT",
        .field = "amount_microusd",
        .kind = PARAMETER_MONEY,
        .place = PLACE_ARGUMENT,
        .help = "dollars; a negative one, after --, takes back what is available"},
    {.name = "note", .key = 'n', .argument = "TEXT", .field = "note", .kind = PARAMETER_TEXT, .help = "why, for the ledger"},
    {0},
};

static const struct parameter ledger_parameters[] = {
    {.name = "since",
        .key = 's',
        .argument = "SEQ",
        .field = "since",
        .kind = PARAMETER_INTEGER,
        .help = "entries after this number (0)"},
    {.name = "limit", .key = 'l', .argument = "N", .field = "limit", .kind = PARAMETER_INTEGER, .help = "at most so many"},
    {0},
};

static int run_ledger(struct context *context)
{
    /* `since` is required on the wire; the first parameter of the table. */
    if (!context->values[0].text)
        context->values[0] = (struct given){.text = "0", .integer = 0};
    return command_run(context);
}

const struct command money_commands[] = {
    {"grant", "BUDGET.GRANT", "add money", grant_parameters, NULL, show_grant, false},
    {"budget", "BUDGET.GET", "where the money is, and what each round made of it", NULL, NULL, show_budget, false},
    {"ledger", "LEDGER.SINCE", "every movement of money", ledger_parameters, run_ledger, show_ledger, false},
    {0},
};
