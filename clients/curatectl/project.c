/* project create, get, set and list; model activate and drop. */
#include "clients/curatectl/command.h"
#include "clients/curatectl/view.h"

#include <stdio.h>

static int show_list(struct context *context, const msgpack_object_map *reply)
{
    const msgpack_object_array *projects = view_list(reply, "projects");
    (void)context;
    for (uint32_t i = 0; i < projects->size; i++) {
        const struct text name = reader_object_text(&projects->ptr[i]);
        printf("%.*s\n", (int)name.size, name.data);
    }
    return EXIT_FINE;
}

static int show_created(struct context *context, const msgpack_object_map *reply)
{
    printf("project %s %s\n", context->project,
        view_bool(reply, "created", false) ? "created" : "exists already, with the same settings");
    return EXIT_FINE;
}

static int show_set(struct context *context, const msgpack_object_map *reply)
{
    (void)reply;
    printf("project %s changed\n", context->project);
    return EXIT_FINE;
}

static int show_model(struct context *context, const msgpack_object_map *reply)
{
    (void)reply;
    printf("model version %s of %s: done\n", command_value(context, "VERSION")->text, context->project);
    return EXIT_FINE;
}

/* The settings as options; docs/protocol.md explains each. */
#define SETTINGS                                                                                                               \
    {.name = "type-prices",                                                                                                    \
        .argument = "JSON",                                                                                                    \
        .field = "type_prices_microusd",                                                                                       \
        .kind = PARAMETER_JSON,                                                                                                \
        .help = "prices of further annotation types in micro-dollars, {\"box\": 500000}"},                                     \
        {.name = "overlap",                                                                                                    \
            .argument = "N",                                                                                                   \
            .field = "overlap",                                                                                                \
            .kind = PARAMETER_INTEGER,                                                                                         \
            .help = "answers bought for one item (1)"},                                                                        \
        {.name = "lease",                                                                                                      \
            .argument = "TIME",                                                                                                \
            .field = "lease_ms",                                                                                               \
            .kind = PARAMETER_DURATION,                                                                                        \
            .help = "length of a lease (1m)"},                                                                                 \
        {.name = "skip-limit",                                                                                                 \
            .argument = "N",                                                                                                   \
            .field = "skip_limit",                                                                                             \
            .kind = PARAMETER_INTEGER,                                                                                         \
            .help = "skips that reject an item (3)"},                                                                          \
        {.name = "pay-none-of-these",                                                                                          \
            .argument = "on|off",                                                                                              \
            .field = "pay_none_of_these",                                                                                      \
            .kind = PARAMETER_SWITCH,                                                                                          \
            .help = "whether the answer \"none of these\" is charged (on)"},                                                   \
        {.name = "control-share",                                                                                              \
            .argument = "SHARE",                                                                                               \
            .field = "control_share",                                                                                          \
            .kind = PARAMETER_NUMBER,                                                                                          \
            .help = "auto: share of a batch's money spent by pure chance (0.05)"},                                             \
        {.name = "group-max",                                                                                                  \
            .argument = "N",                                                                                                   \
            .field = "group_max",                                                                                              \
            .kind = PARAMETER_INTEGER,                                                                                         \
            .help = "items of one group in a batch at most; 0: no bound"},                                                     \
        {.name = "excluded-tags",                                                                                              \
            .argument = "TAG,...",                                                                                             \
            .field = "excluded_tags",                                                                                          \
            .kind = PARAMETER_WORDS,                                                                                           \
            .help = "samples with such a tag are not selected"},                                                               \
        {.name = "minimum-shares",                                                                                             \
            .argument = "JSON",                                                                                                \
            .field = "minimum_shares",                                                                                         \
            .kind = PARAMETER_JSON,                                                                                            \
            .help = "[{\"class\": \"cat\", \"share\": 0.2}, {\"tag\": \"night\", \"share\": 0.1}]"},                           \
        {.name = "keep-duplicates",                                                                                            \
            .argument = "on|off",                                                                                              \
            .field = "keep_duplicates",                                                                                        \
            .kind = PARAMETER_SWITCH,                                                                                          \
            .help = "auto: do not keep near-duplicates out (off)"},                                                            \
        {.name = "keep-junk",                                                                                                  \
            .argument = "on|off",                                                                                              \
            .field = "keep_junk",                                                                                              \
            .kind = PARAMETER_SWITCH,                                                                                          \
            .help = "auto: do not keep outliers out (off)"},                                                                   \
        {.name = "space",                                                                                                      \
            .argument = "SPACE",                                                                                               \
            .field = "space",                                                                                                  \
            .kind = PARAMETER_TEXT,                                                                                            \
            .help = "embedding space to select in"},                                                                           \
        {.name = "replenish-depth",                                                                                            \
            .argument = "N",                                                                                                   \
            .field = "replenish_depth",                                                                                        \
            .kind = PARAMETER_INTEGER,                                                                                         \
            .help = "continuous mode: items that should wait; 0: off"},                                                        \
        {.name = "replenish-low",                                                                                              \
            .argument = "N",                                                                                                   \
            .field = "replenish_low",                                                                                          \
            .kind = PARAMETER_INTEGER,                                                                                         \
            .help = "the next batch comes when fewer wait"},                                                                   \
        {.name = "replenish-strategy",                                                                                         \
            .argument = "NAME",                                                                                                \
            .field = "replenish_strategy",                                                                                     \
            .kind = PARAMETER_TEXT,                                                                                            \
            .help = "its strategy (auto)"},                                                                                    \
        {.name = "budget-low",                                                                                                 \
            .argument = "USD",                                                                                                 \
            .field = "budget_low_microusd",                                                                                    \
            .kind = PARAMETER_MONEY,                                                                                           \
            .help = "the event budget.low comes below this"},                                                                  \
    {                                                                                                                          \
        .name = "keep-models", .argument = "N", .field = "keep_models", .kind = PARAMETER_INTEGER,                             \
        .help = "model versions whose predictions are kept (2)"                                                                \
    }

