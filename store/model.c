#include "store/model.h"

#include <inttypes.h>
#include <string.h>

static struct key key_of_version(uint32_t project, int64_t version)
{
    struct key key = key_project(project);
    key_add_u64(&key, (uint64_t)version);
    return key;
}

static bool get(struct txn *txn, uint32_t project, int64_t version, struct model *model)
{
    const struct key key = key_of_version(project, version);
    return txn_get_record(txn, STATE_MODELS, &key, model, sizeof *model);
}

bool model_get(struct txn *txn, uint32_t project, int64_t version, struct model *model)
{
    return get(txn, project, version, model) && model->state != MODEL_DROPPED;
}

bool model_is_dropped(struct txn *txn, uint32_t project, int64_t version)
{
    struct model model;
    return get(txn, project, version, &model) && model.state == MODEL_DROPPED;
}

bool model_check_not_dropped(struct txn *txn, uint32_t project, int64_t version, struct protocol_error *error)
{
    return !model_is_dropped(txn, project, version) ||
           protocol_fail(error, PROTOCOL_CONFLICT, "model_version", "a version that was not dropped", "%" PRId64, version);
}

void model_put(struct txn *txn, uint32_t project, int64_t version, const struct model *model)
{
    const struct key key = key_of_version(project, version);
    txn_put(txn, STATE_MODELS, &key, model, sizeof *model);
}

bool model_delete(struct txn *txn, uint32_t project, int64_t version)
{
    const struct key key = key_of_version(project, version);
    return txn_delete(txn, STATE_MODELS, &key);
}

size_t model_list(struct txn *txn, uint32_t project, int64_t *versions, size_t room)
{
    const struct key prefix = key_project(project);
    struct cursor cursor;
    size_t count = 0;
    cursor_open(&cursor, txn, STATE_MODELS, &prefix, NULL);
    while (count < room && cursor_next(&cursor))
        versions[count++] = (int64_t)key_read_u64((const uint8_t *)cursor.key.data + prefix.size);
    cursor_close(&cursor);
    return count;
}

void evaluation_put(struct txn *txn, uint32_t project, int64_t version, const struct evaluation *evaluation, struct text fields)
{
    const struct key key = key_of_version(project, version);
    uint8_t *stored = txn_put_reserve(txn, STATE_EVALUATIONS, &key, sizeof *evaluation + fields.size);
    if (!stored)
        return;
    memcpy(stored, evaluation, sizeof *evaluation);
    memcpy(stored + sizeof *evaluation, fields.data, fields.size);
}

bool evaluation_read(struct value stored, struct evaluation *evaluation, struct text *fields)
{
    if (stored.size < sizeof *evaluation)
        return false;
    memcpy(evaluation, stored.data, sizeof *evaluation);
    *fields = (struct text){(const char *)stored.data + sizeof *evaluation, stored.size - sizeof *evaluation};
    return true;
}

bool evaluation_newest(struct txn *txn, uint32_t project, int64_t *version, struct evaluation *evaluation, struct text *fields)
{
    const struct key prefix = key_project(project);
    struct value key;
    struct value stored;
    if (!txn_last(txn, STATE_EVALUATIONS, &prefix, &key, &stored))
        return false;
    *version = (int64_t)key_read_u64((const uint8_t *)key.data + prefix.size);
    return evaluation_read(stored, evaluation, fields) || txn_corrupt(txn);
}
