/*
 * database.h - LMDB, wrapped once: environments, transactions with a sticky status, cursors. Nothing above store/ sees LMDB.
 *
 * After the first failure every operation of a transaction is a no-op and its commit aborts, so that callers write straight
 * lines and check `txn->status` once. "Not found" is no failure.
 */
#pragma once

#include "store/key.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum database_status {
    DATABASE_OK,
    DATABASE_MAP_FULL, /* the configured map size is used up */
    DATABASE_TXN_FULL, /* too many pages changed in one transaction: do less at once */
    DATABASE_DISK_FULL,
    DATABASE_NO_MEMORY,
    DATABASE_CORRUPT, /* a record has another size or form than its format says */
    DATABASE_FAILED,  /* anything else, a failed write or sync among it: the environment must not be written any more */
};

enum { DATABASE_TABLES_MAX = 24 };

/* One environment: a folder with its tables. Shared by threads: one writer at a time, any number of readers. */
struct database {
    MDB_env *handle;
    MDB_dbi tables[DATABASE_TABLES_MAX];
    size_t table_count;
    size_t page_bytes; /* a value of at least half of this has pages of its own, and is aligned to 16 bytes */
    bool read_only;
};

/* Bytes inside the map: valid until the transaction's next write or its end. */
struct value {
    const void *data;
    size_t size;
};

struct txn {
    struct database *database;
    MDB_txn *handle; /* NULL once committed or aborted */
    enum database_status status;
    int lmdb_error;  /* that led to the status, for the log */
    uint64_t writes; /* operations that changed something: tells whether a rejected request had begun to write */
};

/* A walk over the keys that begin with a prefix, in order. */
struct cursor {
    struct txn *txn;
    MDB_cursor *handle;
    struct key prefix;
    bool started;
    struct value key; /* of the entry last given */
    struct value data;
};

/*
 * Opens the environment in `folder`, which must exist, with the named tables. `map_bytes` bounds its size on disk; it only
 * costs address space until used. Partner: database_close. On failure nothing stays open; `lmdb_error` is set.
 */
enum database_status database_open(struct database *database, const char *folder, const char *const *tables, size_t table_count,
    size_t map_bytes, bool read_only, int *lmdb_error);
void database_close(struct database *database);

/* A writing transaction belongs to its thread; a reading one to whoever uses it, one at a time. */
bool txn_begin_write(struct txn *txn, struct database *database);
bool txn_begin_read(struct txn *txn, struct database *database);

/* True where nothing was committed since the snapshot began. */
bool txn_is_newest(const struct txn *txn);

/* Commits and syncs. False, with the status set, where anything in the transaction failed: then nothing of it happened. */
bool txn_commit(struct txn *txn);
void txn_abort(struct txn *txn);

/* Marks the transaction failed, because what was read contradicts the format. Always false. */
bool txn_corrupt(struct txn *txn);

/* False where there is no such key (or the transaction has failed). */
bool txn_get(struct txn *txn, int table, const struct key *key, struct value *value);

/* Copies out a record of exactly `size` bytes; another size is corruption. */
bool txn_get_record(struct txn *txn, int table, const struct key *key, void *record, size_t size);

void txn_put(struct txn *txn, int table, const struct key *key, const void *data, size_t size);

/* Room for a value, to be filled before the next write; not zeroed. NULL on failure. */
void *txn_put_reserve(struct txn *txn, int table, const struct key *key, size_t size);

/* True where the key was there. */
bool txn_delete(struct txn *txn, int table, const struct key *key);

/* Deletes every key with the prefix. */
void txn_delete_prefix(struct txn *txn, int table, const struct key *prefix);

/*
 * Walks from the first key ≥ `start` (NULL: the prefix itself) while keys begin with `prefix`. Partner: cursor_close. In a
 * writing transaction, nothing else may write to the table during the walk.
 */
void cursor_open(struct cursor *cursor, struct txn *txn, int table, const struct key *prefix, const struct key *start);
bool cursor_next(struct cursor *cursor);
void cursor_close(struct cursor *cursor);

/* The last entry with the prefix; false where there is none. */
bool txn_last(struct txn *txn, int table, const struct key *prefix, struct value *key, struct value *data);

/* Makes a compact copy of what a reading transaction sees in `folder`, which must exist and be empty, and syncs it. */
enum database_status database_copy(struct txn *txn, const char *folder, const char *const *tables);

const char *database_status_text(enum database_status status);
