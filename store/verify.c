#include "store/verify.h"

#include "store/change.h"
#include "store/column.h"
#include "store/label.h"
#include "store/lease.h"
#include "store/ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One project under verification: what is recounted from its records. */
struct recount {
    struct verification *verification;
    struct txn *state;
    struct txn *vectors;
    struct project project;
    struct counters found;
    struct sample *samples;    /* [project.counters.samples] */
    uint32_t *settled;         /* [samples] settled labels of each */
    uint64_t *last_label;      /* [samples] */
    int32_t *newest;           /* [samples] class of the newest settled label that has one */
    int64_t reserved;          /* by open items */
    int64_t charged;           /* by labels */
    int64_t charged_unlabeled; /* by ledger entries without a label: "none of these" */
};

void verification_init(struct verification *verification)
{
    memset(verification, 0, sizeof *verification);
    writer_init(&verification->problems);
    writer_list_begin(&verification->problems, NULL);
}

void verification_deinit(struct verification *verification)
{
    writer_deinit(&verification->problems);
}

void verification_write(struct verification *verification, struct writer *writer)
{
    writer_list_end(&verification->problems);
    const struct text problems = writer_finish(&verification->problems);
    writer_bool(writer, "clean", verification->problem_count == 0);
    writer_raw(writer, "problems", problems.data, problems.size);
    writer_map_begin(writer, "checked");
    writer_integer(writer, "projects", (int64_t)verification->projects);
    writer_integer(writer, "samples", (int64_t)verification->samples);
    writer_integer(writer, "items", (int64_t)verification->items);
    writer_integer(writer, "leases", (int64_t)verification->leases);
    writer_integer(writer, "labels", (int64_t)verification->labels);
    writer_integer(writer, "entries", (int64_t)verification->entries);
    writer_integer(writer, "events", (int64_t)verification->events);
    writer_integer(writer, "rows", (int64_t)verification->rows);
    writer_map_end(writer);
}

__attribute__((format(printf, 2, 3))) static void report(struct recount *recount, const char *format, ...)
{
    char line[384];
    const int head = snprintf(line, sizeof line, "%.*s: ", (int)recount->project.name.size, recount->project.name_bytes);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + head, sizeof line - (size_t)head, format, arguments);
    va_end(arguments);
    if (recount->verification->problem_count++ < VERIFY_PROBLEMS_MAX)
        writer_string(&recount->verification->problems, NULL, line);
}

/* Goes on after a malformed record, which is reported; true where there was one. */
static bool read_on(struct txn *txn)
{
    const bool malformed = txn->status == DATABASE_CORRUPT;
    if (malformed)
        txn->status = DATABASE_OK;
    return malformed;
}

static void compare(struct recount *recount, const char *what, uint64_t counted, uint64_t recorded)
{
    if (counted != recorded)
        report(recount, "%s: %" PRIu64 " counted, %" PRIu64 " recorded", what, counted, recorded);
}

static void compare_money(struct recount *recount, const char *what, int64_t counted, int64_t recorded)
{
    if (counted != recorded)
        report(recount, "%s: %" PRId64 " counted, %" PRId64 " recorded (micro-dollars)", what, counted, recorded);
}

static void open_cursor(struct cursor *cursor, struct recount *recount, int table)
{
    const struct key prefix = key_project(recount->project.number);
    cursor_open(cursor, recount->state, table, &prefix, NULL);
}

static const uint8_t *key_after_project(const struct cursor *cursor)
{
    return (const uint8_t *)cursor->key.data + 4;
}

/* --- samples ------------------------------------------------------------------------------------------------------------ */

static void verify_samples(struct recount *recount)
{
    const uint64_t samples = recount->project.counters.samples;
    uint64_t count = 0;
    struct cursor cursor;
    open_cursor(&cursor, recount, STATE_SAMPLES);
    for (; cursor_next(&cursor) && count < samples; count++) {
        struct sample *sample = &recount->samples[count];
        if (cursor.data.size != sizeof *sample || key_read_u32(key_after_project(&cursor)) != count) {
            report(recount, "slot %" PRIu64 ": a malformed or missing record", count);
            break;
        }
        memcpy(sample, cursor.data.data, sizeof *sample);
        if (sample->state >= SAMPLE_STATES)
            report(recount, "slot %" PRIu64 ": unknown state %u", count, sample->state);
        else
            recount->found.states[sample->state]++;
        if ((sample->state == SAMPLE_LEASED) != (sample->fence != 0))
            report(recount, "slot %" PRIu64 ": %s with lease %" PRIu64, count,
                sample_state_name((enum sample_state)sample->state), sample->fence);
    }
    cursor_close(&cursor);
    compare(recount, "samples", count, samples);
    for (int i = 0; i < SAMPLE_STATES; i++)
        compare(
            recount, sample_state_name((enum sample_state)i), recount->found.states[i], recount->project.counters.states[i]);
    recount->verification->samples += count;
}

