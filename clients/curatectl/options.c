#include "clients/curatectl/options.h"

#include "clients/curatectl/units.h"
#include "protocol/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_FIRST = 0x100, KEY_TIMEOUT = 0x1000 };

static const struct argp_option common_options[] = {
    {"requests", 'r', "ADDRESS", 0, "where the daemon answers (CURATED_REQUESTS, or tcp://127.0.0.1:7811)", 100},
    {"events", 'e', "ADDRESS", 0, "where it publishes (CURATED_EVENTS, or tcp://127.0.0.1:7812)", 100},
    {"project", 'p', "PROJECT", 0, "the project (CURATED_PROJECT)", 100},
    {"timeout", KEY_TIMEOUT, "TIME", 0, "how long to wait for a reply: 500ms, 30s, 5m (30s; 10m where the daemon computes)",
        100},
    {"json", 'j', NULL, 0, "print the reply as JSON; money is in micro-dollars, time in milliseconds", 100},
    {0},
};

/* An address that is empty, from a variable that is not set say, must not become the default one. */
static const char *take_address(const char *option, const char *address, struct argp_state *state)
{
    if (!*address)
        argp_error(state, "--%s: expected an address such as tcp://127.0.0.1:7811, got ''", option);
    return address;
}

static error_t parse_common(int key, char *argument, struct argp_state *state)
{
    struct context *context = state->input;
    switch (key) {
    case 'r':
        context->requests = take_address("requests", argument, state);
        return 0;
    case 'e':
        context->events = take_address("events", argument, state);
        return 0;
    case 'p':
        context->project = argument;
        return 0;
    case 'j':
        context->json = true;
        return 0;
    case KEY_TIMEOUT:
        if (!units_parse_duration(argument, &context->timeout_ms) || context->timeout_ms == 0)
            argp_error(state, "--timeout: expected a time such as 500ms, 30s or 5m, got '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp options_common = {.options = common_options, .parser = parse_common};

/* Reads one value; what it should have been, or NULL where it is fine. */
static const char *read_value(enum parameter_kind kind, const char *text, struct given *value)
{
    char *end;
    value->text = text;
    switch (kind) {
    case PARAMETER_INTEGER:
        return units_parse_integer(text, &value->integer) ? NULL : "a whole number";
    case PARAMETER_MONEY:
        return units_parse_money(text, &value->integer) ? NULL
                                                        : "an amount in dollars with at most six decimals, such as 12.50";
    case PARAMETER_DURATION:
        return units_parse_duration(text, &value->integer) ? NULL : "a time such as 500ms, 30s, 5m or 2h";
    case PARAMETER_NUMBER:
        value->number = strtod(text, &end);
        return end != text && !*end ? NULL : "a number";
    case PARAMETER_SWITCH:
        value->integer = strcmp(text, "on") == 0;
        return value->integer || strcmp(text, "off") == 0 ? NULL : "on or off";
    case PARAMETER_FLAG:
        value->integer = 1;
        return NULL;
    default:
        return NULL;
    }
}

/* The place of the name before the '=' among the fields; -1: there is none. */
static int find_field(const struct parameter *fields, const char *argument)
{
    const size_t size = strcspn(argument, "=");
    for (int i = 0; fields[i].name; i++)
        if (strlen(fields[i].name) == size && memcmp(fields[i].name, argument, size) == 0)
            return i;
    return -1;
}

/* Ends the program with what an option's NAME=VALUE may be. */
static void reject_field(const struct parameter *parameter, const char *argument, struct argp_state *state)
{
    char names[256] = "";
    size_t used = 0;
    for (int i = 0; parameter->fields[i].name && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", parameter->fields[i].name);
    argp_error(state, "--%s: expected %s with one of %s, got '%s'", parameter->name, parameter->argument, names, argument);
}

static void take_field(
    struct context *context, const struct parameter *parameter, const char *argument, struct argp_state *state)
{
    const char *value = strchr(argument, '=');
    const int i = find_field(parameter->fields, argument);
    if (i < 0 || !value || !value[1]) {
        reject_field(parameter, argument, state);
        return;
    }
    const char *expected = read_value(parameter->fields[i].kind, value + 1, &context->fields[i]);
    if (expected)
        argp_error(state, "--%s: %s: expected %s, got '%s'", parameter->name, parameter->fields[i].name, expected, value + 1);
}

/* The parameter that takes the next argument that is no option; -1: none. */
static int next_place(const struct context *context)
{
    const struct parameter *parameters = context->command->parameters;
    for (int i = 0; parameters && parameters[i].name; i++)
        if (parameters[i].place != PLACE_OPTION && (!context->values[i].text || parameters[i].place == PLACE_ARGUMENTS))
            return i;
    return -1;
}

static void take_argument(struct context *context, char *argument, struct argp_state *state)
{
    const int i = next_place(context);
    if (i < 0) {
        argp_error(state, "'%s' is one argument too many", argument);
        return;
    }
    const struct parameter *parameter = &context->command->parameters[i];
    const char *expected = read_value(parameter->kind, argument, &context->values[i]);
    if (expected)
        argp_error(state, "%s: expected %s, got '%s'", parameter->name, expected, argument);
    if (parameter->place == PLACE_ARGUMENTS)
        context->arguments[context->argument_count++] = argument;
}

static error_t parse_own(int key, char *argument, struct argp_state *state)
{
    struct context *context = state->input;
    const struct parameter *parameters = context->command->parameters;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = context;
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        take_argument(context, argument, state);
        return 0;
    }
    for (int i = 0; parameters && parameters[i].name; i++) {
        if (key != KEY_FIRST + i && (!parameters[i].key || key != parameters[i].key))
            continue;
        const char *text = argument ? argument : "";
        const char *expected = read_value(parameters[i].kind, text, &context->values[i]);
        if (expected)
            argp_error(state, "--%s: expected %s, got '%s'", parameters[i].name, expected, text);
        if (parameters[i].kind == PARAMETER_FIELDS)
            take_field(context, &parameters[i], text, state);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* Fills argp's options and its line of arguments from the table. */
static void describe(const struct parameter *parameters, struct argp_option *options, char *arguments, size_t size)
{
    size_t used = 0;
    for (int i = 0; parameters && parameters[i].name; i++) {
        const struct parameter *parameter = &parameters[i];
        if (parameter->place == PLACE_OPTION) {
            *options++ = (struct argp_option){.name = parameter->name,
                .key = parameter->key ? parameter->key : KEY_FIRST + i,
                .arg = parameter->kind == PARAMETER_FLAG ? NULL : parameter->argument,
                .doc = parameter->help};
            continue;
        }
        static const char *const forms[] = {
            [PLACE_ARGUMENT] = "%s%s", [PLACE_OPTIONAL_ARGUMENT] = "%s[%s]", [PLACE_ARGUMENTS] = "%s%s..."};
        const char *form = forms[parameter->place];
        const char *space = used ? " " : "";
        /* The forms are the three literals above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        const int written = used < size ? snprintf(arguments + used, size - used, form, space, parameter->name) : 0;
#pragma GCC diagnostic pop
        used += written > 0 ? (size_t)written : 0;
    }
}

static int check_required(struct context *context)
{
    const struct parameter *parameters = context->command->parameters;
    for (int i = 0; parameters && parameters[i].name; i++) {
        const bool needed =
            parameters[i].required || parameters[i].place == PLACE_ARGUMENT || parameters[i].place == PLACE_ARGUMENTS;
        if (!needed || context->values[i].text)
            continue;
        const char *dashes = parameters[i].place == PLACE_OPTION ? "--" : "";
        return report_usage(context, "%s%s is missing: %s", dashes, parameters[i].name, parameters[i].help);
    }
    return EXIT_FINE;
}

static int check_project(struct context *context)
{
    enum operation operation;
    const char *name = context->command->operation;
    if (context->command->project_argument && command_value(context, "PROJECT")->text)
        context->project = command_value(context, "PROJECT")->text;
    const bool needed = name && operation_parse(name, strlen(name), &operation) && operation_scope(operation) == SCOPE_PROJECT;
    if (needed && (!context->project || !*context->project))
        return report_usage(context, "which project? Give --project PROJECT or set CURATED_PROJECT");
    return EXIT_FINE;
}

int options_parse(struct context *context, int argc, char **argv)
{
    static const struct argp_child children[] = {{&options_common, 0, "Common options:", 99}, {0}};
    struct argp_option options[PARAMETERS_MAX + 1] = {{0}};
    char arguments[256] = "";
    char name[64];
    describe(context->command->parameters, options, arguments, sizeof arguments);
    const struct argp argp = {
        .options = options, .parser = parse_own, .args_doc = arguments, .doc = context->command->help, .children = children};
    snprintf(name, sizeof name, "curatectl %s", context->command->name);
    context->arguments = calloc((size_t)argc, sizeof *context->arguments);
    if (!context->arguments)
        return report_local(context, "no memory");
    argv[0] = name;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, context);
    const int status = check_required(context);
    return status == EXIT_FINE ? check_project(context) : status;
}
