#include "store/change.h"

#include <stdlib.h>
#include <string.h>

const char *event_kind_name(enum event_kind kind)
{
    static const char *const names[EVENT_KIND_COUNT] = {
#define X(code, name) [EVENT_##code] = name,
        EVENT_KINDS(X)
#undef X
    };
    return kind < EVENT_KIND_COUNT ? names[kind] : "unknown";
}

void change_init(struct change *change, struct database *database)
{
    memset(change, 0, sizeof *change);
    change->database = database;
    writer_init(&change->event);
    msgpack_sbuffer_init(&change->outgoing_bytes);
}

static void forget_projects(struct change *change)
{
    for (size_t i = 0; i < change->project_count; i++)
        free(change->projects[i]);
    change->project_count = 0;
}

void change_deinit(struct change *change)
{
    change_abort(change);
    free(change->projects);
    free(change->dirty);
    free(change->outgoing);
    writer_deinit(&change->event);
    msgpack_sbuffer_destroy(&change->outgoing_bytes);
}

bool change_begin(struct change *change, int64_t now_ms)
{
    change->now_ms = now_ms;
    change->outgoing_count = 0;
    msgpack_sbuffer_clear(&change->outgoing_bytes);
    return txn_begin_write(&change->txn, change->database);
}

bool change_commit(struct change *change)
{
    for (size_t i = 0; i < change->project_count; i++) {
        if (change->dirty[i])
            project_put_counters(&change->txn, change->projects[i]);
        change->dirty[i] = false;
    }
    if (txn_commit(&change->txn))
        return true;
    forget_projects(change);
    change->outgoing_count = 0;
    return false;
}

void change_abort(struct change *change)
{
    txn_abort(&change->txn);
    forget_projects(change);
    change->outgoing_count = 0;
}

void change_end(struct change *change)
{
    txn_abort(&change->txn);
    for (size_t i = 0; i < change->project_count; i++)
        change->dirty[i] = false;
}

static void fail_no_memory(struct change *change)
{
    if (change->txn.status == DATABASE_OK)
        change->txn.status = DATABASE_NO_MEMORY;
}

/* Room for one more loaded project, zeroed; NULL on failure. */
static struct project *add_project(struct change *change)
{
    const size_t count = change->project_count + 1;
    struct project **projects = realloc(change->projects, count * sizeof *projects);
    if (projects)
        change->projects = projects;
    bool *dirty = projects ? realloc(change->dirty, count * sizeof *dirty) : NULL;
    if (dirty)
        change->dirty = dirty;
    struct project *project = dirty ? calloc(1, sizeof *project) : NULL;
    if (!project) {
        fail_no_memory(change);
        return NULL;
    }
    change->projects[change->project_count] = project;
    change->dirty[change->project_count] = false;
    change->project_count = count;
    return project;
}

static void remove_last_project(struct change *change)
{
    change->project_count--;
    free(change->projects[change->project_count]);
}

struct project *change_project(struct change *change, struct text name, struct protocol_error *error)
{
    for (size_t i = 0; i < change->project_count; i++) {
        struct project *project = change->projects[i];
        if (project->name.size == name.size && memcmp(project->name_bytes, name.data, name.size) == 0) {
            change->dirty[i] = true;
            return project;
        }
    }
    struct project *project = add_project(change);
    if (!project)
        return NULL;
    if (!project_find(&change->txn, name, project, error)) {
        remove_last_project(change);
        return NULL;
    }
    change->dirty[change->project_count - 1] = true;
    return project;
}

static bool load_one(void *context, struct text name, uint32_t number)
{
    struct change *change = context;
    struct protocol_error unknown = {0};
    (void)number;
    change_project(change, name, &unknown);
    return change->txn.status == DATABASE_OK;
}

void change_load_projects(struct change *change)
{
    project_each(&change->txn, load_one, change);
}

struct numbered {
    uint32_t number;
    size_t size;
    char name[PROJECT_NAME_MAX];
};

static bool match_number(void *context, struct text name, uint32_t number)
{
    struct numbered *wanted = context;
    if (number != wanted->number || name.size > sizeof wanted->name)
        return true;
    memcpy(wanted->name, name.data, name.size);
    wanted->size = name.size;
    return false;
}

struct project *change_project_numbered(struct change *change, uint32_t number)
{
    for (size_t i = 0; i < change->project_count; i++) {
        if (change->projects[i]->number == number) {
            change->dirty[i] = true;
            return change->projects[i];
        }
    }
    struct numbered wanted = {.number = number};
    project_each(&change->txn, match_number, &wanted);
    struct protocol_error error = {0};
    return wanted.size > 0 ? change_project(change, (struct text){wanted.name, wanted.size}, &error) : NULL;
}

struct project *change_create_project(struct change *change, struct text name, const struct settings *settings)
{
    struct project *project = add_project(change);
    if (!project)
        return NULL;
    memcpy(project->name_bytes, name.data, name.size);
    project->name = (struct text){project->name_bytes, name.size};
    project->settings = *settings;
    project->counters.created_ms = change->now_ms;
    project_create(&change->txn, project);
    change->dirty[change->project_count - 1] = true;
    return project;
}

/* --- events ------------------------------------------------------------------------------------------------------------- */

struct writer *event_begin(struct change *change, struct project *project, enum event_kind kind)
{
    struct writer *event = &change->event;
    const uint64_t previous = project->counters.last_event[kind];
    project->counters.last_event[kind] = ++project->counters.events;
    writer_reset(event);
    writer_map_begin(event, NULL);
    writer_integer(event, "seq", (int64_t)project->counters.events);
    writer_integer(event, "prev", (int64_t)previous);
    writer_integer(event, "time_ms", change->now_ms);
    writer_text(event, "project", project->name);
    writer_string(event, "kind", event_kind_name(kind));
    return event;
}

/* Keeps a copy to be sent after the commit. */
static void keep_outgoing(struct change *change, struct text project, const char *kind, struct text map)
{
    if (change->outgoing_count == change->outgoing_room) {
        const size_t room = change->outgoing_room ? 2 * change->outgoing_room : 64;
        struct outgoing *outgoing = realloc(change->outgoing, room * sizeof *outgoing);
        if (!outgoing) {
            fail_no_memory(change);
            return;
        }
        change->outgoing = outgoing;
        change->outgoing_room = room;
    }
    msgpack_sbuffer *bytes = &change->outgoing_bytes;
    struct outgoing *event = &change->outgoing[change->outgoing_count];
    *event = (struct outgoing){.topic = bytes->size, .topic_size = project.size + 1 + strlen(kind)};
    event->map = event->topic + event->topic_size;
    event->map_size = map.size;
    if (msgpack_sbuffer_write(bytes, project.data, project.size) || msgpack_sbuffer_write(bytes, "/", 1) ||
        msgpack_sbuffer_write(bytes, kind, strlen(kind)) || msgpack_sbuffer_write(bytes, map.data, map.size)) {
        fail_no_memory(change);
        return;
    }
    change->outgoing_count++;
}

void event_end(struct change *change, struct project *project, enum event_kind kind)
{
    writer_map_end(&change->event);
    const struct text map = writer_finish(&change->event);
    if (!map.data) {
        fail_no_memory(change);
        return;
    }
    struct key key = key_project(project->number);
    key_add_u64(&key, project->counters.events);
    uint8_t *stored = txn_put_reserve(&change->txn, STATE_EVENTS, &key, 1 + map.size);
    if (!stored)
        return;
    stored[0] = (uint8_t)kind;
    memcpy(stored + 1, map.data, map.size);
    keep_outgoing(change, project->name, event_kind_name(kind), map);
}
