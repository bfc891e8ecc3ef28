#include "store/database.h"

#include <errno.h>
#include <stdlib.h>

/* The one place where LMDB's and the system's codes become ours. */
static enum database_status translate(int error)
{
    switch (error) {
    case MDB_SUCCESS:
        return DATABASE_OK;
    case MDB_MAP_FULL:
        return DATABASE_MAP_FULL;
    case MDB_TXN_FULL:
        return DATABASE_TXN_FULL;
    case ENOSPC:
    case EDQUOT:
        return DATABASE_DISK_FULL;
    case ENOMEM:
        return DATABASE_NO_MEMORY;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return DATABASE_CORRUPT;
    default:
        return DATABASE_FAILED;
    }
}

const char *database_status_text(enum database_status status)
{
    static const char *const texts[] = {
        [DATABASE_OK] = "ok",
        [DATABASE_MAP_FULL] = "the map is full: raise its size in the configuration and restart",
        [DATABASE_TXN_FULL] = "too many changes in one transaction",
        [DATABASE_DISK_FULL] = "the disk is full",
        [DATABASE_NO_MEMORY] = "out of memory",
        [DATABASE_CORRUPT] = "the store's content contradicts its format",
        [DATABASE_FAILED] = "a read or write failed",
    };
    return texts[status];
}

/* Remembers the first failure. True where there is none. */
static bool keep(struct txn *txn, int error)
{
    if (error != MDB_SUCCESS && txn->status == DATABASE_OK) {
        txn->status = translate(error);
        txn->lmdb_error = error;
    }
    return txn->status == DATABASE_OK;
}

static int open_tables(struct database *database, const char *const *names)
{
    MDB_txn *handle = NULL;
    int error = mdb_txn_begin(database->handle, NULL, database->read_only ? MDB_RDONLY : 0, &handle);
    if (error)
        return error;
    for (size_t i = 0; i < database->table_count; i++) {
        error = mdb_dbi_open(handle, names[i], database->read_only ? 0 : MDB_CREATE, &database->tables[i]);
        if (error) {
            mdb_txn_abort(handle);
            return error;
        }
    }
    return mdb_txn_commit(handle); /* frees the handle, whatever it answers */
}

enum database_status database_open(struct database *database, const char *folder, const char *const *tables, size_t table_count,
    size_t map_bytes, bool read_only, int *lmdb_error)
{
    *database = (struct database){.table_count = table_count, .read_only = read_only};
    int error = mdb_env_create(&database->handle);
    if (error)
        goto done;
    if ((error = mdb_env_set_mapsize(database->handle, map_bytes)) ||
        (error = mdb_env_set_maxdbs(database->handle, DATABASE_TABLES_MAX)))
        goto done;
    /* Readers are tied to their transaction and not to a thread, because the planner hands its snapshot to helper threads. */
    error = mdb_env_open(database->handle, folder, MDB_NOTLS | (read_only ? MDB_RDONLY : 0), 0640);
    if (!error)
        error = open_tables(database, tables);
    MDB_stat stat = {0};
    if (!error)
        error = mdb_env_stat(database->handle, &stat);
    database->page_bytes = stat.ms_psize;
    /* Readers of a process that was killed would keep LMDB from reusing pages. */
    if (!error && !read_only)
        error = mdb_reader_check(database->handle, NULL);
done:
    if (error)
        database_close(database);
    *lmdb_error = error;
    return translate(error);
}

void database_close(struct database *database)
{
    if (database->handle)
        mdb_env_close(database->handle);
    database->handle = NULL;
}

static bool begin(struct txn *txn, struct database *database, unsigned flags)
{
    *txn = (struct txn){.database = database};
    return keep(txn, mdb_txn_begin(database->handle, NULL, flags, &txn->handle));
}

bool txn_begin_write(struct txn *txn, struct database *database)
{
    return begin(txn, database, 0);
}

bool txn_begin_read(struct txn *txn, struct database *database)
{
    return begin(txn, database, MDB_RDONLY);
}