static void verify_keys(struct recount *recount)
{
    uint64_t count = 0;
    struct cursor cursor;
    open_cursor(&cursor, recount, STATE_KEYS);
    for (; cursor_next(&cursor); count++) {
        uint32_t slot = UINT32_MAX;
        if (cursor.data.size == sizeof slot)
            memcpy(&slot, cursor.data.data, sizeof slot);
        const struct source source = source_get(recount->state, recount->project.number, slot);
        if (source.key.size != cursor.key.size - 4 || memcmp(source.key.data, key_after_project(&cursor), source.key.size) != 0)
            report(recount, "slot %" PRIu32 ": its key leads elsewhere", slot);
    }
    cursor_close(&cursor);
    compare(recount, "keys", count, recount->project.counters.samples);
}

/* The sample of a slot; NULL with a problem where there is none. */
static const struct sample *sample_at(struct recount *recount, uint32_t slot, const char *what)
{
    if (slot < recount->project.counters.samples)
        return &recount->samples[slot];
    report(recount, "%s: slot %" PRIu32 " is not registered", what, slot);
    return NULL;
}

/* --- batches, queue, leases --------------------------------------------------------------------------------------------- */

/* Counts the batch's items by how they ended, and the money its open ones hold. */
static void verify_items(struct recount *recount, uint32_t number, const struct batch *batch)
{
    uint32_t ends[ITEM_CANCELED + 1] = {0};
    for (uint32_t rank = 0; rank < batch->items; rank++) {
        struct item item;
        if (!item_get(recount->state, recount->project.number, number, rank, &item) || item.end > ITEM_CANCELED) {
            report(recount, "batch %" PRIu32 ": item %" PRIu32 " is missing or malformed", number, rank);
            read_on(recount->state);
            continue;
        }
        ends[item.end]++;
        const struct sample *sample = sample_at(recount, item.slot, "item");
        if (item.end != ITEM_OPEN || !sample)
            continue;
        if (sample->batch != number || sample->rank != rank ||
            (sample->state != SAMPLE_RESERVED && sample->state != SAMPLE_LEASED))
            report(recount, "batch %" PRIu32 ": open item %" PRIu32 " is %s in batch %" PRIu32, number, rank,
                sample_state_name((enum sample_state)sample->state), sample->batch);
        recount->reserved += item.price_microusd * (batch->overlap - sample->answers);
    }
    if (ends[ITEM_OPEN] != batch->open || ends[ITEM_LABELED] != batch->labeled || ends[ITEM_REJECTED] != batch->rejected ||
        ends[ITEM_CANCELED] != batch->canceled)
        report(recount, "batch %" PRIu32 ": its counts differ from its items", number);
    recount->verification->items += batch->items;
}

static void verify_batches(struct recount *recount)
{
    uint64_t count = 0;
    struct cursor cursor;
    open_cursor(&cursor, recount, STATE_BATCHES);
    while (cursor_next(&cursor)) {
        struct batch batch;
        const uint32_t number = key_read_u32(key_after_project(&cursor));
        count++;
        if (cursor.data.size != sizeof batch || number != count) {
            report(recount, "batch %" PRIu32 ": a malformed or missing record", number);
            break;
        }
        memcpy(&batch, cursor.data.data, sizeof batch);
        verify_items(recount, number, &batch);
    }
    cursor_close(&cursor);
    compare(recount, "batches", count, recount->project.counters.batches);
    compare_money(recount, "reserved for open items", recount->reserved, recount->project.counters.reserved_microusd);
}

