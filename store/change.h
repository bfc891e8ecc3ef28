/*
 * change.h - one writing transaction over the state: the projects it touches, and the events it causes.
 *
 * Belongs to the engine's thread. Projects stay loaded between transactions, since nobody else writes them.
 */
#pragma once

#include "protocol/writer.h"
#include "store/project.h"

/* An event that was written and waits for the commit to be sent. Offsets into change->outgoing_bytes. */
struct outgoing {
    size_t topic;
    size_t topic_size;
    size_t map;
    size_t map_size;
};

struct change {
    struct database *database;
    struct txn txn;
    int64_t now_ms;
    struct project **projects; /* loaded ones */
    bool *dirty;               /* [project_count] its counters changed in this transaction */
    size_t project_count;
    struct writer event; /* the event being written */
    msgpack_sbuffer outgoing_bytes;
    struct outgoing *outgoing;
    size_t outgoing_count;
    size_t outgoing_room;
};

/* Partner: change_deinit. */
void change_init(struct change *change, struct database *database);
void change_deinit(struct change *change);

bool change_begin(struct change *change, int64_t now_ms);

/* Writes the counters and commits. False: nothing happened, and the loaded projects are forgotten. The outgoing events stay
 * until the next begin. */
bool change_commit(struct change *change);
void change_abort(struct change *change);

/* Ends a transaction that wrote nothing. The loaded projects stay, since they are as they were. */
void change_end(struct change *change);

/*
 * The project, to be changed; NULL with not_found in `error`, or on a failure of the transaction. Stays valid until the
 * transaction ends in change_abort or a failed commit.
 */
struct project *change_project(struct change *change, struct text name, struct protocol_error *error);

/* Loads every project. Failures are the transaction's. */
void change_load_projects(struct change *change);

/* The same by number; NULL where there is none. */
struct project *change_project_numbered(struct change *change, uint32_t number);

/* Registers a new project, whose settings are given, and loads it. NULL on failure. */
struct project *change_create_project(struct change *change, struct text name, const struct settings *settings);

/*
 * Opens an event's map with its common fields written; add the kind's own fields to the writer, then event_end. The event gets
 * its numbers here, in the transaction that causes it.
 */
struct writer *event_begin(struct change *change, struct project *project, enum event_kind kind);
void event_end(struct change *change, struct project *project, enum event_kind kind);

/* The kind's word on the wire; static. */
const char *event_kind_name(enum event_kind kind);
