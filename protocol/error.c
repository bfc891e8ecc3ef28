#include "protocol/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    const char *text;
} codes[PROTOCOL_CODES] = {
#define X(code, word, text) [PROTOCOL_##code] = {word, text},
    PROTOCOL_ERRORS(X)
#undef X
};

const char *protocol_code_word(enum protocol_code code)
{
    return codes[code].word;
}

const char *protocol_code_text(enum protocol_code code)
{
    return codes[code].text;
}

enum protocol_code protocol_code_parse(const char *word, uint32_t size)
{
    for (int code = 0; code < PROTOCOL_CODES; code++)
        if (strlen(codes[code].word) == size && memcmp(codes[code].word, word, size) == 0)
            return (enum protocol_code)code;
    return PROTOCOL_INTERNAL;
}

/* Replies are UTF-8 whatever a hostile peer sent, so what is quoted back keeps to printable ASCII. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            *text = '?';
}

bool protocol_fail(
    struct protocol_error *error, enum protocol_code code, const char *field, const char *expected, const char *got, ...)
{
    if (error->code)
        return false;
    error->code = code;
    snprintf(error->field, sizeof error->field, "%s", field);
    snprintf(error->expected, sizeof error->expected, "%s", expected);
    va_list arguments;
    va_start(arguments, got);
    vsnprintf(error->got, sizeof error->got, got, arguments);
    va_end(arguments);
    make_printable(error->field);
    make_printable(error->expected);
    make_printable(error->got);

    const char *text = protocol_code_text(code);
    if (*field && *expected)
        snprintf(error->message, sizeof error->message, "%s: %s: expected %s, got %s", text, error->field, error->expected,
            error->got);
    else if (*field)
        snprintf(error->message, sizeof error->message, "%s: %s: %s", text, error->field, error->got);
    else
        snprintf(error->message, sizeof error->message, "%s: %s", text, error->got);
    return false;
}
