/* The append-only logs, page by page: LABELS.SINCE, LEDGER.SINCE, EVENTS.SINCE. */

#include "selector/read.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_DEFAULT = 10000, PAGE_MAX = 100000, PAGE_VALUE_BYTES = 16 << 20 };

/* Where a page begins and how many rows it may have. */
struct page {
    uint64_t since;
    size_t limit;
};

static struct page read_page(struct reader *fields)
{
    const uint64_t since = (uint64_t)reader_integer(fields, "since", 0, INT64_MAX);
    const size_t limit = (size_t)reader_integer_or(fields, "limit", 1, PAGE_MAX, PAGE_DEFAULT);
    return (struct page){since, limit};
}

/* A walk over the records numbered after page.since. */
static void open_log(struct cursor *cursor, struct txn *txn, int table, uint32_t project, const struct page *page)
{
    const struct key prefix = key_project(project);
    struct key start = prefix;
    key_add_u64(&start, page->since + 1);
    cursor_open(cursor, txn, table, &prefix, &start);
}

static uint64_t sequence_of(const struct cursor *cursor)
{
    return key_read_u64((const uint8_t *)cursor->key.data + cursor->prefix.size);
}

static void write_next(struct writer *reply, uint64_t last, uint64_t newest)
{
    writer_integer(reply, "next", (int64_t)last);
    writer_bool(reply, "more", last < newest);
}

/* --- labels ------------------------------------------------------------------------------------------------------------- */

/* The columns of a page of labels. */
struct label_page {
    int64_t *sequences;
    uint32_t *slots;
    int32_t *labels;
    uint8_t *settled;
    int64_t *charged;
    int64_t *times;
    uint32_t *batches;
    uint32_t *workers;
    struct value *values; /* inside the map; empty: none */
    size_t count;
};

static bool label_page_init(struct label_page *page, size_t limit)
{
    *page = (struct label_page){
        .sequences = malloc(limit * sizeof *page->sequences),
        .slots = malloc(limit * sizeof *page->slots),
        .labels = malloc(limit * sizeof *page->labels),
        .settled = malloc(limit * sizeof *page->settled),
        .charged = malloc(limit * sizeof *page->charged),
        .times = malloc(limit * sizeof *page->times),
        .batches = malloc(limit * sizeof *page->batches),
        .workers = malloc(limit * sizeof *page->workers),
        .values = malloc(limit * sizeof *page->values),
    };
    return page->sequences && page->slots && page->labels && page->settled && page->charged && page->times && page->batches &&
           page->workers && page->values;
}

static void label_page_deinit(struct label_page *page)
{
    free(page->sequences);
    free(page->slots);
    free(page->labels);
    free(page->settled);
    free(page->charged);
    free(page->times);
    free(page->batches);
    free(page->workers);
    free(page->values);
}

static void fill_label_page(
    struct reading *reading, const struct project *project, const struct page *page, struct label_page *labels)
{
    size_t bytes = 0;
    struct cursor cursor;
    open_log(&cursor, reading->state, STATE_LABELS, project->number, page);
    while (labels->count < page->limit && bytes < PAGE_VALUE_BYTES && cursor_next(&cursor)) {
        struct label label;
        struct value value;
        if (!label_read(cursor.data, &label, &value)) {
            txn_corrupt(reading->state);
            break;
        }
        const size_t i = labels->count++;
        labels->sequences[i] = (int64_t)sequence_of(&cursor);
        labels->slots[i] = label.slot;
        labels->labels[i] = label.class_index;
        labels->settled[i] = label.kind != LABEL_LATE;
        labels->charged[i] = label.charged_microusd;
        labels->times[i] = label.time_ms;
        labels->batches[i] = label.batch;
        labels->workers[i] = label.worker;
        labels->values[i] = value;
        bytes += value.size;
    }
    cursor_close(&cursor);
}

static void write_values(struct writer *reply, const struct label_page *labels)
{
    writer_list_begin(reply, "values");
    for (size_t i = 0; i < labels->count; i++) {
        if (labels->values[i].size > 0)
            writer_bytes(reply, NULL, labels->values[i].data, labels->values[i].size);
        else
            writer_nil(reply, NULL);
    }
    writer_list_end(reply);
}