bool txn_commit(struct txn *txn)
{
    if (txn->status != DATABASE_OK) {
        txn_abort(txn);
        return false;
    }
    MDB_txn *handle = txn->handle;
    txn->handle = NULL; /* gone after this call, whatever it answers */
    return keep(txn, mdb_txn_commit(handle));
}

void txn_abort(struct txn *txn)
{
    if (txn->handle)
        mdb_txn_abort(txn->handle);
    txn->handle = NULL;
}

bool txn_corrupt(struct txn *txn)
{
    return keep(txn, MDB_CORRUPTED);
}

bool txn_is_newest(const struct txn *txn)
{
    MDB_envinfo info;
    return mdb_env_info(txn->database->handle, &info) == MDB_SUCCESS && info.me_last_txnid == mdb_txn_id(txn->handle);
}

static MDB_val borrow(const struct key *key)
{
    return (MDB_val){key->size, (void *)key->bytes};
}

bool txn_get(struct txn *txn, int table, const struct key *key, struct value *value)
{
    if (txn->status != DATABASE_OK)
        return false;
    MDB_val name = borrow(key);
    MDB_val data;
    const int error = mdb_get(txn->handle, txn->database->tables[table], &name, &data);
    if (error == MDB_NOTFOUND || !keep(txn, error))
        return false;
    *value = (struct value){data.mv_data, data.mv_size};
    return true;
}

bool txn_get_record(struct txn *txn, int table, const struct key *key, void *record, size_t size)
{
    struct value value;
    if (!txn_get(txn, table, key, &value))
        return false;
    if (value.size != size)
        return txn_corrupt(txn);
    memcpy(record, value.data, size);
    return true;
}

static int put(struct txn *txn, int table, const struct key *key, MDB_val *data, unsigned flags)
{
    MDB_val name = borrow(key);
    txn->writes++;
    return mdb_put(txn->handle, txn->database->tables[table], &name, data, flags);
}

void txn_put(struct txn *txn, int table, const struct key *key, const void *data, size_t size)
{
    if (txn->status != DATABASE_OK)
        return;
    MDB_val value = {size, (void *)data};
    keep(txn, put(txn, table, key, &value, 0));
}

void *txn_put_reserve(struct txn *txn, int table, const struct key *key, size_t size)
{
    if (txn->status != DATABASE_OK)
        return NULL;
    MDB_val value = {size, NULL};
    return keep(txn, put(txn, table, key, &value, MDB_RESERVE)) ? value.mv_data : NULL;
}

bool txn_delete(struct txn *txn, int table, const struct key *key)
{
    if (txn->status != DATABASE_OK)
        return false;
    MDB_val name = borrow(key);
    const int error = mdb_del(txn->handle, txn->database->tables[table], &name, NULL);
    if (error == MDB_NOTFOUND || !keep(txn, error))
        return false;
    txn->writes++;
    return true;
}

void txn_delete_prefix(struct txn *txn, int table, const struct key *prefix)
{
    struct cursor cursor;
    cursor_open(&cursor, txn, table, prefix, NULL);
    while (cursor_next(&cursor)) {
        keep(txn, mdb_cursor_del(cursor.handle, 0));
        txn->writes++;
    }
    cursor_close(&cursor);
}

void cursor_open(struct cursor *cursor, struct txn *txn, int table, const struct key *prefix, const struct key *start)
{
    memset(cursor, 0, sizeof *cursor);
    cursor->txn = txn;
    cursor->prefix = *prefix;
    if (txn->status != DATABASE_OK)
        return;
    if (!keep(txn, mdb_cursor_open(txn->handle, txn->database->tables[table], &cursor->handle)))
        return;
    MDB_val key = borrow(start ? start : prefix);
    MDB_val data;
    /* LMDB takes no empty key. */
    const int error = mdb_cursor_get(cursor->handle, &key, &data, key.mv_size > 0 ? MDB_SET_RANGE : MDB_FIRST);
    if (error == MDB_NOTFOUND || !keep(txn, error)) {
        cursor_close(cursor);
        return;
    }
    cursor->key = (struct value){key.mv_data, key.mv_size};
    cursor->data = (struct value){data.mv_data, data.mv_size};
}

