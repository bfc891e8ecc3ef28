#include "clients/c/client.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The daemon's codes have the same numbers on both sides. */
#define X(code, word, text) static_assert((int)CURATED_##code == (int)PROTOCOL_##code, "a code moved");
PROTOCOL_ERRORS(X)
#undef X

static const struct {
    const char *word;
    const char *text;
} own_codes[CURATED_CODES] = {
    [CURATED_TIMED_OUT] = {"timed_out", "no reply in time"},
    [CURATED_BAD_REPLY] = {"bad_reply", "the reply is not one of this protocol"},
    [CURATED_NO_MEMORY] = {"no_memory", "no memory"},
    [CURATED_SYSTEM] = {"system", "the system refused"},
};

const char *curated_code_word(enum curated_code code)
{
    return code < (enum curated_code)PROTOCOL_CODES ? protocol_code_word((enum protocol_code)code) : own_codes[code].word;
}

void client_clear(struct curated_error *error)
{
    if (error)
        memset(error, 0, sizeof *error);
}

void client_copy_error(struct curated_error *error, const struct protocol_error *from)
{
    if (!error)
        return;
    error->code = (enum curated_code)from->code;
    error->available_microusd = from->available_microusd;
    snprintf(error->field, sizeof error->field, "%s", from->field);
    snprintf(error->expected, sizeof error->expected, "%s", from->expected);
    snprintf(error->got, sizeof error->got, "%s", from->got);
    snprintf(error->message, sizeof error->message, "%s", from->message);
}

bool client_fail(
    struct curated_error *error, enum curated_code code, const char *field, const char *expected, const char *got, ...)
{
    if (!error)
        return false;
    client_clear(error);
    error->code = code;
    snprintf(error->field, sizeof error->field, "%s", field);
    snprintf(error->expected, sizeof error->expected, "%s", expected);
    va_list arguments;
    va_start(arguments, got);
    vsnprintf(error->got, sizeof error->got, got, arguments);
    va_end(arguments);
    const char *text =
        code < (enum curated_code)PROTOCOL_CODES ? protocol_code_text((enum protocol_code)code) : own_codes[code].text;
    const char *separator = *field ? ": " : "";
    if (*expected)
        snprintf(
            error->message, sizeof error->message, "%s: %s%sexpected %s, got %s", text, field, separator, expected, error->got);
    else
        snprintf(error->message, sizeof error->message, "%s: %s%s%s", text, field, separator, error->got);
    return false;
}

void client_no_memory(struct curated_error *error)
{
    client_fail(error, CURATED_NO_MEMORY, "", "", "this process has none left");
}
