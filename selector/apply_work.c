/* What workers do under a lease: TOUCH, SUBMIT, SKIP, RELEASE; and leases that run out. */

#include "selector/apply.h"

#include <inttypes.h>
#include <string.h>

/* --- what all answers have in common ------------------------------------------------------------------------------------ */

/* A request under a lease: who, which sample, and whether the lease holds. */
struct answering {
    struct project *project;
    uint32_t worker; /* 0: unknown */
    uint32_t slot;
    uint64_t fence;
    struct sample sample;
    bool holds;
};

static bool read_answering(struct applying *applying, struct request *request, struct answering *answering)
{
    struct reader *fields = &request->fields;
    memset(answering, 0, sizeof *answering);
    answering->project = apply_find_project(applying, request);
    const struct text worker = reader_text(fields, "worker", 1, LEASE_WORKER_MAX);
    const int64_t slot = reader_integer(fields, "slot", 0, UINT32_MAX);
    answering->fence = (uint64_t)reader_integer(fields, "lease", 1, INT64_MAX);
    if (!answering->project || request->error.code)
        return false;
    struct txn *txn = &applying->change->txn;
    answering->slot = (uint32_t)slot;
    if (!sample_get(txn, answering->project->number, answering->slot, &answering->sample))
        return protocol_fail(&request->error, PROTOCOL_NOT_FOUND, "slot", "a registered slot", "%" PRId64, slot);
    name_find(txn, answering->project, NAME_WORKER, worker, &answering->worker);
    answering->holds = lease_holds(&answering->sample, answering->worker, answering->fence);
    return true;
}

static bool lost(struct request *request, const struct answering *answering)
{
    return protocol_fail(&request->error, PROTOCOL_LEASE_LOST, "lease", "a lease that is held",
        "lease %" PRIu64 " of slot %" PRIu32, answering->fence, answering->slot);
}

bool apply_touch(struct applying *applying, struct request *request, struct writer *reply)
{
    struct answering answering;
    if (!read_answering(applying, request, &answering))
        return false;
    const int64_t lease_ms =
        reader_integer_or(&request->fields, "lease_ms", LEASE_MS_MIN, LEASE_MS_MAX, answering.project->settings.lease_ms);
    if (request->error.code)
        return false;
    if (!answering.holds)
        return lost(request, &answering);
    answering.sample.deadline_ms = applying->change->now_ms + lease_ms;
    sample_put(&applying->change->txn, answering.project->number, answering.slot, &answering.sample);
    const struct deadline deadline = {answering.sample.deadline_ms, answering.fence, answering.project->number, answering.slot};
    if (!deadlines_add(applying->deadlines, deadline))
        applying->change->txn.status = DATABASE_NO_MEMORY;
    writer_integer(reply, "deadline_ms", answering.sample.deadline_ms);
    return true;
}

/* Ends the lease; the worker is noted as one that had the item. */
static void end_lease(struct applying *applying, struct answering *answering, struct waiting *waiting)
{
    const uint32_t worker = answering->sample.worker;
    lease_end(applying->change, answering->project, answering->slot, &answering->sample, waiting);
    if (waiting->worker_count < sizeof waiting->workers / sizeof *waiting->workers)
        waiting->workers[waiting->worker_count++] = worker;
}

/* Charges one answer at its item's price; returns the amount. */
static int64_t charge(struct applying *applying, const struct answering *answering, uint64_t label_seq)
{
    struct txn *txn = &applying->change->txn;
    struct item item;
    if (!item_get(txn, answering->project->number, answering->sample.batch, answering->sample.rank, &item)) {
        txn_corrupt(txn);
        return 0;
    }
    const struct entry entry = {.kind = LEDGER_CHARGE,
        .batch = answering->sample.batch,
        .slot = answering->slot,
        .label_seq = label_seq,
        .amount_microusd = item.price_microusd};
    struct protocol_error error = {0};
    if (!ledger_append(applying->change, answering->project, entry, (struct text){"", 0}, &error))
        txn_corrupt(txn);
    return item.price_microusd;
}

/* --- SUBMIT ------------------------------------------------------------------------------------------------------------- */

