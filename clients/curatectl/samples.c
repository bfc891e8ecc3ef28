/* add, drop, sample, import and labels. */
#include "clients/curatectl/command.h"
#include "clients/curatectl/json.h"
#include "clients/curatectl/lines.h"
#include "clients/curatectl/table.h"
#include "clients/curatectl/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_PER_REQUEST = 50000 };

/* One request under construction: a list of keys, and a column beside it. */
struct part {
    struct writer keys;
    struct writer column;
    size_t rows;
};

static void part_begin(struct part *part)
{
    part->rows = 0;
    writer_reset(&part->keys);
    writer_reset(&part->column);
    writer_list_begin(&part->keys, NULL);
    writer_list_begin(&part->column, NULL);
}

static void part_init(struct part *part)
{
    writer_init(&part->keys);
    writer_init(&part->column);
    part_begin(part);
}

static void part_deinit(struct part *part)
{
    writer_deinit(&part->keys);
    writer_deinit(&part->column);
}

/* Writes a finished list as a field; a failed one fails the request. */
static void write_list(struct writer *fields, const char *field, struct writer *list)
{
    writer_list_end(list);
    const struct text bytes = writer_finish(list);
    if (bytes.data)
        writer_raw(fields, field, bytes.data, bytes.size);
    else
        writer_list_end(fields); /* closes what is not open: the writer fails */
}

/* What a command with many samples tells at its end. */
struct totals {
    const char *names[2];
    int64_t counts[2];
};

static bool send_part(struct context *context, struct part *part, const char *column, struct totals *totals, int *status)
{
    struct writer fields;
    *status = EXIT_USAGE;
    if (!command_fields(context, &fields)) {
        writer_deinit(&fields);
        return false;
    }
    write_list(&fields, "keys", &part->keys);
    if (column)
        write_list(&fields, column, &part->column);
    struct curated_reply *reply = command_call(context, context->command->operation, context->project, &fields, status);
    writer_deinit(&fields);
    for (int i = 0; reply && i < 2; i++)
        if (totals->names[i])
            totals->counts[i] += curated_reply_integer(reply, totals->names[i], 0);
    curated_reply_free(reply);
    part_begin(part);
    return reply != NULL;
}

static int show_totals(struct context *context, const struct totals *totals)
{
    if (context->json) {
        json_t *json = json_object();
        for (int i = 0; i < 2; i++)
            if (totals->names[i])
                json_object_set_new(json, totals->names[i], json_integer(totals->counts[i]));
        return json_print(json, false) ? EXIT_FINE : report_local(context, "cannot print the reply");
    }
    for (int i = 0; i < 2; i++)
        if (totals->names[i])
            printf("%s%lld %s", i ? ", " : "", (long long)totals->counts[i], totals->names[i]);
    putchar('\n');
    return EXIT_FINE;
}

/* The keys that were given as arguments, or a key a line of stdin where there is only "-". Partner: keys_free. */
struct keys {
    struct lines lines;
    char **items;
    size_t count;
};

static bool keys_read(struct context *context, struct keys *keys)
{
    *keys = (struct keys){{0}, context->arguments, (size_t)context->argument_count};
    if (context->argument_count != 1 || strcmp(context->arguments[0], "-") != 0)
        return true;
    if (!lines_read(context, "-", &keys->lines))
        return false;
    keys->items = keys->lines.items;
    keys->count = keys->lines.count;
    return true;
}

static void keys_free(struct keys *keys)
{
    lines_free(&keys->lines);
}

static int run_keys(struct context *context, struct totals *totals)
{
    struct keys keys;
    struct part part;
    int status = EXIT_FINE;
    if (!keys_read(context, &keys))
        return EXIT_LOCAL;
    part_init(&part);
    bool good = true;
    for (size_t i = 0; good && i < keys.count; i++) {
        writer_string(&part.keys, NULL, keys.items[i]);
        if (++part.rows == ROWS_PER_REQUEST || i + 1 == keys.count)
            good = send_part(context, &part, NULL, totals, &status);
    }
    part_deinit(&part);
    keys_free(&keys);
    return good ? show_totals(context, totals) : status;
}

static int run_add(struct context *context)
{
    return run_keys(context, &(struct totals){.names = {"created"}});
}

