/* curatectl - the operators' program. This file reads the common options and finds the command. */
#include "clients/curatectl/command.h"
#include "clients/curatectl/options.h"

#include <argp.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 5000 }; /* an operator wants to know soon that nothing is there */

/* The C library looks for it, and would not see it hidden as the rest is. */
__attribute__((visibility("default"))) const char *argp_program_version = "curatectl " CURATED_VERSION;

struct start {
    struct context *context;
    int command_at; /* index in argv, 0: none */
};

static void print_command(const struct command *command, void *stream)
{
    fprintf(stream, "  %-16s %s\n", command->name, command->help);
}

static char *list_commands(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    char *list = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&list, &size);
    if (!stream)
        return NULL;
    fputs("Commands:\n", stream);
    command_each(print_command, stream);
    fputs("\n`curatectl COMMAND --help` explains one; curatectl(1) explains all.", stream);
    fclose(stream);
    return list;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct start *start = state->input;
    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = start->context;
        return 0;
    case ARGP_KEY_ARG:
        /* The command: what comes after it is its own. */
        start->command_at = state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* EXIT_FINE, or the exit code after a message: an address that is none is a mistake of the command line. */
static int open_client(struct context *context)
{
    struct curated_error error;
    const struct curated_options options = {
        .requests = context->requests,
        .events = context->events,
        .timeout_ms = context->timeout_ms,
        .connect_ms = context->timeout_ms > 0 ? context->timeout_ms : CONNECT_MS,
    };
    context->client = curated_open(&options, &error);
    if (context->client)
        return EXIT_FINE;
    const int status = report_error(context, &error);
    return error.code == CURATED_BAD_REQUEST ? EXIT_USAGE : status;
}

static int run(struct context *context)
{
    return context->command->run ? context->command->run(context) : command_run(context);
}

int main(int argc, char **argv)
{
    static const struct argp_child children[] = {{&options_common, 0, NULL, 0}, {0}};
    static const struct argp argp = {.parser = parse,
        .args_doc = "COMMAND [ARGUMENT...]",
        .doc = "Operates curated.\v",
        .children = children,
        .help_filter = list_commands};
    struct context context = {0};
    struct start start = {&context, 0};
    int words;
    setlocale(LC_CTYPE, "");
    argp_err_exit_status = EXIT_USAGE;
    context.project = getenv("CURATED_PROJECT");
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &start);

    const int at = start.command_at;
    const char *second = at + 1 < argc ? argv[at + 1] : "";
    context.command = command_find(argv[at], second, &words);
    if (!context.command)
        return report_usage(&context, "there is no command '%s'; `curatectl --help` lists them", argv[at]);
    int status = options_parse(&context, argc - at - words + 1, argv + at + words - 1);
    if (status == EXIT_FINE)
        status = open_client(&context);
    if (status == EXIT_FINE)
        status = run(&context);
    curated_close(context.client);
    free(context.arguments);
    if (fflush(stdout) != 0 || ferror(stdout))
        return report_local(&context, "cannot write the output");
    return status;
}
