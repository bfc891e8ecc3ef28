/*
 * store.h - what the daemon remembers: two LMDB environments that live differently.
 *
 * `state` is small, and every promise about money, leases and labels is in it. `vectors` holds predictions and embeddings:
 * large, written in bulk, read by scans. Each has one writing thread. Records are C structs in little-endian order; the size of
 * each is checked where it is read. To change one: raise STORE_FORMAT, keep the old struct as name_vN beside the new one, and
 * convert in store_open.
 */
#pragma once

#include "store/database.h"

enum { STORE_FORMAT = 1 };

/* Tables of the state environment, with the parts of their keys; numbers in keys are big-endian. */
#define STATE_TABLES(X)                                                                                                        \
    X(META, "meta")               /* "format" -> u32; "projects" -> u32, how many there are */                                 \
    X(PROJECT_IDS, "project_ids") /* name -> u32 project */                                                                    \
    X(SETTINGS, "settings")       /* project -> struct settings */                                                             \
    X(COUNTERS, "counters")       /* project -> struct counters */                                                             \
    X(NAMES, "names")             /* project, kind u8, 0, name -> u32 number; project, kind u8, 1, number u32 -> name */       \
    X(TALLIES, "tallies")         /* project, class u32 -> u64 settled labels of the class */                                  \
    X(KEYS, "keys")               /* project, sample key -> u32 slot */                                                        \
    X(SAMPLES, "samples")         /* project, slot u32 -> struct sample */                                                     \
    X(SOURCES, "sources")         /* project, slot u32 -> u8 key size, key, URI */                                             \
    X(MODELS, "models")           /* project, version u64 -> struct model */                                                   \
    X(BATCHES, "batches")         /* project, batch u32 -> struct batch */                                                     \
    X(ITEMS, "items")             /* project, batch u32, rank u32 -> struct item */                                            \
    X(QUEUE, "queue")             /* project, batch u32, rank u32 -> struct waiting: items that nobody holds */                \
    X(LEASES, "leases")           /* project, worker u32, slot u32 -> struct lease */                                          \
    X(LABELS, "labels")           /* project, sequence u64 -> struct label, then the value's bytes */                          \
    X(LEDGER, "ledger")           /* project, sequence u64 -> struct entry, then the note's bytes */                           \
    X(EVENTS, "events")           /* project, sequence u64 -> u8 enum event_kind, then the event's map in msgpack */           \
    X(REPLIES, "replies")         /* project, request id -> struct kept_reply, then the reply's bytes */                       \
    X(REPLY_AGES, "reply_ages")   /* project, time u64, request id -> nothing */                                               \
    X(EVALUATIONS, "evaluations") /* project, model version u64 -> struct evaluation, then its fields as a msgpack map */      \
    X(PLANS, "plans")             /* project, batch u32 -> struct plan_inputs and what follows it: for REPLAY */

enum state_table {
#define X(code, name) STATE_##code,
    STATE_TABLES(X)
#undef X
        STATE_TABLE_COUNT
};

/* Tables of the vectors environment. */
#define VECTORS_TABLES(X)                                                                                                      \
    X(META, "meta")       /* "format" -> u32 */                                                                                \
    X(COLUMNS, "columns") /* project, kind u8, name -> struct column */                                                        \
    X(BLOCKS, "blocks")   /* project, kind u8, u8 name size, name, block u32 -> struct block, then its rows */

enum vectors_table {
#define X(code, name) VECTORS_##code,
    VECTORS_TABLES(X)
#undef X
        VECTORS_TABLE_COUNT
};

struct store {
    struct database state;
    struct database vectors;
    int lock; /* file descriptor that keeps a second daemon out; -1: none */
    char folder[256];
};

struct store_options {
    const char *folder;
    size_t state_map_bytes;
    size_t vectors_map_bytes;
    bool read_only; /* to look at a stopped store; nothing is created, no lock is taken */
};

/*
 * Opens the store, creating its folder and environments where they are missing. On failure returns false with one line
 * for a person in `problem`, and nothing stays open. Partner: store_close.
 */
bool store_open(struct store *store, const struct store_options *options, char *problem, size_t problem_size);
void store_close(struct store *store);

/*
 * Begins a snapshot of each environment that belong together: what the vectors lack, the state doesn't know of either, and what
 * was deleted there was forgotten here before. False where one could not begin; abort both in any case.
 */
bool store_begin_read(struct store *store, struct txn *state, struct txn *vectors);

/* A copy of the store as it is at one moment in the folder `name` of `parent`: whole and on disk, or not there at all. */
bool store_snapshot(struct store *store, const char *parent, const char *name, char *problem, size_t problem_size);

/* Creates a folder unless it is there. */
bool store_make_folder(const char *path, char *problem, size_t problem_size);
bool store_exists(const char *path);
