/* lease, touch, submit, skip and release: what a worker does, by hand or from a script. */
#include "clients/curatectl/command.h"
#include "clients/curatectl/json.h"
#include "clients/curatectl/table.h"
#include "clients/curatectl/units.h"
#include "clients/curatectl/view.h"

#include <stdio.h>

static int show_leases(struct context *context, const msgpack_object_map *reply)
{
    static const char *const headings[] = {">SLOT", ">LEASE", "KEY", "URI", ">BATCH", "TYPE", ">PRICE, $", "UNTIL", NULL};
    const msgpack_object_array *leases = view_list(reply, "leases");
    if (leases->size == 0) {
        fputs("nothing waits\n", stderr);
        return EXIT_FINE;
    }
    struct table *table = table_new(headings);
    for (uint32_t i = 0; i < leases->size; i++) {
        const msgpack_object_map *lease = view_as_map(&leases->ptr[i]);
        table_row(table);
        table_integer(table, view_integer(lease, "slot", 0));
        table_integer(table, view_integer(lease, "lease", 0));
        table_text(table, view_text(lease, "key"));
        table_text(table, view_text(lease, "uri"));
        table_integer(table, view_integer(lease, "batch", 0));
        table_text(table, view_text(lease, "type"));
        table_money(table, view_integer(lease, "price_microusd", 0));
        table_time(table, view_integer(lease, "deadline_ms", 0));
    }
    return table_print(table) ? EXIT_FINE : report_local(context, "cannot print the reply");
}

static int judge_leases(const msgpack_object_map *reply)
{
    return view_list(reply, "leases")->size > 0 ? EXIT_FINE : EXIT_NOTHING;
}

static int run_lease(struct context *context)
{
    return command_run_judged(context, judge_leases);
}

static int show_touched(struct context *context, const msgpack_object_map *reply)
{
    char time[UNITS_TIME_SIZE];
    (void)context;
    printf("held until %s\n", units_time(view_integer(reply, "deadline_ms", 0), time));
    return EXIT_FINE;
}

static int show_submitted(struct context *context, const msgpack_object_map *reply)
{
    char money[UNITS_MONEY_SIZE];
    (void)context;
    printf("label %lld, $%s charged%s\n", (long long)view_integer(reply, "label_seq", 0),
        units_money(view_integer(reply, "charged_microusd", 0), money),
        view_bool(reply, "settled", true) ? "" : "; the item waits for further answers");
    return EXIT_FINE;
}

static int show_state(struct context *context, const msgpack_object_map *reply)
{
    const struct text state = view_text(reply, "state");
    printf("slot %s is %.*s\n", command_value(context, "SLOT")->text, (int)state.size, state.data);
    return EXIT_FINE;
}

#define WORKER                                                                                                                 \
    {                                                                                                                          \
        .name = "worker", .key = 'w', .argument = "WORKER", .field = "worker", .required = true, .help = "who works"           \
    }

/* Which lease, as `lease` printed it. */
#define HELD                                                                                                                   \
    WORKER,                                                                                                                    \
        {.name = "SLOT", .field = "slot", .kind = PARAMETER_INTEGER, .place = PLACE_ARGUMENT, .help = "the sample's number"},  \
    {                                                                                                                          \
        .name = "LEASE", .field = "lease", .kind = PARAMETER_INTEGER, .place = PLACE_ARGUMENT, .help = "the lease's number"    \
    }

static const struct parameter lease_parameters[] = {
    WORKER,
    {.name = "count", .key = 'n', .argument = "N", .field = "count", .kind = PARAMETER_INTEGER, .help = "items at most (1)"},
    {.name = "for",
        .argument = "TIME",
        .field = "lease_ms",
        .kind = PARAMETER_DURATION,
        .help = "how long (the project's lease)"},
    {.name = "batch", .argument = "N", .field = "batch", .kind = PARAMETER_INTEGER, .help = "of this batch only"},
    {.name = "type", .argument = "TYPE", .field = "type", .help = "of this annotation type only"},
    {0},
};

static const struct parameter touch_parameters[] = {
    HELD,
    {.name = "for", .argument = "TIME", .field = "lease_ms", .kind = PARAMETER_DURATION, .help = "how long from now"},
    {0},
};

static const struct parameter submit_parameters[] = {
    HELD,
    {.name = "LABEL", .field = "label", .place = PLACE_ARGUMENT, .help = "the class"},
    {0},
};

static const struct parameter skip_parameters[] = {
    HELD,
    {.name = "REASON", .field = "reason", .place = PLACE_ARGUMENT, .help = "why; none_of_these is an answer: no class fits"},
    {0},
};

static const struct parameter release_parameters[] = {HELD, {0}};

const struct command work_commands[] = {
    {"lease", "LEASE", "take items to work on; exits 16 when nothing waits", lease_parameters, run_lease, show_leases, false},
    {"touch", "TOUCH", "hold an item longer", touch_parameters, NULL, show_touched, false},
    {"submit", "SUBMIT", "answer an item", submit_parameters, NULL, show_submitted, false},
    {"skip", "SKIP", "refuse an item, with a reason", skip_parameters, NULL, show_state, false},
    {"release", "RELEASE", "give an item back unanswered", release_parameters, NULL, show_state, false},
    {0},
};