static bool read_label(struct applying *applying, struct request *request, const struct answering *answering,
    int32_t *class_index, struct text *value)
{
    const msgpack_object *label = reader_find(&request->fields, "label");
    *class_index = LABEL_NO_CLASS;
    *value = (struct text){"", 0};
    if (reader_has(&request->fields, "value"))
        *value = reader_bytes(&request->fields, "value", 1, LABEL_VALUE_MAX);
    if (request->error.code)
        return false;
    if (label)
        return apply_read_class(applying, answering->project, label, "label", class_index, &request->error);
    return value->size > 0 || reader_reject(&request->fields, "label", "a class name or index, or a value", "neither");
}

static void write_submitted(struct writer *reply, uint64_t label_seq, const struct label *label)
{
    writer_integer(reply, "label_seq", (int64_t)label_seq);
    writer_integer(reply, "charged_microusd", label->charged_microusd);
    writer_bool(reply, "settled", label->finished);
}

/*
 * The lease is not held. Either this answer was accepted before, and is acknowledged again; or it is too late, and is kept once
 * if it comes from the newest holder that lost it.
 */
static bool submit_again_or_late(struct applying *applying, struct request *request, struct answering *answering,
    int32_t class_index, struct text value, struct writer *reply)
{
    struct txn *txn = &applying->change->txn;
    struct label label;
    struct value stored;
    const uint64_t sequence = label_of_lease(txn, answering->project->number, &answering->sample, answering->fence, &label);
    if (sequence > 0 && label.kind == LABEL_ACCEPTED && label.worker == answering->worker) {
        if (!label_get(txn, answering->project->number, sequence, &label, &stored))
            return txn_corrupt(txn);
        if (label.class_index != class_index || stored.size != value.size || memcmp(stored.data, value.data, value.size) != 0)
            return protocol_fail(
                &request->error, PROTOCOL_CONFLICT, "label", "the answer this lease was given before", "another one");
        write_submitted(reply, sequence, &label);
        return true;
    }
    const bool last_holder =
        answering->sample.lost_fence == answering->fence && answering->sample.lost_worker == answering->worker;
    if (sequence == 0 && last_holder) {
        label = (struct label){.fence = answering->fence,
            .slot = answering->slot,
            .batch = answering->sample.batch,
            .worker = answering->worker,
            .class_index = class_index,
            .kind = LABEL_LATE};
        label_append(applying->change, answering->project, &answering->sample, label, value);
        sample_put(txn, answering->project->number, answering->slot, &answering->sample);
        request->keep_effects = true;
    }
    return lost(request, answering);
}

static void tell_accepted(struct applying *applying, const struct answering *answering, uint64_t sequence,
    const struct label *label, struct text worker)
{
    struct text class_name = {"", 0};
    if (label->class_index >= 0)
        class_name = name_text(&applying->change->txn, answering->project->number, NAME_CLASS, (uint32_t)label->class_index);
    struct writer *event = event_begin(applying->change, answering->project, EVENT_LABEL_ACCEPTED);
    writer_integer(event, "label_seq", (int64_t)sequence);
    writer_integer(event, "slot", answering->slot);
    writer_text(event, "label", class_name);
    writer_integer(event, "batch", label->batch);
    writer_text(event, "worker", worker);
    writer_integer(event, "charged_microusd", label->charged_microusd);
    writer_bool(event, "settled", label->finished);
    event_end(applying->change, answering->project, EVENT_LABEL_ACCEPTED);
}

bool apply_submit(struct applying *applying, struct request *request, struct writer *reply)
{
    struct answering answering;
    int32_t class_index;
    struct text value;
    if (!read_answering(applying, request, &answering) || !read_label(applying, request, &answering, &class_index, &value))
        return false;
    if (!answering.holds)
        return submit_again_or_late(applying, request, &answering, class_index, value, reply);

    struct change *change = applying->change;
    struct project *project = answering.project;
    struct sample *sample = &answering.sample;
    struct batch batch;
    struct waiting waiting;
    if (!batch_get(&change->txn, project->number, sample->batch, &batch))
        return txn_corrupt(&change->txn);
    end_lease(applying, &answering, &waiting);
    sample->answers++;
    struct label label = {.fence = answering.fence,
        .slot = answering.slot,
        .batch = sample->batch,
        .worker = answering.worker,
        .class_index = class_index,
        .kind = LABEL_ACCEPTED,
        .finished = sample->answers >= batch.overlap};
    label.charged_microusd = charge(applying, &answering, project->counters.labels + 1);
    const uint64_t sequence = label_append(change, project, sample, label, value);
    tell_accepted(applying, &answering, sequence, &label, reader_text(&request->fields, "worker", 1, LEASE_WORKER_MAX));
    if (label.finished) {
        item_finish(change, project, sample->batch, sample->rank, ITEM_LABELED, sample->answers);
        sample_move(project, sample, SAMPLE_LABELED);
        sample_put(&change->txn, project->number, answering.slot, sample);
    } else {
        lease_give_back(change, project, answering.slot, sample, &waiting, "overlap");
    }
    write_submitted(reply, sequence, &label);
    return true;
}

