/* plan, next, batch, cancel, explain and replay. */
#include "clients/curatectl/command.h"
#include "clients/curatectl/table.h"
#include "clients/curatectl/units.h"
#include "clients/curatectl/view.h"

#include <stdio.h>
#include <string.h>

static bool show_items(const msgpack_object_array *items)
{
    static const char *const headings[] = {
        ">RANK", ">SLOT", "KEY", ">PRICE, $", "STATE", "ARM", ">CHANCE", "PREDICTED", "REASON", NULL};
    struct table *table = table_new(headings);
    for (uint32_t i = 0; i < items->size; i++) {
        const msgpack_object_map *item = view_as_map(&items->ptr[i]);
        table_row(table);
        table_integer(table, view_integer(item, "rank", i));
        table_integer(table, view_integer(item, "slot", 0));
        table_text(table, view_text(item, "key"));
        table_money(table, view_integer(item, "price_microusd", 0));
        table_text(table, view_text(item, "state"));
        table_text(table, view_text(item, "arm"));
        table_number(table, view_number(item, "probability", 0));
        table_text(table, view_text(item, "predicted"));
        table_text(table, view_text(item, "reason"));
    }
    return table_print(table);
}

static void show_choice(struct table *table, const msgpack_object_map *reply)
{
    table_name(table, "items");
    table_integer(table, view_integer(reply, "items", 0));
    table_name(table, "cost, $");
    table_money(table, view_integer(reply, "cost_microusd", 0));
    table_name(table, "available after it, $");
    table_money(table, view_integer(reply, "available_microusd", 0));
    table_name(table, "strategy");
    table_text(table, view_text(reply, "strategy"));
    table_name(table, "seed");
    table_integer(table, view_integer(reply, "seed", 0));
    table_name(table, "model version");
    table_integer(table, view_integer(reply, "model_version", 0));
    const msgpack_object_map *stats = view_map(reply, "stats");
    for (uint32_t i = 0; i < stats->size; i++) {
        table_row(table);
        table_text(table, reader_object_text(&stats->ptr[i].key));
        table_number(table, view_as_number(&stats->ptr[i].val));
    }
}

static int show_chosen(struct context *context, const msgpack_object_map *reply)
{
    const msgpack_object_array *picks = view_list(reply, "picks");
    struct table *table = table_new_pairs();
    if (view_integer(reply, "batch", 0)) {
        table_name(table, "batch");
        table_integer(table, view_integer(reply, "batch", 0));
    }
    show_choice(table, reply);
    bool good = table_print(table);
    if (good && picks->size > 0)
        good = putchar('\n') != EOF && show_items(picks);
    return good ? EXIT_FINE : report_local(context, "cannot print the reply");
}

static int show_batch(struct context *context, const msgpack_object_map *reply)
{
    static const char *const counts[] = {
        "items", "open", "labeled", "rejected", "canceled", "overlap", "model_version", "seed"};
    struct table *table = table_new_pairs();
    table_name(table, "batch");
    table_integer(table, view_integer(reply, "batch", 0));
    table_name(table, "state");
    table_text(table, view_text(reply, "state"));
    table_name(table, "created");
    table_time(table, view_integer(reply, "created_ms", 0));
    table_name(table, "strategy");
    table_text(table, view_text(reply, "strategy"));
    table_name(table, "cost, $");
    table_money(table, view_integer(reply, "cost_microusd", 0));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        table_name(table, counts[i]);
        table_integer(table, view_integer(reply, counts[i], 0));
    }
    if (!table_print(table) || putchar('\n') == EOF || !show_items(view_list(reply, "list")))
        return report_local(context, "cannot print the reply");
    const int64_t next = view_integer(reply, "next", -1);
    if (next >= 0)
        fprintf(stderr, "there are more: --from=%lld\n", (long long)next);
    return EXIT_FINE;
}

static int show_canceled(struct context *context, const msgpack_object_map *reply)
{
    printf("batch %s: %lld items went back to the pool\n", command_value(context, "BATCH")->text,
        (long long)view_integer(reply, "canceled", 0));
    return EXIT_FINE;
}

static int show_replay(struct context *context, const msgpack_object_map *reply)
{
    if (view_bool(reply, "same", false)) {
        printf("batch %s: the same %lld items\n", command_value(context, "BATCH")->text,
            (long long)view_integer(reply, "items", 0));
        return EXIT_FINE;
    }
    printf("batch %s: another selection, first at rank %lld\n", command_value(context, "BATCH")->text,
        (long long)view_integer(reply, "first_difference", -1));
    return EXIT_FINE;
}

static int judge_replay(const msgpack_object_map *reply)
{
    return view_bool(reply, "same", false) ? EXIT_FINE : EXIT_DIFFERS;
}

static int run_replay(struct context *context)
{
    return command_run_judged(context, judge_replay);
}

/* EXPLAIN takes a key or a slot; the two parameters are the first of the table. */
static int run_explain(struct context *context)
{
    if (!context->values[0].text == !context->values[1].text)
        return report_usage(context, "which sample? Give its KEY, or --slot N, and not both");
    return command_run(context);
}

/* What strategies leave open. */
static const struct parameter strategy_fields[] = {
    {.name = "neighbors", .field = "neighbors", .kind = PARAMETER_INTEGER},
    {.name = "clusters", .field = "clusters", .kind = PARAMETER_INTEGER},
    {.name = "margin_pool", .field = "margin_pool", .kind = PARAMETER_INTEGER},
    {.name = "radius", .field = "radius", .kind = PARAMETER_NUMBER},
    {.name = "purity", .field = "purity", .kind = PARAMETER_NUMBER},
    {.name = "redundancy", .field = "redundancy", .kind = PARAMETER_NUMBER},
    {.name = "outlier_share", .field = "outlier_share", .kind = PARAMETER_NUMBER},
    {.name = "power", .field = "power", .kind = PARAMETER_NUMBER},
    {.name = "class_sought", .field = "class_sought", .kind = PARAMETER_TEXT},
    {0},
};