bool read_labels_since(struct reading *reading, struct request *request, struct writer *reply)
{
    struct project project;
    struct page page = read_page(&request->fields);
    if (request->error.code || !project_find(reading->state, request->project, &project, &request->error))
        return false;
    const uint64_t left = project.counters.labels > page.since ? project.counters.labels - page.since : 0;
    page.limit = left < page.limit ? (size_t)left + 1 : page.limit;
    struct label_page labels;
    if (!label_page_init(&labels, page.limit)) {
        label_page_deinit(&labels);
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    }
    fill_label_page(reading, &project, &page, &labels);
    writer_array(reply, "seqs", ARRAY_I8, labels.sequences, labels.count, 0);
    writer_array(reply, "slots", ARRAY_U4, labels.slots, labels.count, 0);
    writer_array(reply, "labels", ARRAY_I4, labels.labels, labels.count, 0);
    writer_array(reply, "settled", ARRAY_U1, labels.settled, labels.count, 0);
    writer_array(reply, "charged_microusd", ARRAY_I8, labels.charged, labels.count, 0);
    writer_array(reply, "time_ms", ARRAY_I8, labels.times, labels.count, 0);
    writer_array(reply, "batches", ARRAY_U4, labels.batches, labels.count, 0);
    writer_list_begin(reply, "keys");
    for (size_t i = 0; i < labels.count; i++)
        writer_text(reply, NULL, source_get(reading->state, project.number, labels.slots[i]).key);
    writer_list_end(reply);
    writer_list_begin(reply, "workers");
    for (size_t i = 0; i < labels.count; i++)
        writer_text(reply, NULL, name_text(reading->state, project.number, NAME_WORKER, labels.workers[i]));
    writer_list_end(reply);
    write_values(reply, &labels);
    write_next(reply, labels.count > 0 ? (uint64_t)labels.sequences[labels.count - 1] : page.since, project.counters.labels);
    label_page_deinit(&labels);
    return true;
}

/* --- money -------------------------------------------------------------------------------------------------------------- */

static void write_entry(struct writer *reply, uint64_t sequence, struct value stored)
{
    struct entry entry;
    memcpy(&entry, stored.data, sizeof entry);
    writer_map_begin(reply, NULL);
    writer_integer(reply, "seq", (int64_t)sequence);
    writer_integer(reply, "time_ms", entry.time_ms);
    writer_string(reply, "kind", ledger_kind_name((enum ledger_kind)entry.kind));
    writer_integer(reply, "amount_microusd", entry.amount_microusd);
    writer_integer(reply, "batch", entry.batch);
    writer_integer(reply, "slot", entry.slot);
    writer_integer(reply, "label_seq", (int64_t)entry.label_seq);
    writer_text(reply, "note", (struct text){(const char *)stored.data + sizeof entry, stored.size - sizeof entry});
    writer_map_end(reply);
}

bool read_ledger_since(struct reading *reading, struct request *request, struct writer *reply)
{
    struct project project;
    const struct page page = read_page(&request->fields);
    if (request->error.code || !project_find(reading->state, request->project, &project, &request->error))
        return false;
    uint64_t last = page.since;
    size_t count = 0;
    struct cursor cursor;
    open_log(&cursor, reading->state, STATE_LEDGER, project.number, &page);
    writer_list_begin(reply, "entries");
    while (count++ < page.limit && cursor_next(&cursor)) {
        if (cursor.data.size < sizeof(struct entry)) {
            txn_corrupt(reading->state);
            break;
        }
        last = sequence_of(&cursor);
        write_entry(reply, last, cursor.data);
    }
    writer_list_end(reply);
    cursor_close(&cursor);
    write_next(reply, last, project.counters.entries);
    return true;
}

/* --- events ------------------------------------------------------------------------------------------------------------- */

bool read_events_since(struct reading *reading, struct request *request, struct writer *reply)
{
    struct project project;
    const struct page page = read_page(&request->fields);
    if (request->error.code || !project_find(reading->state, request->project, &project, &request->error))
        return false;
    uint64_t last = page.since;
    size_t count = 0;
    struct cursor cursor;
    open_log(&cursor, reading->state, STATE_EVENTS, project.number, &page);
    writer_list_begin(reply, "events");
    while (count++ < page.limit && cursor_next(&cursor)) {
        last = sequence_of(&cursor);
        writer_raw(reply, NULL, (const uint8_t *)cursor.data.data + 1, cursor.data.size - 1);
    }
    writer_list_end(reply);
    cursor_close(&cursor);
    write_next(reply, last, project.counters.events);
    return true;
}