static void verify_queue(struct recount *recount)
{
    uint64_t count = 0;
    struct cursor cursor;
    open_cursor(&cursor, recount, STATE_QUEUE);
    for (; cursor_next(&cursor); count++) {
        struct waiting waiting;
        const uint8_t *key = key_after_project(&cursor);
        const struct sample *sample = waiting_read(cursor.data, &waiting) ? sample_at(recount, waiting.slot, "queue") : NULL;
        if (!sample || sample->state != SAMPLE_RESERVED || sample->batch != key_read_u32(key) ||
            sample->rank != key_read_u32(key + 4))
            report(recount, "queue: batch %" PRIu32 " item %" PRIu32 " waits for no reserved sample", key_read_u32(key),
                key_read_u32(key + 4));
    }
    cursor_close(&cursor);
    compare(recount, "waiting", count, recount->project.counters.waiting);
    compare(recount, "reserved samples in the queue", count, recount->found.states[SAMPLE_RESERVED]);
}

static bool verify_lease(void *context, uint32_t worker, uint32_t slot, const struct lease *lease)
{
    struct recount *recount = context;
    const struct sample *sample = sample_at(recount, slot, "lease");
    recount->found.leases++;
    if (!sample || !lease_holds(sample, worker, lease->fence) || lease->fence > recount->project.counters.fence)
        report(recount, "lease %" PRIu64 ": slot %" PRIu32 " is not held under it", lease->fence, slot);
    return true;
}

static void verify_leases(struct recount *recount)
{
    lease_each(recount->state, recount->project.number, verify_lease, recount);
    compare(recount, "leases", recount->found.leases, recount->project.counters.leases);
    compare(recount, "leased samples with a lease", recount->found.leases, recount->found.states[SAMPLE_LEASED]);
    recount->verification->leases += recount->found.leases;
}

/* --- labels ------------------------------------------------------------------------------------------------------------- */

static void count_label(struct recount *recount, const struct label *label, uint64_t sequence)
{
    if (!sample_at(recount, label->slot, "label"))
        return;
    if (label->previous != recount->last_label[label->slot])
        report(recount, "label %" PRIu64 ": not chained to the one before it", sequence);
    recount->last_label[label->slot] = sequence;
    recount->found.labels_late += label->kind == LABEL_LATE;
    recount->found.labels_accepted += label->kind == LABEL_ACCEPTED;
    recount->found.labels_paid += label->charged_microusd > 0;
    recount->charged += label->charged_microusd;
    if (label->kind != LABEL_LATE) {
        recount->found.labels_settled++;
        recount->settled[label->slot]++;
        if (label->class_index != LABEL_NO_CLASS)
            recount->newest[label->slot] = label->class_index;
    }
}

static void verify_tallies(struct recount *recount)
{
    const uint32_t classes = recount->project.settings.classes;
    uint64_t *tallies = calloc(classes + 1u, sizeof *tallies);
    if (!tallies) {
        recount->state->status = DATABASE_NO_MEMORY;
        return;
    }
    for (uint64_t slot = 0; slot < recount->project.counters.samples; slot++) {
        const struct sample *sample = &recount->samples[slot];
        if (sample->label >= 0 && (uint32_t)sample->label < classes)
            tallies[sample->label]++;
        if (sample->labels != recount->settled[slot] || sample->last_label != recount->last_label[slot])
            report(recount, "slot %" PRIu64 ": %" PRIu32 " labels recorded, %" PRIu32 " in the log", slot, sample->labels,
                recount->settled[slot]);
        if (sample->label != recount->newest[slot])
            report(recount, "slot %" PRIu64 ": class %" PRId32 " recorded, %" PRId32 " in the log", slot, sample->label,
                recount->newest[slot]);
    }
    for (uint32_t i = 0; i < classes; i++)
        compare(recount, "labels of a class", tallies[i], tally_get(recount->state, recount->project.number, i));
    free(tallies);
}

static void verify_labels(struct recount *recount)
{
    const struct counters *counters = &recount->project.counters;
    struct cursor cursor;
    uint64_t count = 0;
    open_cursor(&cursor, recount, STATE_LABELS);
    while (cursor_next(&cursor)) {
        struct label label;
        count++;
        if (!label_read(cursor.data, &label, NULL) || key_read_u64(key_after_project(&cursor)) != count) {
            report(recount, "label %" PRIu64 ": a malformed or missing record", count);
            break;
        }
        count_label(recount, &label, count);
    }
    cursor_close(&cursor);
    compare(recount, "labels", count, counters->labels);
    compare(recount, "settled labels", recount->found.labels_settled, counters->labels_settled);
    compare(recount, "accepted labels", recount->found.labels_accepted, counters->labels_accepted);
    compare(recount, "paid labels", recount->found.labels_paid, counters->labels_paid);
    compare(recount, "late labels", recount->found.labels_late, counters->labels_late);
    verify_tallies(recount);
    recount->verification->labels += count;
}

