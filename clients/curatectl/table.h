/*
 * table.h - tables for people, by libsmartcols. Cells are added from left to right; errors are sticky and told by table_print.
 */
#pragma once

#include "protocol/reader.h"

#include <stdbool.h>
#include <stdint.h>

struct table;

/* Columns by their headings, ended by NULL; a heading that starts with '>' is of a right-aligned column. Partner: table_print.
 */
struct table *table_new(const char *const *headings);

/* Two columns without headings: a name and a value. */
struct table *table_new_pairs(void);

/* Starts the next row. */
void table_row(struct table *table);

void table_text(struct table *table, struct text text);
void table_string(struct table *table, const char *text);
void table_integer(struct table *table, int64_t value);
void table_number(struct table *table, double value);
void table_money(struct table *table, int64_t microusd);
void table_time(struct table *table, int64_t ms);
void table_format(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Starts a row of a table of pairs with its name. */
void table_name(struct table *table, const char *name);

/* Prints the table on stdout and frees it. False where some of it failed; NULL is a failure. */
bool table_print(struct table *table);