static int run_drop(struct context *context)
{
    return run_keys(context, &(struct totals){.names = {"dropped"}});
}

/* ---- import ----------------------------------------------------------------------------------------------------------------
 */

static int bad_row(struct context *context, const struct csv_row *row, const char *expected)
{
    return report_local(context, "%s, line %zu: expected %s; nothing of this part was imported",
        command_value(context, "FILE")->text, row->line, expected);
}

static int import_rows(struct context *context, FILE *file, struct part *part, struct totals *totals)
{
    struct csv_row row = {0};
    int status = EXIT_FINE;
    enum csv_result result;
    while (status == EXIT_FINE && (result = csv_read(file, &row)) != CSV_END) {
        if (result == CSV_BAD) {
            status = bad_row(context, &row, "comma-separated values with closed quotes and no NUL");
        } else if (row.count != 2) {
            status = bad_row(context, &row, "two fields: key,label");
        } else if (row.line == 1 && strcmp(row.fields[0], "key") == 0 && strcmp(row.fields[1], "label") == 0) {
            continue; /* a heading */
        } else {
            writer_string(&part->keys, NULL, row.fields[0]);
            writer_string(&part->column, NULL, row.fields[1]);
            if (++part->rows == ROWS_PER_REQUEST)
                send_part(context, part, "labels", totals, &status);
        }
    }
    csv_free(&row);
    if (status == EXIT_FINE && ferror(file))
        status = report_local(context, "cannot read %s: %s", command_value(context, "FILE")->text, strerror(errno));
    if (status == EXIT_FINE && part->rows > 0)
        send_part(context, part, "labels", totals, &status);
    return status;
}

static int run_import(struct context *context)
{
    struct totals totals = {.names = {"imported", "unchanged"}};
    struct part part;
    FILE *file = lines_open(context, command_value(context, "FILE")->text);
    if (!file)
        return EXIT_LOCAL;
    part_init(&part);
    const int status = import_rows(context, file, &part, &totals);
    part_deinit(&part);
    lines_close(file);
    return status == EXIT_FINE ? show_totals(context, &totals) : status;
}

/* ---- sample and labels ------------------------------------------------------------------------------------------------------
 */

static int run_sample(struct context *context)
{
    struct keys keys;
    struct writer fields;
    int status = EXIT_USAGE;
    struct curated_reply *reply = NULL;
    if (!keys_read(context, &keys))
        return EXIT_LOCAL;
    if (command_fields(context, &fields)) {
        writer_list_begin(&fields, "keys");
        for (size_t i = 0; i < keys.count; i++)
            writer_string(&fields, NULL, keys.items[i]);
        writer_list_end(&fields);
        reply = command_call(context, "SAMPLE.GET", context->project, &fields, &status);
    }
    writer_deinit(&fields);
    keys_free(&keys);
    if (reply)
        status = command_show(context, curated_reply_map(reply));
    curated_reply_free(reply);
    return status;
}

static int show_samples(struct context *context, const msgpack_object_map *reply)
{
    static const char *const headings[] = {
        ">SLOT", "KEY", "STATE", "LABEL", "PREDICTED", ">PRICE, $", ">LABELS", ">SKIPS", ">BATCH", "GROUP", "URI", NULL};
    const msgpack_object_array *samples = view_list(reply, "samples");
    struct table *table = table_new(headings);
    for (uint32_t i = 0; i < samples->size; i++) {
        const msgpack_object_map *sample = view_as_map(&samples->ptr[i]);
        table_row(table);
        table_integer(table, view_integer(sample, "slot", 0));
        table_text(table, view_text(sample, "key"));
        table_text(table, view_text(sample, "state"));
        table_text(table, view_text(sample, "label"));
        table_text(table, view_text(sample, "predicted"));
        table_money(table, view_integer(sample, "price_microusd", 0));
        table_integer(table, view_integer(sample, "labels", 0));
        table_integer(table, view_integer(sample, "skips", 0));
        table_integer(table, view_integer(sample, "batch", 0));
        table_text(table, view_text(sample, "group"));
        table_text(table, view_text(sample, "uri"));
    }
    return table_print(table) ? EXIT_FINE : report_local(context, "cannot print the reply");
}

static struct text element_text(const msgpack_object_array *list, size_t i)
{
    return i < list->size ? reader_object_text(&list->ptr[i]) : (struct text){NULL, 0};
}

