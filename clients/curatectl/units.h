/*
 * units.h - amounts and times as people write them. Money never passes through floating point.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exact dollars: "12", "-0.5", "$0.000001"; at most six decimals. False where it isn't an amount or does not fit. */
bool units_parse_money(const char *text, int64_t *microusd);

/* "500ms", "30s", "5m", "2h", "1d"; without a unit seconds. */
bool units_parse_duration(const char *text, int64_t *ms);

/* A whole decimal number. */
bool units_parse_integer(const char *text, int64_t *value);

/* At least two decimals, as many as needed: "0.08", "-1.00", "0.000001". `text` takes 24 bytes. */
enum { UNITS_MONEY_SIZE = 24, UNITS_TIME_SIZE = 32 };
const char *units_money(int64_t microusd, char text[UNITS_MONEY_SIZE]);

/* Local time, "2024-05-17 12:00:00"; "-" for 0. */
const char *units_time(int64_t ms, char text[UNITS_TIME_SIZE]);
