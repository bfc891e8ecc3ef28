/*
 * lines.h - files of one thing a line, and of comma-separated values.
 */
#pragma once

#include "clients/curatectl/command.h"

#include <stddef.h>
#include <stdio.h>

/* The lines of a file that are not empty, without their ends. */
struct lines {
    char **items;
    size_t count;
};

/* Reads a whole file, stdin where the path is "-". False with a message. Partner: lines_free. */
bool lines_read(const struct context *context, const char *path, struct lines *lines);
void lines_free(struct lines *lines);

/* Opens a file to read, stdin for "-"; NULL with a message. Partner: lines_close. */
FILE *lines_open(const struct context *context, const char *path);
void lines_close(FILE *file);

enum { CSV_FIELDS_MAX = 16 };

/* One row of comma-separated values; its fields live until the next csv_read. */
struct csv_row {
    char *buffer;
    size_t size;
    size_t line; /* where it starts, from 1 */
    size_t next_line;
    const char *fields[CSV_FIELDS_MAX];
    size_t count;
};

enum csv_result { CSV_ROW, CSV_END, CSV_BAD };

/*
 * Reads the next row that is not empty, as RFC 4180 has them: a field in double quotes may hold commas, line ends and doubled
 * quotes. CSV_BAD: more fields than CSV_FIELDS_MAX, a quote that never closes, a NUL, or no memory. Start from a zeroed row.
 */
enum csv_result csv_read(FILE *file, struct csv_row *row);
void csv_free(struct csv_row *row);
