#include "clients/curatectl/table.h"

#include "clients/curatectl/units.h"

#include <inttypes.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct table {
    struct libscols_table *table;
    struct libscols_line *line;
    size_t column;
    bool failed;
};

static struct table *make(void)
{
    struct table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->table = scols_new_table();
    if (table->table)
        return table;
    free(table);
    return NULL;
}

struct table *table_new(const char *const *headings)
{
    struct table *table = make();
    if (!table)
        return NULL;
    for (; *headings; headings++) {
        const bool right = **headings == '>';
        if (!scols_table_new_column(table->table, *headings + right, 0, right ? SCOLS_FL_RIGHT : 0))
            table->failed = true;
    }
    return table;
}

struct table *table_new_pairs(void)
{
    static const char *const headings[] = {"NAME", "VALUE", NULL};
    struct table *table = table_new(headings);
    if (table)
        scols_table_enable_noheadings(table->table, 1);
    return table;
}

void table_row(struct table *table)
{
    if (!table)
        return;
    table->line = scols_table_new_line(table->table, NULL);
    table->column = 0;
    if (!table->line)
        table->failed = true;
}

void table_string(struct table *table, const char *text)
{
    if (!table || table->failed)
        return;
    if (!table->line || scols_line_set_data(table->line, table->column++, text) != 0)
        table->failed = true;
}

void table_format(struct table *table, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    const int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (size < 0) {
        if (table)
            table->failed = true;
        return;
    }
    table_string(table, text);
    free(text);
}

void table_text(struct table *table, struct text text)
{
    table_format(table, "%.*s", (int)text.size, text.data);
}

void table_integer(struct table *table, int64_t value)
{
    table_format(table, "%" PRId64, value);
}

void table_number(struct table *table, double value)
{
    table_format(table, "%.6g", value);
}

void table_money(struct table *table, int64_t microusd)
{
    char text[UNITS_MONEY_SIZE];
    table_string(table, units_money(microusd, text));
}

void table_time(struct table *table, int64_t ms)
{
    char text[UNITS_TIME_SIZE];
    table_string(table, units_time(ms, text));
}

void table_name(struct table *table, const char *name)
{
    table_row(table);
    table_string(table, name);
}

bool table_print(struct table *table)
{
    if (!table)
        return false;
    const bool good = !table->failed && scols_print_table(table->table) == 0;
    scols_unref_table(table->table);
    free(table);
    return good;
}
