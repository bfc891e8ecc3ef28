#include "store/label.h"

#include <string.h>

enum { CHAIN_MAX = 256 }; /* answers of one sample that are searched for a lease: far more than its items can have open */

static struct key key_of_label(uint32_t project, uint64_t sequence)
{
    struct key key = key_project(project);
    key_add_u64(&key, sequence);
    return key;
}

bool label_read(struct value stored, struct label *label, struct value *value)
{
    if (stored.size < sizeof *label || stored.size > sizeof *label + LABEL_VALUE_MAX)
        return false;
    memcpy(label, stored.data, sizeof *label);
    if (value)
        *value = (struct value){(const uint8_t *)stored.data + sizeof *label, stored.size - sizeof *label};
    return true;
}

bool label_get(struct txn *txn, uint32_t project, uint64_t sequence, struct label *label, struct value *value)
{
    const struct key key = key_of_label(project, sequence);
    struct value stored;
    return txn_get(txn, STATE_LABELS, &key, &stored) && (label_read(stored, label, value) || txn_corrupt(txn));
}

/* A sample counts for the class of its newest settled label. */
static void settle(struct change *change, struct project *project, struct sample *sample, const struct label *label)
{
    project->counters.labels_settled++;
    sample->labels++;
    if (label->class_index == LABEL_NO_CLASS)
        return;
    tally_add(&change->txn, project->number, sample->label, -1);
    tally_add(&change->txn, project->number, label->class_index, 1);
    sample->label = label->class_index;
}

uint64_t label_append(
    struct change *change, struct project *project, struct sample *sample, struct label label, struct text value)
{
    const uint64_t sequence = ++project->counters.labels;
    label.previous = sample->last_label;
    label.time_ms = change->now_ms;
    const struct key key = key_of_label(project->number, sequence);
    uint8_t *stored = txn_put_reserve(&change->txn, STATE_LABELS, &key, sizeof label + value.size);
    if (!stored)
        return sequence;
    memcpy(stored, &label, sizeof label);
    if (value.size > 0)
        memcpy(stored + sizeof label, value.data, value.size);

    sample->last_label = sequence;
    if (label.kind == LABEL_LATE)
        project->counters.labels_late++;
    else
        settle(change, project, sample, &label);
    if (label.kind == LABEL_ACCEPTED)
        project->counters.labels_accepted++;
    if (label.charged_microusd > 0)
        project->counters.labels_paid++;
    return sequence;
}

uint64_t label_of_lease(struct txn *txn, uint32_t project, const struct sample *sample, uint64_t fence, struct label *label)
{
    uint64_t sequence = sample->last_label;
    for (int i = 0; sequence != 0 && i < CHAIN_MAX; i++) {
        if (!label_get(txn, project, sequence, label, NULL))
            return 0;
        if (label->fence == fence)
            return sequence;
        sequence = label->previous;
    }
    return 0;
}
