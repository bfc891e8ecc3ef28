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

static bool copy_one(struct database *database, const char *folder, const char *name, char *problem, size_t problem_size)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!store_make_folder(path, problem, problem_size))
        return false;
    const enum database_status status = database_copy(database, path);
    if (status == DATABASE_OK)
        return true;
    snprintf(problem, problem_size, "can't copy to %s: %s", path, database_status_text(status));
    return false;
}

bool store_snapshot(struct store *store, const char *folder, char *problem, size_t problem_size)
{
    if (mkdir(folder, 0750) != 0) {
        snprintf(problem, problem_size, "can't create %s: %s", folder, strerror(errno));
        return false;
    }
    /* State first: everything it points to was in the vectors before. */
    return copy_one(&store->state, folder, "state", problem, problem_size) &&
           copy_one(&store->vectors, folder, "vectors", problem, problem_size);
}