/* --- SKIP, RELEASE, expiry ---------------------------------------------------------------------------------------------- */

static void reject(struct applying *applying, struct answering *answering, struct text reason, uint32_t paid_answers)
{
    struct sample *sample = &answering->sample;
    item_finish(applying->change, answering->project, sample->batch, sample->rank, ITEM_REJECTED, paid_answers);
    sample_move(answering->project, sample, sample->labels > 0 ? SAMPLE_LABELED : SAMPLE_REJECTED);
    sample_put(&applying->change->txn, answering->project->number, answering->slot, sample);
    struct writer *event = event_begin(applying->change, answering->project, EVENT_ITEM_REJECTED);
    writer_integer(event, "batch", sample->batch);
    writer_integer(event, "slot", answering->slot);
    writer_text(event, "reason", reason);
    event_end(applying->change, answering->project, EVENT_ITEM_REJECTED);
}

bool apply_skip(struct applying *applying, struct request *request, struct writer *reply)
{
    struct answering answering;
    if (!read_answering(applying, request, &answering))
        return false;
    const struct text reason = reader_text(&request->fields, "reason", 1, 255);
    if (request->error.code)
        return false;
    if (!answering.holds)
        return lost(request, &answering);
    const struct settings *settings = &answering.project->settings;
    const bool none_of_these = text_equal(reason, "none_of_these");
    struct sample *sample = &answering.sample;
    struct waiting waiting;
    int64_t charged = 0;
    end_lease(applying, &answering, &waiting);
    sample->skips++;
    if (none_of_these) {
        if (settings->pay_none_of_these)
            charged = charge(applying, &answering, 0);
        if (sample->labels == 0)
            sample->flags |= SAMPLE_NONE_OF_THESE;
        reject(applying, &answering, reason, sample->answers + (settings->pay_none_of_these ? 1u : 0u));
    } else if (sample->skips >= settings->skip_limit) {
        reject(applying, &answering, reason, sample->answers);
    } else {
        lease_give_back(applying->change, answering.project, answering.slot, sample, &waiting, "skipped");
    }
    writer_string(reply, "state", sample_state_name((enum sample_state)sample->state));
    writer_integer(reply, "charged_microusd", charged);
    return true;
}

bool apply_release(struct applying *applying, struct request *request, struct writer *reply)
{
    struct answering answering;
    if (!read_answering(applying, request, &answering))
        return false;
    if (!answering.holds)
        return lost(request, &answering);
    struct waiting waiting;
    lease_end(applying->change, answering.project, answering.slot, &answering.sample, &waiting);
    lease_give_back(applying->change, answering.project, answering.slot, &answering.sample, &waiting, "released");
    writer_string(reply, "state", sample_state_name((enum sample_state)answering.sample.state));
    return true;
}

void apply_expiry(struct applying *applying, const struct deadline *deadline)
{
    struct change *change = applying->change;
    struct project *project = change_project_numbered(change, deadline->project);
    struct sample sample;
    struct waiting waiting;
    if (!project || !sample_get(&change->txn, deadline->project, deadline->slot, &sample))
        return;
    if (sample.state != SAMPLE_LEASED || sample.fence != deadline->fence || sample.deadline_ms > change->now_ms)
        return;
    sample.lost_fence = sample.fence;
    sample.lost_worker = sample.worker;
    lease_end(change, project, deadline->slot, &sample, &waiting);
    lease_give_back(change, project, deadline->slot, &sample, &waiting, "expired");
}
