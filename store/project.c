#include "store/project.h"

#include <string.h>

const char *sample_state_name(enum sample_state state)
{
    static const char *const names[SAMPLE_STATES] = {
        [SAMPLE_POOL] = "pool",
        [SAMPLE_RESERVED] = "reserved",
        [SAMPLE_LEASED] = "leased",
        [SAMPLE_LABELED] = "labeled",
        [SAMPLE_REJECTED] = "rejected",
        [SAMPLE_DROPPED] = "dropped",
    };
    return state < SAMPLE_STATES ? names[state] : "unknown";
}

static struct key key_of_name(struct text name)
{
    struct key key = {0};
    key_add_text(&key, name.data, name.size);
    return key;
}

bool project_load(struct txn *txn, struct text name, struct project *project)
{
    memset(project, 0, sizeof *project);
    if (name.size > PROJECT_NAME_MAX)
        return false;
    const struct key by_name = key_of_name(name);
    if (!txn_get_record(txn, STATE_PROJECT_IDS, &by_name, &project->number, sizeof project->number))
        return false;
    memcpy(project->name_bytes, name.data, name.size);
    project->name = (struct text){project->name_bytes, name.size};
    const struct key key = key_project(project->number);
    if (txn_get_record(txn, STATE_SETTINGS, &key, &project->settings, sizeof project->settings) &&
        txn_get_record(txn, STATE_COUNTERS, &key, &project->counters, sizeof project->counters))
        return true;
    return txn_corrupt(txn);
}

bool project_find(struct txn *txn, struct text name, struct project *project, struct protocol_error *error)
{
    return project_load(txn, name, project) ||
           protocol_fail(error, PROTOCOL_NOT_FOUND, "project", "an existing project", "%.*s", (int)name.size, name.data);
}

void project_create(struct txn *txn, struct project *project)
{
    const struct text projects = {"projects", strlen("projects")};
    const struct key counter = key_of_name(projects);
    uint32_t count = 0;
    txn_get_record(txn, STATE_META, &counter, &count, sizeof count);
    count++;
    txn_put(txn, STATE_META, &counter, &count, sizeof count);
    project->number = count;
    const struct key by_name = key_of_name(project->name);
    txn_put(txn, STATE_PROJECT_IDS, &by_name, &count, sizeof count);
    project_put_settings(txn, project);
    project_put_counters(txn, project);
}

void project_put_settings(struct txn *txn, const struct project *project)
{
    const struct key key = key_project(project->number);
    txn_put(txn, STATE_SETTINGS, &key, &project->settings, sizeof project->settings);
}

void project_put_counters(struct txn *txn, const struct project *project)
{
    const struct key key = key_project(project->number);
    txn_put(txn, STATE_COUNTERS, &key, &project->counters, sizeof project->counters);
}

void project_each(struct txn *txn, bool (*visit)(void *context, struct text name, uint32_t number), void *context)
{
    const struct key all = {0};
    struct cursor cursor;
    cursor_open(&cursor, txn, STATE_PROJECT_IDS, &all, NULL);
    while (cursor_next(&cursor)) {
        uint32_t number;
        if (cursor.data.size != sizeof number) {
            txn_corrupt(txn);
            break;
        }
        memcpy(&number, cursor.data.data, sizeof number);
        if (!visit(context, (struct text){cursor.key.data, cursor.key.size}, number))
            break;
    }
    cursor_close(&cursor);
}

/* --- interned names ----------------------------------------------------------------------------------------------------- */

enum direction { BY_NAME, BY_NUMBER };

static struct key key_by_name(uint32_t project, enum name_kind kind, struct text name)
{
    struct key key = key_project(project);
    key_add_u8(&key, (uint8_t)kind);
    key_add_u8(&key, BY_NAME);
    key_add_text(&key, name.data, name.size);
    return key;
}

static struct key key_by_number(uint32_t project, enum name_kind kind, uint32_t number)
{
    struct key key = key_project(project);
    key_add_u8(&key, (uint8_t)kind);
    key_add_u8(&key, BY_NUMBER);
    key_add_u32(&key, number);
    return key;
}

bool name_find(struct txn *txn, const struct project *project, enum name_kind kind, struct text name, uint32_t *number)
{
    const struct key key = key_by_name(project->number, kind, name);
    return txn_get_record(txn, STATE_NAMES, &key, number, sizeof *number);
}

uint32_t name_intern(struct txn *txn, struct project *project, enum name_kind kind, struct text name)
{
    uint32_t number;
    if (name_find(txn, project, kind, name, &number))
        return number;
    /* 0 means "none" wherever a group or worker is stored; classes are numbered from 0, tags by their bit. */
    const uint32_t first = kind == NAME_CLASS || kind == NAME_TAG ? 0 : 1;
    number = first + (uint32_t)project->counters.names[kind]++;
    const struct key by_name = key_by_name(project->number, kind, name);
    const struct key by_number = key_by_number(project->number, kind, number);
    txn_put(txn, STATE_NAMES, &by_name, &number, sizeof number);
    txn_put(txn, STATE_NAMES, &by_number, name.data, name.size);
    return number;
}

struct text name_text(struct txn *txn, uint32_t project, enum name_kind kind, uint32_t number)
{
    const struct key key = key_by_number(project, kind, number);
    struct value value;
    if (!txn_get(txn, STATE_NAMES, &key, &value))
        return (struct text){"", 0};
    return (struct text){value.data, value.size};
}

/* --- labels by class ---------------------------------------------------------------------------------------------------- */

static struct key key_of_tally(uint32_t project, uint32_t class_index)
{
    struct key key = key_project(project);
    key_add_u32(&key, class_index);
    return key;
}

uint64_t tally_get(struct txn *txn, uint32_t project, uint32_t class_index)
{
    const struct key key = key_of_tally(project, class_index);
    uint64_t count = 0;
    txn_get_record(txn, STATE_TALLIES, &key, &count, sizeof count);
    return count;
}

void tally_add(struct txn *txn, uint32_t project, int32_t class_index, int64_t change)
{
    if (class_index < 0)
        return;
    const struct key key = key_of_tally(project, (uint32_t)class_index);
    const uint64_t count = tally_get(txn, project, (uint32_t)class_index) + (uint64_t)change;
    txn_put(txn, STATE_TALLIES, &key, &count, sizeof count);
}