/* What PLAN and BATCH.COMMIT share. */
#define CHOICE                                                                                                                 \
    {.name = "budget",                                                                                                         \
        .key = 'b',                                                                                                            \
        .argument = "USD",                                                                                                     \
        .field = "budget_microusd",                                                                                            \
        .kind = PARAMETER_MONEY,                                                                                               \
        .help = "what the batch may cost"},                                                                                    \
        {.name = "count", .key = 'n', .argument = "N", .field = "count", .kind = PARAMETER_INTEGER, .help = "items at most"},  \
        {.name = "strategy",                                                                                                   \
            .key = 's',                                                                                                        \
            .argument = "NAME",                                                                                                \
            .field = "strategy",                                                                                               \
            .kind = PARAMETER_TEXT,                                                                                            \
            .help = "auto, margin, badge or another of docs/selection.md (auto)"},                                             \
        {.name = "parameter",                                                                                                  \
            .argument = "NAME=VALUE",                                                                                          \
            .field = "parameters",                                                                                             \
            .kind = PARAMETER_FIELDS,                                                                                          \
            .fields = strategy_fields,                                                                                         \
            .help = "set what the strategy leaves open, such as neighbors=50; again for each"},                                \
        {.name = "partial", .kind = PARAMETER_FLAG, .field = "partial", .help = "take what the available money affords"},      \
        {.name = "overlap",                                                                                                    \
            .argument = "N",                                                                                                   \
            .field = "overlap",                                                                                                \
            .kind = PARAMETER_INTEGER,                                                                                         \
            .help = "answers bought for one item"},                                                                            \
        {.name = "control-share",                                                                                              \
            .argument = "SHARE",                                                                                               \
            .field = "control_share",                                                                                          \
            .kind = PARAMETER_NUMBER,                                                                                          \
            .help = "share of the money spent by pure chance"},                                                                \
        {.name = "group-max",                                                                                                  \
            .argument = "N",                                                                                                   \
            .field = "group_max",                                                                                              \
            .kind = PARAMETER_INTEGER,                                                                                         \
            .help = "items of one group at most"},                                                                             \
        {.name = "keep-duplicates",                                                                                            \
            .kind = PARAMETER_FLAG,                                                                                            \
            .field = "keep_duplicates",                                                                                        \
            .help = "do not keep near-duplicates out"},                                                                        \
        {.name = "keep-junk", .kind = PARAMETER_FLAG, .field = "keep_junk", .help = "do not keep outliers out"},               \
        {.name = "space",                                                                                                      \
            .argument = "SPACE",                                                                                               \
            .field = "space",                                                                                                  \
            .kind = PARAMETER_TEXT,                                                                                            \
            .help = "embedding space to select in"},                                                                           \
        {.name = "seed", .argument = "N", .field = "seed", .kind = PARAMETER_INTEGER, .help = "of the random choices"},        \
        {.name = "type", .argument = "TYPE", .field = "type", .kind = PARAMETER_TEXT, .help = "annotation type"},              \
    {                                                                                                                          \
        .name = "include", .argument = "FILE", .field = "include", .kind = PARAMETER_KEYS_FILE,                                \
        .help = "take these samples first: a file with a key a line, - for stdin"                                              \
    }

static const struct parameter plan_parameters[] = {CHOICE, {0}};

static const struct parameter next_parameters[] = {
    CHOICE,
    {.name = "only",
        .argument = "FILE",
        .field = "only",
        .kind = PARAMETER_KEYS_FILE,
        .help = "exactly these samples, in this order, nothing selected: a file with a key a line"},
    {0},
};

#define BATCH_ARGUMENT                                                                                                         \
    {                                                                                                                          \
        .name = "BATCH", .field = "batch", .kind = PARAMETER_INTEGER, .place = PLACE_ARGUMENT, .help = "the batch's number"    \
    }

static const struct parameter batch_parameters[] = {
    BATCH_ARGUMENT,
    {.name = "from", .argument = "RANK", .field = "from", .kind = PARAMETER_INTEGER, .help = "items from this rank on (0)"},
    {.name = "limit", .key = 'l', .argument = "N", .field = "limit", .kind = PARAMETER_INTEGER, .help = "at most so many"},
    {0},
};

static const struct parameter number_parameters[] = {BATCH_ARGUMENT, {0}};

static const struct parameter explain_parameters[] = {
    {.name = "KEY", .field = "key", .place = PLACE_OPTIONAL_ARGUMENT, .help = "the sample's key"},
    {.name = "slot", .argument = "N", .field = "slot", .kind = PARAMETER_INTEGER, .help = "the sample's number"},
    {.name = "batch", .argument = "N", .field = "batch", .kind = PARAMETER_INTEGER, .help = "in this batch (its newest)"},
    {0},
};

const struct command selection_commands[] = {
    {"plan", "PLAN", "what `next` would select; changes nothing", plan_parameters, NULL, show_chosen, false},
    {"next", "BATCH.COMMIT", "select, reserve the money and publish the batch", next_parameters, NULL, show_chosen, false},
    {"batch", "BATCH.GET", "a batch and its items", batch_parameters, NULL, show_batch, false},
    {"cancel", "BATCH.CANCEL", "take back the items of a batch that nobody works on", number_parameters, NULL, show_canceled,
        false},
    {"explain", "EXPLAIN", "why a sample was selected", explain_parameters, run_explain, NULL, false},
    {"replay", "REPLAY", "compute a batch again from what was recorded", number_parameters, run_replay, show_replay, false},
    {0},
};
