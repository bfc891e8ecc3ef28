#include "clients/curatectl/command.h"
#include "clients/curatectl/json.h"
#include "clients/curatectl/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What an operator can do about an error. */
static const char *const hints[CURATED_CODES] = {
    [CURATED_BUDGET_EXHAUSTED] = "`curatectl grant AMOUNT` adds money; --partial takes what the available money affords",
    [CURATED_LEASE_LOST] =
        "take a new lease with `curatectl lease`; the answer of a lost lease is kept but neither paid nor counted",
    [CURATED_STALE_MODEL] = "use a model version newer than the active one; `curatectl status` shows it",
    [CURATED_TOO_LARGE] = "send it in smaller parts",
    [CURATED_BUSY] =
        "the daemon is draining or overloaded: `curatectl status -a` shows which, `curatectl drain off` ends draining",
    [CURATED_READ_ONLY] = "a write to disk failed: see the daemon's log, remove the cause, restart the daemon",
    [CURATED_STORAGE_FULL] = "free disk space or enlarge the map in curated.conf(5), then restart the daemon",
    [CURATED_INTERNAL] = "see the daemon's log",
    [CURATED_CANCELED] = "ask again: nothing was done",
    [CURATED_TIMED_OUT] =
        "is curated running, and at this address? --requests or CURATED_REQUESTS name another, --timeout waits longer",
    [CURATED_BAD_REPLY] = "is this the address of curated's requests, and not of its events or of something else?",
};

static const char *hint_of(const struct curated_error *error)
{
    if (error->code == CURATED_NOT_FOUND && strcmp(error->field, "project") == 0)
        return "`curatectl project list` shows the projects";
    return hints[error->code];
}

static int exit_code_of(enum curated_code code)
{
    if (code == CURATED_TIMED_OUT)
        return EXIT_UNREACHABLE;
    if (code == CURATED_CANCELED)
        return EXIT_CANCELED;
    return code <= CURATED_INTERNAL ? EXIT_CODES_FROM + (int)code : EXIT_LOCAL;
}

static void print_line(const char *name, const char *text)
{
    if (text && *text)
        fprintf(stderr, "  %s: %s\n", name, text);
}

static void print_json(const struct curated_error *error)
{
    json_t *json = json_pack("{s:{s:s, s:s, s:s, s:s, s:s}}", "error", "code", curated_code_word(error->code), "message",
        error->message, "field", error->field, "expected", error->expected, "got", error->got);
    if (json && error->code == CURATED_BUDGET_EXHAUSTED)
        json_object_set_new(json_object_get(json, "error"), "available_microusd", json_integer(error->available_microusd));
    json_print(json, false);
}

int report_error(const struct context *context, const struct curated_error *error)
{
    char money[UNITS_MONEY_SIZE];
    fprintf(stderr, "curatectl: %s: %s (%s)\n", context->command->name, error->message, curated_code_word(error->code));
    /* The daemon's message has these in it already, unless it is cut or of a newer kind. */
    if (!strstr(error->message, error->field))
        print_line("field", error->field);
    if (!strstr(error->message, error->expected))
        print_line("expected", error->expected);
    if (!strstr(error->message, error->got))
        print_line("got", error->got);
    if (error->code == CURATED_BUDGET_EXHAUSTED)
        print_line("available", units_money(error->available_microusd, money));
    print_line("hint", hint_of(error));
    if (context->json)
        print_json(error);
    return exit_code_of(error->code);
}

static void print_own(const struct context *context, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void print_own(const struct context *context, const char *format, va_list arguments)
{
    fprintf(stderr, "curatectl: %s%s", context->command ? context->command->name : "", context->command ? ": " : "");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

int report_local(const struct context *context, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_own(context, format, arguments);
    va_end(arguments);
    return EXIT_LOCAL;
}

int report_usage(const struct context *context, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_own(context, format, arguments);
    va_end(arguments);
    return EXIT_USAGE;
}
