/* LABEL.IMPORT. */

#include "selector/apply.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One import, read and checked: label i belongs to slots[i]. */
struct importing {
    uint32_t *slots;
    int32_t *labels;
    size_t count;
};

static bool read_label_array(struct request *request, const struct project *project, struct importing *importing)
{
    const struct array labels = reader_array(&request->fields, "labels", ARRAY_INTEGERS, 1);
    importing->count = labels.rows;
    importing->labels = malloc((labels.rows + 1) * sizeof *importing->labels);
    if (!importing->labels)
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    for (size_t i = 0; i < labels.rows; i++) {
        const int64_t value = array_integer(&labels, i);
        if (value < 0 || value >= project->settings.classes)
            return protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "labels", "indices of classes of the project",
                "%" PRId64 " at %zu", value, i);
        importing->labels[i] = (int32_t)value;
    }
    return !request->error.code;
}

static bool read_label_list(
    struct applying *applying, struct request *request, const struct project *project, struct importing *importing)
{
    const msgpack_object_array *list = reader_list(&request->fields, "labels", READER_SAMPLES_MAX);
    importing->count = list->size;
    importing->labels = malloc((list->size + 1u) * sizeof *importing->labels);
    if (!importing->labels)
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    for (uint32_t i = 0; i < list->size; i++)
        if (!apply_read_class(applying, project, &list->ptr[i], "labels", &importing->labels[i], &request->error))
            return false;
    return !request->error.code;
}

static bool read_importing(
    struct applying *applying, struct request *request, const struct project *project, struct importing *importing)
{
    const msgpack_object *labels = reader_find(&request->fields, "labels");
    const struct sample_names names = reader_samples(&request->fields, true);
    if (request->error.code)
        return false;
    const bool is_array = labels && labels->type == MSGPACK_OBJECT_MAP;
    if (!(is_array ? read_label_array(request, project, importing) : read_label_list(applying, request, project, importing)))
        return false;
    if (names.kind != SAMPLES_FROM && names.count != importing->count)
        return protocol_fail(&request->error, PROTOCOL_BAD_REQUEST, "labels", "one label a sample", "%zu for %zu samples",
            importing->count, names.count);
    importing->slots = malloc((importing->count + 1) * sizeof *importing->slots);
    if (!importing->slots)
        return protocol_fail(&request->error, PROTOCOL_INTERNAL, "", "", "out of memory");
    return samples_resolve(&applying->change->txn, project, &names, importing->count, importing->slots, &request->error);
}

static bool check_states(
    struct applying *applying, struct request *request, const struct project *project, const struct importing *importing)
{
    for (size_t i = 0; i < importing->count; i++) {
        struct sample sample;
        if (!sample_get(&applying->change->txn, project->number, importing->slots[i], &sample))
            return txn_corrupt(&applying->change->txn);
        if (sample.state != SAMPLE_POOL && sample.state != SAMPLE_LABELED)
            return protocol_fail(&request->error, PROTOCOL_CONFLICT, "labels", "samples in the pool or labeled",
                "slot %" PRIu32 " is %s", importing->slots[i], sample_state_name((enum sample_state)sample.state));
    }
    return true;
}

static int64_t import_all(
    struct applying *applying, struct project *project, const struct importing *importing, struct text source)
{
    struct txn *txn = &applying->change->txn;
    int64_t imported = 0;
    uint32_t worker = 0;
    for (size_t i = 0; i < importing->count; i++) {
        struct sample sample;
        if (!sample_get(txn, project->number, importing->slots[i], &sample) ||
            (sample.labels > 0 && sample.label == importing->labels[i]))
            continue;
        if (worker == 0)
            worker = name_intern(txn, project, NAME_WORKER, source);
        const struct label label = {.slot = importing->slots[i],
            .worker = worker,
            .class_index = importing->labels[i],
            .kind = LABEL_IMPORTED,
            .finished = 1};
        label_append(applying->change, project, &sample, label, (struct text){"", 0});
        if (sample.state == SAMPLE_POOL)
            sample_move(project, &sample, SAMPLE_LABELED);
        sample_put(txn, project->number, importing->slots[i], &sample);
        imported++;
    }
    return imported;
}

bool apply_label_import(struct applying *applying, struct request *request, struct writer *reply)
{
    struct project *project = apply_find_project(applying, request);
    const struct text source = reader_text_or(&request->fields, "source", 1, 64, "import");
    struct importing importing = {0};
    bool ok = project && !request->error.code && read_importing(applying, request, project, &importing) &&
              check_states(applying, request, project, &importing);
    if (ok) {
        const int64_t imported = import_all(applying, project, &importing, source);
        if (imported > 0) {
            struct writer *event = event_begin(applying->change, project, EVENT_LABEL_IMPORTED);
            writer_integer(event, "count", imported);
            writer_text(event, "source", source);
            event_end(applying->change, project, EVENT_LABEL_IMPORTED);
        }
        writer_integer(reply, "imported", imported);
        writer_integer(reply, "unchanged", (int64_t)importing.count - imported);
    }
    free(importing.slots);
    free(importing.labels);
    return ok;
}