static int64_t element_integer(const struct array *array, size_t i)
{
    return i < array->rows ? array_integer(array, i) : 0;
}

static void add_label(struct table *table, const msgpack_object_map *reply, const msgpack_object_array *classes, size_t i)
{
    const struct array seqs = view_array(reply, "seqs"), times = view_array(reply, "time_ms"),
                       slots = view_array(reply, "slots");
    const struct array labels = view_array(reply, "labels"), settled = view_array(reply, "settled");
    const struct array charged = view_array(reply, "charged_microusd"), batches = view_array(reply, "batches");
    const int64_t label = i < labels.rows ? array_integer(&labels, i) : -1;
    table_row(table);
    table_integer(table, element_integer(&seqs, i));
    table_time(table, element_integer(&times, i));
    table_integer(table, element_integer(&slots, i));
    table_text(table, element_text(view_list(reply, "keys"), i));
    table_text(table, label < 0 ? (struct text){"-", 1} : element_text(classes, (size_t)label));
    table_string(table, element_integer(&settled, i) ? "yes" : "no");
    table_money(table, element_integer(&charged, i));
    table_integer(table, element_integer(&batches, i));
    table_text(table, element_text(view_list(reply, "workers"), i));
}

/* The log has the classes' numbers; people want their names, which the project has. */
static struct curated_reply *ask_project(struct context *context, int *status)
{
    struct writer fields;
    writer_init(&fields);
    writer_map_begin(&fields, NULL);
    struct curated_reply *project = command_call(context, "PROJECT.GET", context->project, &fields, status);
    writer_deinit(&fields);
    return project;
}

static int show_labels(struct context *context, const msgpack_object_map *reply)
{
    static const char *const headings[] = {
        ">SEQ", "TIME", ">SLOT", "KEY", "LABEL", "COUNTS", ">CHARGED, $", ">BATCH", "WORKER", NULL};
    int status;
    struct curated_reply *project = ask_project(context, &status);
    if (!project)
        return status;
    const msgpack_object_array *classes = view_list(curated_reply_map(project), "classes");
    struct table *table = table_new(headings);
    for (size_t i = 0; i < view_array(reply, "seqs").rows; i++)
        add_label(table, reply, classes, i);
    if (!table_print(table))
        status = report_local(context, "cannot print the reply");
    else if (view_bool(reply, "more", false))
        fprintf(stderr, "there are more: --since=%lld\n", (long long)view_integer(reply, "next", 0));
    curated_reply_free(project);
    return status;
}

/* `since` is required on the wire; the first parameter of the table. */
static int run_labels(struct context *context)
{
    if (!context->values[0].text)
        context->values[0] = (struct given){.text = "0", .integer = 0};
    return command_run(context);
}

static const struct parameter keys_parameters[] = {
    {.name = "KEY", .place = PLACE_ARGUMENTS, .help = "the samples' keys, or - for a key a line of stdin"},
    {0},
};

static const struct parameter import_parameters[] = {
    {.name = "FILE", .place = PLACE_ARGUMENT, .help = "comma-separated values key,label; - for stdin"},
    {.name = "source", .argument = "TEXT", .field = "source", .help = "where the labels come from (import)"},
    {0},
};

static const struct parameter labels_parameters[] = {
    {.name = "since",
        .key = 's',
        .argument = "SEQ",
        .field = "since",
        .kind = PARAMETER_INTEGER,
        .help = "labels after this number (0)"},
    {.name = "limit", .key = 'l', .argument = "N", .field = "limit", .kind = PARAMETER_INTEGER, .help = "at most so many"},
    {0},
};

const struct command sample_commands[] = {
    {"add", "SAMPLE.PUT", "register samples by their keys", keys_parameters, run_add, NULL, false},
    {"drop", "SAMPLE.DROP", "take samples out", keys_parameters, run_drop, NULL, false},
    {"sample", "SAMPLE.GET", "what is known of samples", keys_parameters, run_sample, show_samples, false},
    {"import", "LABEL.IMPORT", "bring in labels there are already, at no cost", import_parameters, run_import, NULL, false},
    {"labels", "LABELS.SINCE", "the log of labels", labels_parameters, run_labels, show_labels, false},
    {0},
};
