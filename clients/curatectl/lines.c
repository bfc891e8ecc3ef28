#include "clients/curatectl/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

FILE *lines_open(const struct context *context, const char *path)
{
    if (strcmp(path, "-") == 0)
        return stdin;
    FILE *file = fopen(path, "r");
    if (!file)
        report_local(context, "cannot read %s: %s", path, strerror(errno));
    return file;
}

void lines_close(FILE *file)
{
    if (file != stdin)
        fclose(file);
}

/* The length of the mark that some programs begin a file of UTF-8 with: it belongs to no key. */
static size_t mark_size(const char *text)
{
    static const char mark[] = "\xef\xbb\xbf";
    return strncmp(text, mark, sizeof mark - 1) == 0 ? sizeof mark - 1 : 0;
}

static bool append(struct lines *lines, size_t *room, const char *text)
{
    if (lines->count == *room) {
        const size_t more = *room ? 2 * *room : 1024;
        char **items = reallocarray(lines->items, more, sizeof *items);
        if (!items)
            return false;
        lines->items = items;
        *room = more;
    }
    lines->items[lines->count] = strdup(text);
    if (!lines->items[lines->count])
        return false;
    lines->count++;
    return true;
}

bool lines_read(const struct context *context, const char *path, struct lines *lines)
{
    char *line = NULL;
    size_t size = 0, room = 0;
    ssize_t length;
    bool good = true, text = true, first = true;
    *lines = (struct lines){0};
    FILE *file = lines_open(context, path);
    if (!file)
        return false;
    while (good && text && (length = getline(&line, &size, file)) >= 0) {
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = '\0';
        const size_t mark = first ? mark_size(line) : 0;
        first = false;
        /* A key ends at a NUL: another one would be taken. */
        text = strlen(line) == (size_t)length;
        if ((size_t)length > mark && text)
            good = append(lines, &room, line + mark);
    }
    if (!good)
        report_local(context, "no memory for the lines of %s", path);
    else if (!text)
        report_local(context, "%s: expected lines of UTF-8 text, got one with a NUL", path);
    else if (ferror(file))
        report_local(context, "cannot read %s: %s", path, strerror(errno));
    good = good && text && !ferror(file);
    free(line);
    lines_close(file);
    if (!good)
        lines_free(lines);
    return good;
}

void lines_free(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
    free(lines->items);
    *lines = (struct lines){0};
}

/* Reads the bytes of a row with its quotes into the buffer; a line end inside quotes belongs to it. */
static enum csv_result read_record(FILE *file, struct csv_row *row, size_t *length)
{
    bool quoted = false;
    int byte;
    *length = 0;
    while ((byte = getc(file)) != EOF) {
        if (byte == '\n')
            row->next_line++;
        if (byte == '\n' && !quoted)
            break;
        if (byte == '\0')
            return CSV_BAD;
        if (byte == '"')
            quoted = !quoted;
        if (*length + 2 > row->size) {
            const size_t size = row->size ? 2 * row->size : 256;
            char *buffer = realloc(row->buffer, size);
            if (!buffer)
                return CSV_BAD;
            row->buffer = buffer;
            row->size = size;
        }
        row->buffer[(*length)++] = (char)byte;
    }
    if (quoted)
        return CSV_BAD;
    return byte == EOF && *length == 0 ? CSV_END : CSV_ROW;
}

/* Cuts the record into its fields, in place. */
static enum csv_result split(struct csv_row *row, size_t length)
{
    char *const end = row->buffer + length;
    bool quoted = false;
    *end = '\0';
    char *from = row->buffer + (row->line == 1 ? mark_size(row->buffer) : 0), *to = from;
    row->count = 1;
    row->fields[0] = to;
    for (; from < end; from++) {
        if (*from == '"') {
            if (quoted && from + 1 < end && from[1] == '"')
                *to++ = *from++;
            else
                quoted = !quoted;
        } else if (*from == ',' && !quoted) {
            if (row->count == CSV_FIELDS_MAX)
                return CSV_BAD;
            *to++ = '\0';
            row->fields[row->count++] = to;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return CSV_ROW;
}

enum csv_result csv_read(FILE *file, struct csv_row *row)
{
    size_t length;
    if (row->next_line == 0)
        row->next_line = 1;
    for (;;) {
        row->line = row->next_line;
        const enum csv_result result = read_record(file, row, &length);
        if (result != CSV_ROW)
            return result;
        if (length > 0 && row->buffer[length - 1] == '\r')
            length--;
        if (length > 0)
            return split(row, length);
    }
}

void csv_free(struct csv_row *row)
{
    free(row->buffer);
    *row = (struct csv_row){0};
}
