#include "clients/curatectl/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MICROS = 1000000, DECIMALS = 6 };

static bool take_digit(int64_t *value, char digit)
{
    return !__builtin_mul_overflow(*value, 10, value) && !__builtin_add_overflow(*value, digit - '0', value);
}

bool units_parse_money(const char *text, int64_t *microusd)
{
    const bool negative = *text == '-';
    int64_t value = 0;
    int decimals = -1; /* before the point */
    bool digits = false;
    if (*text == '-' || *text == '+')
        text++;
    if (*text == '$')
        text++;
    for (; *text; text++) {
        if (*text == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (!isdigit((unsigned char)*text) || decimals == DECIMALS || !take_digit(&value, *text))
            return false;
        digits = true;
        if (decimals >= 0)
            decimals++;
    }
    for (int i = decimals < 0 ? 0 : decimals; i < DECIMALS; i++)
        if (!take_digit(&value, '0'))
            return false;
    *microusd = negative ? -value : value;
    return digits;
}

bool units_parse_integer(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return end != text && !*end && !errno && !isspace((unsigned char)*text);
}

bool units_parse_duration(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    errno = 0;
    const int64_t value = strtoll(text, &end, 10);
    if (end == text || errno || value < 0)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0)
            return !__builtin_mul_overflow(value, units[i].ms, ms);
    return false;
}

const char *units_money(int64_t microusd, char text[UNITS_MONEY_SIZE])
{
    /* The magnitude as unsigned: the smallest int64_t has no positive twin. */
    const uint64_t magnitude = microusd < 0 ? -(uint64_t)microusd : (uint64_t)microusd;
    int used = snprintf(
        text, UNITS_MONEY_SIZE, "%s%" PRIu64 ".%06" PRIu64, microusd < 0 ? "-" : "", magnitude / MICROS, magnitude % MICROS);
    for (int zeros = 0; zeros < DECIMALS - 2 && text[used - 1] == '0'; zeros++)
        text[--used] = '\0';
    return text;
}

const char *units_time(int64_t ms, char text[UNITS_TIME_SIZE])
{
    const time_t seconds = (time_t)(ms / 1000);
    struct tm local;
    if (ms == 0 || !localtime_r(&seconds, &local) || strftime(text, UNITS_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0)
        return "-";
    return text;
}