bool cursor_next(struct cursor *cursor)
{
    if (!cursor->handle || cursor->txn->status != DATABASE_OK)
        return false;
    if (cursor->started) {
        MDB_val key;
        MDB_val data;
        const int error = mdb_cursor_get(cursor->handle, &key, &data, MDB_NEXT);
        if (error == MDB_NOTFOUND || !keep(cursor->txn, error))
            return false;
        cursor->key = (struct value){key.mv_data, key.mv_size};
        cursor->data = (struct value){data.mv_data, data.mv_size};
    }
    cursor->started = true;
    return cursor->key.size >= cursor->prefix.size && memcmp(cursor->key.data, cursor->prefix.bytes, cursor->prefix.size) == 0;
}

void cursor_close(struct cursor *cursor)
{
    if (cursor->handle)
        mdb_cursor_close(cursor->handle);
    cursor->handle = NULL;
}

bool txn_last(struct txn *txn, int table, const struct key *prefix, struct value *key, struct value *data)
{
    if (txn->status != DATABASE_OK)
        return false;
    MDB_cursor *handle;
    if (!keep(txn, mdb_cursor_open(txn->handle, txn->database->tables[table], &handle)))
        return false;
    /* One step back from the first key after the prefix; from the end where there is none. */
    struct key after = *prefix;
    while (after.size > 0 && after.bytes[after.size - 1] == 0xff)
        after.size--;
    MDB_val name = {0};
    MDB_val value = {0};
    int error = MDB_NOTFOUND;
    if (after.size > 0) {
        after.bytes[after.size - 1]++;
        name = borrow(&after);
        error = mdb_cursor_get(handle, &name, &value, MDB_SET_RANGE);
    }
    error = mdb_cursor_get(handle, &name, &value, error == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    mdb_cursor_close(handle);
    if (error == MDB_NOTFOUND || !keep(txn, error))
        return false;
    *key = (struct value){name.mv_data, name.mv_size};
    *data = (struct value){value.mv_data, value.mv_size};
    return key->size >= prefix->size && memcmp(key->data, prefix->bytes, prefix->size) == 0;
}

/* --- copying ------------------------------------------------------------------------------------------------------------ */

enum { COPY_BYTES = 1 << 26 }; /* written in one transaction */

static void copy_table(struct txn *from, struct txn *to, int table, size_t *bytes)
{
    const struct key all = {0};
    struct cursor cursor;
    cursor_open(&cursor, from, table, &all, NULL);
    while (to->status == DATABASE_OK && cursor_next(&cursor)) {
        MDB_val key = {cursor.key.size, (void *)cursor.key.data};
        MDB_val data = {cursor.data.size, (void *)cursor.data.data};
        keep(to, mdb_put(to->handle, to->database->tables[table], &key, &data, MDB_APPEND));
        *bytes += key.mv_size + data.mv_size;
        if (*bytes < COPY_BYTES)
            continue;
        *bytes = 0;
        if (txn_commit(to))
            txn_begin_write(to, to->database);
    }
    cursor_close(&cursor);
}

enum database_status database_copy(struct txn *txn, const char *folder, const char *const *tables)
{
    MDB_envinfo info;
    struct database copy;
    struct txn to;
    size_t bytes = 0;
    int error = mdb_env_info(txn->database->handle, &info);
    if (error)
        return translate(error);
    const enum database_status opened =
        database_open(&copy, folder, tables, txn->database->table_count, info.me_mapsize, false, &error);
    if (opened != DATABASE_OK)
        return opened;
    /* Nobody relies on the copy before it is whole: one sync at the end will do. */
    mdb_env_set_flags(copy.handle, MDB_NOSYNC, 1);
    txn_begin_write(&to, &copy);
    for (size_t i = 0; i < copy.table_count; i++)
        copy_table(txn, &to, (int)i, &bytes);
    if (txn_commit(&to))
        keep(&to, mdb_env_sync(copy.handle, 1));
    database_close(&copy);
    return txn->status != DATABASE_OK ? txn->status : to.status;
}