/* --- money -------------------------------------------------------------------------------------------------------------- */

/* A label is charged once: charges name labels in rising order, each once. */
static void check_charge(struct recount *recount, const struct entry *entry, uint64_t sequence, uint64_t *last_charged)
{
    struct label label;
    if (entry->label_seq == 0) {
        recount->charged_unlabeled += entry->amount_microusd;
        return;
    }
    if (entry->label_seq <= *last_charged ||
        !label_get(recount->state, recount->project.number, entry->label_seq, &label, NULL) ||
        label.charged_microusd != entry->amount_microusd || label.slot != entry->slot)
        report(recount, "ledger %" PRIu64 ": charges label %" PRIu64 ", which it doesn't fit", sequence, entry->label_seq);
    *last_charged = entry->label_seq;
}

static void verify_ledger(struct recount *recount)
{
    const struct counters *counters = &recount->project.counters;
    uint64_t count = 0;
    uint64_t last_charged = 0;
    struct cursor cursor;
    open_cursor(&cursor, recount, STATE_LEDGER);
    while (cursor_next(&cursor)) {
        struct entry entry;
        count++;
        if (cursor.data.size < sizeof entry || key_read_u64(key_after_project(&cursor)) != count) {
            report(recount, "ledger %" PRIu64 ": a malformed or missing entry", count);
            break;
        }
        memcpy(&entry, cursor.data.data, sizeof entry);
        if (!ledger_apply(&recount->found, &entry))
            report(recount, "ledger %" PRIu64 ": a %s that the sums before it don't allow", count,
                ledger_kind_name((enum ledger_kind)entry.kind));
        if (entry.kind == LEDGER_CHARGE)
            check_charge(recount, &entry, count, &last_charged);
    }
    cursor_close(&cursor);
    compare(recount, "ledger entries", count, counters->entries);
    compare_money(recount, "granted", recount->found.granted_microusd, counters->granted_microusd);
    compare_money(recount, "available", recount->found.available_microusd, counters->available_microusd);
    compare_money(recount, "reserved", recount->found.reserved_microusd, counters->reserved_microusd);
    compare_money(recount, "spent", recount->found.spent_microusd, counters->spent_microusd);
    compare_money(recount, "charged labels", recount->charged + recount->charged_unlabeled, counters->spent_microusd);
    if (!ledger_balanced(counters))
        report(recount, "money: granted is not available + reserved + spent");
    recount->verification->entries += count;
}

/* --- events, replies, columns ------------------------------------------------------------------------------------------- */

static void verify_events(struct recount *recount)
{
    const struct counters *counters = &recount->project.counters;
    uint64_t count = 0;
    struct cursor cursor;
    open_cursor(&cursor, recount, STATE_EVENTS);
    while (cursor_next(&cursor)) {
        count++;
        const uint8_t kind = cursor.data.size > 0 ? *(const uint8_t *)cursor.data.data : EVENT_KIND_COUNT;
        if (kind >= EVENT_KIND_COUNT || key_read_u64(key_after_project(&cursor)) != count) {
            report(recount, "event %" PRIu64 ": a malformed or missing record", count);
            break;
        }
        recount->found.last_event[kind] = count;
    }
    cursor_close(&cursor);
    compare(recount, "events", count, counters->events);
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
        compare(recount, event_kind_name((enum event_kind)kind), recount->found.last_event[kind], counters->last_event[kind]);
    recount->verification->events += count;
}

static void verify_replies(struct recount *recount)
{
    static const int tables[] = {STATE_REPLIES, STATE_REPLY_AGES};
    for (size_t i = 0; i < 2; i++) {
        uint64_t count = 0;
        struct cursor cursor;
        open_cursor(&cursor, recount, tables[i]);
        while (cursor_next(&cursor))
            count++;
        cursor_close(&cursor);
        compare(recount, "kept replies", count, recount->project.counters.kept_replies);
    }
}

static bool verify_column(void *context, const struct column_id *id, const struct column *column)
{
    struct recount *recount = context;
    uint64_t rows;
    if (!column_recount(recount->vectors, id, column, &rows))
        report(recount, "column %c: a malformed block", id->kind);
    else
        compare(recount, "rows of a column", rows, column->rows);
    recount->verification->rows += rows;
    return true;
}

