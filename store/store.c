#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const state_tables[STATE_TABLE_COUNT] = {
#define X(code, name) [STATE_##code] = name,
    STATE_TABLES(X)
#undef X
};

static const char *const vectors_tables[VECTORS_TABLE_COUNT] = {
#define X(code, name) [VECTORS_##code] = name,
    VECTORS_TABLES(X)
#undef X
};

enum { PATH_SIZE = 512 };

bool store_make_folder(const char *path, char *problem, size_t problem_size)
{
    if (mkdir(path, 0750) == 0 || errno == EEXIST)
        return true;
    snprintf(problem, problem_size, "can't create %s: %s", path, strerror(errno));
    return false;
}

bool store_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

/* Two daemons on one store would both be its only writer. The lock goes with the process, however it ends. */
static bool take_lock(struct store *store, char *problem, size_t problem_size)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/lock", store->folder);
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (store->lock >= 0 && flock(store->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    snprintf(problem, problem_size, "can't lock %s: %s", path,
        errno == EWOULDBLOCK ? "another daemon uses this store" : strerror(errno));
    return false;
}

static bool open_one(struct database *database, const char *folder, const char *name, const char *const *tables, size_t count,
    size_t map_bytes, bool read_only, char *problem, size_t problem_size)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!read_only && !store_make_folder(path, problem, problem_size))
        return false;
    int lmdb_error;
    if (database_open(database, path, tables, count, map_bytes, read_only, &lmdb_error) == DATABASE_OK)
        return true;
    snprintf(problem, problem_size, "can't open %s: %s", path, mdb_strerror(lmdb_error));
    return false;
}

/* META is the first table of both environments, so one function checks or writes either's format. */
static bool check_format(struct database *database, const char *name, char *problem, size_t problem_size)
{
    struct key key = {0};
    key_add_text(&key, "format", strlen("format"));
    struct txn txn;
    uint32_t format = STORE_FORMAT;
    bool begun = database->read_only ? txn_begin_read(&txn, database) : txn_begin_write(&txn, database);
    if (begun && !txn_get_record(&txn, STATE_META, &key, &format, sizeof format) && !database->read_only)
        txn_put(&txn, STATE_META, &key, &format, sizeof format);
    const bool ok = begun && (database->read_only ? txn.status == DATABASE_OK : txn_commit(&txn));
    txn_abort(&txn);
    if (!ok) {
        snprintf(problem, problem_size, "can't read the format of %s: %s", name, database_status_text(txn.status));
        return false;
    }
    if (format != STORE_FORMAT) {
        snprintf(problem, problem_size, "%s has format %u; this program reads format %d", name, format, STORE_FORMAT);
        return false;
    }
    return true;
}

bool store_open(struct store *store, const struct store_options *options, char *problem, size_t problem_size)
{
    *store = (struct store){.lock = -1};
    if (strlen(options->folder) >= sizeof store->folder) {
        snprintf(problem, problem_size, "the store's path is longer than %zu bytes", sizeof store->folder - 1);
        return false;
    }
    snprintf(store->folder, sizeof store->folder, "%s", options->folder);
    if (!options->read_only &&
        (!store_make_folder(store->folder, problem, problem_size) || !take_lock(store, problem, problem_size)))
        goto failed;
    if (!open_one(&store->state, store->folder, "state", state_tables, STATE_TABLE_COUNT, options->state_map_bytes,
            options->read_only, problem, problem_size))
        goto failed;
    if (!open_one(&store->vectors, store->folder, "vectors", vectors_tables, VECTORS_TABLE_COUNT, options->vectors_map_bytes,
            options->read_only, problem, problem_size))
        goto failed;
    if (!check_format(&store->state, "state", problem, problem_size) ||
        !check_format(&store->vectors, "vectors", problem, problem_size))
        goto failed;
    return true;
failed:
    store_close(store);
    return false;
}

void store_close(struct store *store)
{
    database_close(&store->vectors);
    database_close(&store->state);
    if (store->lock >= 0)
        close(store->lock);
    store->lock = -1;
}

bool store_begin_read(struct store *store, struct txn *state, struct txn *vectors)
{
    *vectors = (struct txn){0};
    for (;;) {
        if (!txn_begin_read(state, &store->state) || !txn_begin_read(vectors, &store->vectors))
            return false;
        if (txn_is_newest(state))
            return true;
        txn_abort(vectors);
        txn_abort(state);
    }
}

/* --- snapshots ---------------------------------------------------------------------------------------------------------- */

static bool copy_one(
    struct txn *txn, const char *folder, const char *name, const char *const *tables, char *problem, size_t problem_size)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!store_make_folder(path, problem, problem_size))
        return false;
    const enum database_status status = database_copy(txn, path, tables);
    if (status == DATABASE_OK)
        return true;
    snprintf(problem, problem_size, "can't copy to %s: %s", path, database_status_text(status));
    return false;
}

static bool copy_both(struct store *store, const char *folder, char *problem, size_t problem_size)
{
    struct txn state;
    struct txn vectors;
    bool ok = store_begin_read(store, &state, &vectors);
    if (!ok)
        snprintf(problem, problem_size, "can't read the store");
    ok = ok && copy_one(&state, folder, "state", state_tables, problem, problem_size) &&
         copy_one(&vectors, folder, "vectors", vectors_tables, problem, problem_size);
    txn_abort(&state);
    txn_abort(&vectors);
    return ok;
}

/* Removes what a copy that was not finished left. */
static void remove_copy(const char *folder)
{
    static const char *const entries[] = {
        "state/data.mdb", "state/lock.mdb", "state", "vectors/data.mdb", "vectors/lock.mdb", "vectors"};
    char path[PATH_SIZE];
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]);
        remove(path);
    }
    remove(folder);
}

static bool sync_folder(const char *path)
{
    const int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool ok = file >= 0 && fsync(file) == 0;
    if (file >= 0)
        close(file);
    return ok;
}

/* Gives the finished copy its name, for good. */
static bool publish_copy(const char *parent, const char *copy, const char *folder, char *problem, size_t problem_size)
{
    static const char *const inner[] = {"state", "vectors"};
    char path[PATH_SIZE];
    bool ok = true;
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        snprintf(path, sizeof path, "%s/%s", copy, inner[i]);
        ok = ok && sync_folder(path);
    }
    if (ok && sync_folder(copy) && rename(copy, folder) == 0 && sync_folder(parent))
        return true;
    snprintf(problem, problem_size, "can't create %s: %s", folder, strerror(errno));
    return false;
}

bool store_snapshot(struct store *store, const char *parent, const char *name, char *problem, size_t problem_size)
{
    char folder[PATH_SIZE];
    char copy[PATH_SIZE - 32]; /* room for what is in it */
    snprintf(folder, sizeof folder, "%s/%s", parent, name);
    /* Under a name that no snapshot has until it is whole, so that a crash or a full disk leaves nothing that looks like one.
     */
    snprintf(copy, sizeof copy, "%s/.%s", parent, name);
    remove_copy(copy);
    if (mkdir(copy, 0750) != 0) {
        snprintf(problem, problem_size, "can't create %s: %s", copy, strerror(errno));
        return false;
    }
    if (copy_both(store, copy, problem, problem_size) && publish_copy(parent, copy, folder, problem, problem_size))
        return true;
    remove_copy(copy);
    return false;
}
