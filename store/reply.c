#include "store/reply.h"

#include <string.h>

enum { FORGET_AT_ONCE = 4 }; /* more than one is kept at a time, so the number shrinks to its bound */

static struct key key_of_reply(uint32_t project, struct text id)
{
    struct key key = key_project(project);
    key_add_text(&key, id.data, id.size);
    return key;
}

static struct key key_of_age(uint32_t project, int64_t time_ms, struct text id)
{
    struct key key = key_project(project);
    key_add_u64(&key, (uint64_t)time_ms);
    key_add_text(&key, id.data, id.size);
    return key;
}

bool reply_find(struct txn *txn, uint32_t project, struct text id, struct kept_reply *kept, struct text *bytes)
{
    const struct key key = key_of_reply(project, id);
    struct value stored;
    if (!txn_get(txn, STATE_REPLIES, &key, &stored))
        return false;
    if (stored.size < sizeof *kept)
        return txn_corrupt(txn);
    memcpy(kept, stored.data, sizeof *kept);
    *bytes = (struct text){(const char *)stored.data + sizeof *kept, stored.size - sizeof *kept};
    return true;
}

/* Forgets the oldest reply if it is due; true where it was. */
static bool forget_oldest(struct change *change, struct project *project)
{
    const struct key prefix = key_project(project->number);
    struct key age = {0};
    struct key reply = key_project(project->number);
    struct cursor cursor;
    bool due = false;
    cursor_open(&cursor, &change->txn, STATE_REPLY_AGES, &prefix, NULL);
    if (cursor_next(&cursor) && cursor.key.size > prefix.size + 8) {
        const uint8_t *bytes = cursor.key.data;
        const int64_t time_ms = (int64_t)key_read_u64(bytes + prefix.size);
        due = project->counters.kept_replies > KEPT_REPLIES_MAX || change->now_ms - time_ms > KEPT_REPLY_AGE_MS;
        key_add_text(&age, bytes, cursor.key.size);
        key_add_text(&reply, bytes + prefix.size + 8, cursor.key.size - prefix.size - 8);
    }
    cursor_close(&cursor);
    if (!due)
        return false;
    txn_delete(&change->txn, STATE_REPLY_AGES, &age);
    txn_delete(&change->txn, STATE_REPLIES, &reply);
    project->counters.kept_replies--;
    return true;
}

void reply_keep(struct change *change, struct project *project, struct text id, const uint64_t body[2], struct text bytes)
{
    const struct kept_reply kept = {.time_ms = change->now_ms, .body = {body[0], body[1]}};
    const struct key key = key_of_reply(project->number, id);
    uint8_t *stored = txn_put_reserve(&change->txn, STATE_REPLIES, &key, sizeof kept + bytes.size);
    if (!stored)
        return;
    memcpy(stored, &kept, sizeof kept);
    memcpy(stored + sizeof kept, bytes.data, bytes.size);
    const struct key age = key_of_age(project->number, change->now_ms, id);
    txn_put(&change->txn, STATE_REPLY_AGES, &age, "", 0);
    project->counters.kept_replies++;
    for (int i = 0; i < FORGET_AT_ONCE && forget_oldest(change, project); i++) {
    }
}