/* Draws have their means beside them, row for row, written as often. */
static bool verify_means(void *context, const struct column_id *id, const struct column *draws)
{
    struct recount *recount = context;
    struct column_id beside = *id;
    struct column means;
    beside.kind = COLUMN_PROBABILITIES;
    if (!column_get(recount->vectors, &beside, &means) || means.rows != draws->rows || means.high != draws->high ||
        means.rewrites != draws->rewrites || means.dtype != draws->dtype || means.width == 0 || draws->width % means.width != 0)
        report(recount, "draws: not those that the means beside them are of");
    return true;
}

static void verify_columns(struct recount *recount)
{
    static const enum column_kind kinds[] = {
        COLUMN_PROBABILITIES, COLUMN_DRAWS, COLUMN_TOPK, COLUMN_UTILITY, COLUMN_EMBEDDINGS};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        column_each(recount->vectors, recount->project.number, kinds[i], verify_column, recount);
    column_each(recount->vectors, recount->project.number, COLUMN_DRAWS, verify_means, recount);
}

/* --- the whole ---------------------------------------------------------------------------------------------------------- */

static void verify_project(struct recount *recount)
{
    static const struct {
        void (*run)(struct recount *recount);
        const char *what;
    } steps[] = {
        {verify_samples, "samples"},
        {verify_keys, "keys"},
        {verify_batches, "batches"},
        {verify_queue, "queue"},
        {verify_leases, "leases"},
        {verify_labels, "labels"},
        {verify_ledger, "ledger"},
        {verify_events, "events"},
        {verify_replies, "replies"},
        {verify_columns, "columns"},
    };
    const size_t samples = (size_t)recount->project.counters.samples;
    recount->samples = calloc(samples + 1, sizeof *recount->samples);
    recount->settled = calloc(samples + 1, sizeof *recount->settled);
    recount->last_label = calloc(samples + 1, sizeof *recount->last_label);
    recount->newest = malloc((samples + 1) * sizeof *recount->newest);
    if (recount->samples && recount->settled && recount->last_label && recount->newest) {
        for (size_t slot = 0; slot < samples; slot++)
            recount->newest[slot] = LABEL_NO_CLASS;
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            steps[i].run(recount);
            const bool state = read_on(recount->state);
            if (read_on(recount->vectors) || state)
                report(recount, "%s: a malformed record", steps[i].what);
        }
        recount->verification->projects++;
    } else {
        recount->state->status = DATABASE_NO_MEMORY;
    }
    free(recount->samples);
    free(recount->settled);
    free(recount->last_label);
    free(recount->newest);
}

struct verifying {
    struct verification *verification;
    struct txn *state;
    struct txn *vectors;
};

static bool verify_named(void *context, struct text name, uint32_t number)
{
    const struct verifying *verifying = context;
    (void)number;
    struct recount *recount = calloc(1, sizeof *recount);
    if (!recount) {
        verifying->state->status = DATABASE_NO_MEMORY;
        return false;
    }
    recount->verification = verifying->verification;
    recount->state = verifying->state;
    recount->vectors = verifying->vectors;
    if (project_load(verifying->state, name, &recount->project))
        verify_project(recount);
    else if (read_on(verifying->state))
        report(recount, "its settings or counters are malformed");
    free(recount);
    return verifying->state->status == DATABASE_OK;
}

bool store_verify(struct store *store, struct text name, struct verification *verification, struct protocol_error *error)
{
    struct txn state;
    struct txn vectors;
    struct project project;
    bool ok = store_begin_read(store, &state, &vectors);
    struct verifying verifying = {verification, &state, &vectors};
    if (ok && name.size == 0)
        project_each(&state, verify_named, &verifying);
    else if (ok && (project_load(&state, name, &project) || read_on(&state)))
        verify_named(&verifying, name, project.number);
    else if (ok)
        ok = project_find(&state, name, &project, error);
    const enum database_status status = state.status != DATABASE_OK ? state.status : vectors.status;
    txn_abort(&state);
    txn_abort(&vectors);
    if (status != DATABASE_OK)
        return protocol_fail(error, PROTOCOL_INTERNAL, "", "", "%s", database_status_text(status));
    return ok;
}