#define PROJECT_ARGUMENT                                                                                                       \
    {                                                                                                                          \
        .name = "PROJECT", .place = PLACE_OPTIONAL_ARGUMENT, .help = "the project's name"                                      \
    }

static const struct parameter create_parameters[] = {
    PROJECT_ARGUMENT,
    {.name = "classes",
        .key = 'c',
        .argument = "NAME,...",
        .field = "classes",
        .kind = PARAMETER_WORDS,
        .required = true,
        .help = "class names, in the order of their numbers"},
    {.name = "price",
        .argument = "USD",
        .field = "price_microusd",
        .kind = PARAMETER_MONEY,
        .required = true,
        .help = "what one label costs"},
    {.name = "seed", .argument = "N", .field = "seed", .kind = PARAMETER_INTEGER, .help = "of every random choice (0)"},
    SETTINGS,
    {0},
};

static const struct parameter set_parameters[] = {
    PROJECT_ARGUMENT,
    {.name = "classes",
        .key = 'c',
        .argument = "NAME,...",
        .field = "classes",
        .kind = PARAMETER_WORDS,
        .help = "all class names: those there are, then new ones"},
    {.name = "price", .argument = "USD", .field = "price_microusd", .kind = PARAMETER_MONEY, .help = "what one label costs"},
    SETTINGS,
    {0},
};

static const struct parameter get_parameters[] = {PROJECT_ARGUMENT, {0}};

static const struct parameter model_parameters[] = {
    {.name = "VERSION",
        .field = "model_version",
        .kind = PARAMETER_INTEGER,
        .place = PLACE_ARGUMENT,
        .help = "the model version"},
    {0},
};

const struct command project_commands[] = {
    {"project create", "PROJECT.CREATE", "make a project", create_parameters, NULL, show_created, true},
    {"project get", "PROJECT.GET", "a project's settings", get_parameters, NULL, NULL, true},
    {"project set", "PROJECT.SET", "change a project's settings", set_parameters, NULL, show_set, true},
    {"project list", "PROJECT.LIST", "the names of the projects", NULL, NULL, show_list, false},
    {"model activate", "MODEL.ACTIVATE", "let selection use a model version from now on", model_parameters, NULL, show_model,
        false},
    {"model drop", "MODEL.DROP", "forget a model version that is not active", model_parameters, NULL, show_model, false},
    {0},
};
