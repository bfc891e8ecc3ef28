#include "store/sample.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct key key_of_slot(uint32_t project, uint32_t slot)
{
    struct key key = key_project(project);
    key_add_u32(&key, slot);
    return key;
}

static struct key key_of_key(uint32_t project, struct text text)
{
    struct key key = key_project(project);
    key_add_text(&key, text.data, text.size);
    return key;
}

bool sample_get(struct txn *txn, uint32_t project, uint32_t slot, struct sample *sample)
{
    const struct key key = key_of_slot(project, slot);
    return txn_get_record(txn, STATE_SAMPLES, &key, sample, sizeof *sample);
}

void sample_put(struct txn *txn, uint32_t project, uint32_t slot, const struct sample *sample)
{
    const struct key key = key_of_slot(project, slot);
    txn_put(txn, STATE_SAMPLES, &key, sample, sizeof *sample);
}

void sample_move(struct project *project, struct sample *sample, enum sample_state state)
{
    project->counters.states[sample->state]--;
    project->counters.states[state]++;
    sample->state = (uint8_t)state;
}

bool sample_find(struct txn *txn, uint32_t project, struct text text, uint32_t *slot)
{
    const struct key key = key_of_key(project, text);
    return txn_get_record(txn, STATE_KEYS, &key, slot, sizeof *slot);
}

struct source source_get(struct txn *txn, uint32_t project, uint32_t slot)
{
    static const struct source nothing = {{"", 0}, {"", 0}};
    const struct key key = key_of_slot(project, slot);
    struct value value;
    if (!txn_get(txn, STATE_SOURCES, &key, &value))
        return nothing;
    const uint8_t *bytes = value.data;
    if (value.size < 1 || value.size < 1u + bytes[0]) {
        txn_corrupt(txn);
        return nothing;
    }
    const size_t key_size = bytes[0];
    return (struct source){
        {(const char *)bytes + 1, key_size}, {(const char *)bytes + 1 + key_size, value.size - 1 - key_size}};
}

void source_put(struct txn *txn, uint32_t project, uint32_t slot, struct text text, struct text uri)
{
    const struct key key = key_of_slot(project, slot);
    uint8_t *bytes = txn_put_reserve(txn, STATE_SOURCES, &key, 1 + text.size + uri.size);
    if (!bytes)
        return;
    bytes[0] = (uint8_t)text.size;
    memcpy(bytes + 1, text.data, text.size);
    if (uri.size > 0)
        memcpy(bytes + 1 + text.size, uri.data, uri.size);
}

uint32_t sample_register(struct txn *txn, struct project *project, struct text text, struct text uri)
{
    const uint32_t slot = (uint32_t)project->counters.samples++;
    project->counters.states[SAMPLE_POOL]++;
    const struct key key = key_of_key(project->number, text);
    txn_put(txn, STATE_KEYS, &key, &slot, sizeof slot);
    source_put(txn, project->number, slot, text, uri);
    return slot;
}

int64_t sample_price(const struct project *project, const struct sample *sample)
{
    return sample->price_microusd == SAMPLE_NO_PRICE ? project->settings.price_microusd : sample->price_microusd;
}

/* --- what a request names ----------------------------------------------------------------------------------------------- */

static bool unknown_slot(struct protocol_error *error, uint64_t slot, uint64_t samples)
{
    return protocol_fail(
        error, PROTOCOL_NOT_FOUND, "slots", "a registered slot", "slot %" PRIu64 " of %" PRIu64 " samples", slot, samples);
}

static bool resolve_one(struct txn *txn, const struct project *project, const struct sample_names *names, size_t i,
    uint32_t *slot, struct protocol_error *error)
{
    switch (names->kind) {
    case SAMPLES_KEYS: {
        const struct text key = reader_object_text(&names->list->via.array.ptr[i]);
        return sample_find(txn, project->number, key, slot) ||
               protocol_fail(error, PROTOCOL_NOT_FOUND, "keys", "a registered key", "%.*s", (int)key.size, key.data);
    }
    case SAMPLES_SLOTS:
        *slot = (uint32_t)array_integer(&names->slots, i);
        break;
    case SAMPLES_SLOT_LIST:
        *slot = (uint32_t)names->list->via.array.ptr[i].via.u64;
        break;
    default:
        *slot = names->from + (uint32_t)i;
        break;
    }
    return *slot < project->counters.samples || unknown_slot(error, *slot, project->counters.samples);
}

static int compare_slots(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Slots that rise all the way need no sorting to be seen to differ; most requests are like that. */
bool slots_differ(const uint32_t *slots, size_t count, const char *field, struct protocol_error *error)
{
    size_t rising = 1;
    while (rising < count && slots[rising - 1] < slots[rising])
        rising++;
    if (rising >= count)
        return true;
    uint32_t *sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return protocol_fail(error, PROTOCOL_INTERNAL, "", "", "out of memory");
    memcpy(sorted, slots, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_slots);
    bool different = true;
    for (size_t i = 1; different && i < count; i++)
        if (sorted[i - 1] == sorted[i])
            different =
                protocol_fail(error, PROTOCOL_BAD_REQUEST, field, "each sample once", "slot %" PRIu32 " twice", sorted[i]);
    free(sorted);
    return different;
}

bool samples_resolve(struct txn *txn, const struct project *project, const struct sample_names *names, size_t count,
    uint32_t *slots, struct protocol_error *error)
{
    if (names->kind == SAMPLES_FROM && (uint64_t)names->from + count > project->counters.samples)
        return unknown_slot(error, (uint64_t)names->from + count - 1, project->counters.samples);
    for (size_t i = 0; i < count; i++)
        if (!resolve_one(txn, project, names, i, &slots[i], error))
            return false;
    return slots_differ(slots, count, names->kind == SAMPLES_KEYS ? "keys" : "slots", error);
}
