/* libcurated against a real daemon: one whole round, from the project to the labels, and what stands in the way of it. */
#include "test/unit/tests.h"

#include "clients/c/curated.h"

#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAMPLES = 3000, CLASSES = 3, WIDTH = 8 };

static const char *const classes[CLASSES] = {"cat", "dog", "fox"};

/* Where the daemon's program is: beside the folder of this one's. */
static char program[PATH_MAX];

struct daemon {
    pid_t process;
    FILE *log;
    char store[64];
    char requests[128];
    char events[128];
    struct curated *client;
    struct curated_error error;
};

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info, (void)type, (void)place;
    return remove(path);
}

/* Starts the program, its standard error in a pipe. Partner: tear_down. */
static bool start(struct daemon *daemon)
{
    char store[96];
    int ends[2];
    snprintf(store, sizeof store, "--store=%s", daemon->store);
    if (pipe(ends) != 0)
        return false;
    daemon->process = fork();
    if (daemon->process == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        /* Small maps: under ThreadSanitizer there is little address space. */
        execl(program, program, store, "--requests=tcp://127.0.0.1:*", "--events=tcp://127.0.0.1:*",
            "--state-map-bytes=268435456", "--vectors-map-bytes=268435456", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    daemon->log = fdopen(ends[0], "r");
    return daemon->process > 0 && daemon->log;
}

static bool wait_until_ready(struct daemon *daemon)
{
    char line[1024];
    while (fgets(line, sizeof line, daemon->log)) {
        const char *ready = strstr(line, "msg=ready ");
        if (ready && sscanf(ready, "msg=ready requests=%127s events=%127s", daemon->requests, daemon->events) == 2)
            return true;
        fputs(line, stderr);
    }
    return false;
}

static int set_up(void **state)
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon)
        return -1;
    strcpy(daemon->store, "/tmp/curated-test-XXXXXX");
    *state = daemon;
    if (!mkdtemp(daemon->store) || !start(daemon) || !wait_until_ready(daemon))
        return -1;
    daemon->client =
        curated_open(&(struct curated_options){.requests = daemon->requests, .events = daemon->events}, &daemon->error);
    return daemon->client ? 0 : -1;
}

/* What it logs at its end, and what a sanitizer says. Closes the file. */
static void show_rest_of_log(FILE *log)
{
    char line[1024];
    while (fgets(line, sizeof line, log))
        fputs(line, stderr);
    fclose(log);
}

static int tear_down(void **state)
{
    struct daemon *daemon = *state;
    int status = -1;
    curated_close(daemon->client);
    if (daemon->process > 0)
        kill(daemon->process, SIGTERM);
    if (daemon->log)
        show_rest_of_log(daemon->log);
    if (daemon->process > 0)
        waitpid(daemon->process, &status, 0);
    nftw(daemon->store, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(daemon);
    return status == 0 ? 0 : -1; /* a daemon under a sanitizer tells what it found by its status */
}

#define FINE(call)                                                                                                             \
    do {                                                                                                                       \
        if (!(call))                                                                                                           \
            fail_msg("%s: %s", #call, daemon->error.message);                                                                  \
    } while (0)

static void register_samples(struct daemon *daemon, uint32_t *slots)
{
    struct curated_sample *samples = calloc(SAMPLES, sizeof *samples);
    char(*keys)[16] = calloc(SAMPLES, sizeof *keys);
    assert_non_null(samples);
    assert_non_null(keys);
    for (size_t i = 0; i < SAMPLES; i++) {
        snprintf(keys[i], sizeof keys[i], "%05zu.jpg", i);
        samples[i].key = keys[i];
        samples[i].uri = i % 2 ? "file:///odd" : NULL;
    }
    FINE(curated_put_samples(daemon->client, "demo", samples, SAMPLES, slots, &daemon->error));
    free(samples);
    free(keys);
}

static void push_vectors(struct daemon *daemon, const uint32_t *slots)
{
    float *probabilities = calloc((size_t)SAMPLES * CLASSES, sizeof *probabilities);
    float *embeddings = calloc((size_t)SAMPLES * WIDTH, sizeof *embeddings);
    uint64_t random = random_seed(__func__);
    assert_non_null(probabilities);
    assert_non_null(embeddings);
    for (size_t i = 0; i < SAMPLES; i++) {
        const float top = 0.34f + 0.6f * (float)(random_next(&random) % 1000) / 1000;
        probabilities[i * CLASSES] = top;
        probabilities[i * CLASSES + 1] = probabilities[i * CLASSES + 2] = (1 - top) / 2;
        for (size_t j = 0; j < WIDTH; j++)
            embeddings[i * WIDTH + j] = (float)(random_next(&random) % 1000) / 1000;
    }
    const struct curated_rows p = {probabilities, SAMPLES, CLASSES, slots, 0};
    const struct curated_rows e = {embeddings, SAMPLES, WIDTH, NULL, 0};
    FINE(curated_put_embeddings(daemon->client, "demo", "space", &e, &daemon->error));
    FINE(curated_put_predictions(daemon->client, "demo", 1, &p, true, &daemon->error));
    free(probabilities);
    free(embeddings);
}

/* Two workers in turn take two items at a time and answer them; returns what was charged. */
static int64_t work_through(struct daemon *daemon, int64_t items)
{
    int64_t charged_in_all = 0;
    for (int64_t done = 0, turn = 0; done < items; turn++) {
        const char *worker = turn % 2 ? "ada" : "bob";
        struct curated_leases *leases = curated_lease(daemon->client, "demo", worker, 2, 0, &daemon->error);
        FINE(leases != NULL);
        if (leases->count == 0)
            fail_msg("nothing waits after %lld of %lld items", (long long)done, (long long)items);
        for (size_t i = 0; i < leases->count; i++) {
            int64_t charged = 0, deadline = 0;
            FINE(curated_touch(daemon->client, "demo", worker, &leases->items[i], 90000, &deadline, &daemon->error));
            assert_true(deadline > leases->items[i].deadline_ms);
            FINE(curated_submit(daemon->client, "demo", worker, &leases->items[i], classes[i], &charged, &daemon->error));
            charged_in_all += charged;
        }
        done += (int64_t)leases->count;
        curated_leases_free(leases);
    }
    return charged_in_all;
}

static void read_back_labels(struct daemon *daemon, int64_t expected)
{
    int64_t since = 0, count = 0;
    for (bool more = true; more;) {
        struct curated_labels *labels = curated_labels_since(daemon->client, "demo", since, 7, &daemon->error);
        FINE(labels != NULL);
        for (size_t i = 0; i < labels->count; i++) {
            assert_int_equal(labels->settled[i], 1);
            assert_in_range(labels->labels[i], 0, CLASSES - 1);
            char key[16];
            snprintf(key, sizeof key, "%05u.jpg", labels->slots[i]);
            assert_string_equal(labels->keys[i], key);
        }
        count += (int64_t)labels->count;
        since = labels->next;
        more = labels->more;
        curated_labels_free(labels);
    }
    assert_int_equal(count, expected);
}

static void plays_a_whole_round(void **state)
{
    struct daemon *daemon = *state;
    struct curated *client = daemon->client;
    uint32_t *slots = calloc(SAMPLES, sizeof *slots);
    struct curated_batch plan, batch, again;
    int64_t available;
    assert_non_null(slots);
    FINE(curated_create_project(client, "demo", classes, CLASSES, 80000, &daemon->error));
    FINE(curated_create_project(client, "demo", classes, CLASSES, 80000, &daemon->error)); /* once more is the same */
    FINE(curated_grant(client, "demo", 5000000, "pilot", "grant-1", &available, &daemon->error));
    FINE(curated_grant(
        client, "demo", 5000000, "pilot", "grant-1", &available, &daemon->error)); /* the same id: no more money */
    assert_int_equal(available, 5000000);
    register_samples(daemon, slots);
    push_vectors(daemon, slots);

    const struct curated_selection selection = {.budget_microusd = 2000000};
    FINE(curated_plan(client, "demo", &selection, &plan, &daemon->error));
    FINE(curated_commit(client, "demo", &selection, "batch-1", &batch, &daemon->error));
    FINE(curated_commit(client, "demo", &selection, "batch-1", &again, &daemon->error));
    assert_int_equal(plan.items, batch.items);
    assert_int_equal(batch.batch, again.batch);
    assert_int_equal(batch.cost_microusd, 2000000);
    assert_int_equal(batch.available_microusd, 3000000);
    assert_int_equal(batch.model_version, 1);

    assert_int_equal(work_through(daemon, batch.items), batch.cost_microusd);
    read_back_labels(daemon, batch.items);
    struct curated_reply *status = curated_status(client, "demo", &daemon->error);
    FINE(status != NULL);
    assert_int_equal(curated_reply_integer(status, "labels", 0), batch.items);
    assert_int_equal(curated_reply_integer(status, "waiting", -1), 0);
    curated_reply_free(status);
    free(slots);
}

static void tells_what_is_wrong(void **state)
{
    struct daemon *daemon = *state;
    struct curated *client = daemon->client;
    assert_false(curated_plan(client, "nobody", &(struct curated_selection){.count = 1}, NULL, &daemon->error));
    assert_int_equal(daemon->error.code, CURATED_NOT_FOUND);
    assert_string_equal(daemon->error.field, "project");
    FINE(curated_create_project(client, "poor", classes, CLASSES, 80000, &daemon->error));
    FINE(curated_put_samples(client, "poor", &(struct curated_sample){.key = "one"}, 1, NULL, &daemon->error));
    assert_false(curated_commit(client, "poor", &(struct curated_selection){.count = 1}, NULL, NULL, &daemon->error));
    assert_int_equal(daemon->error.code, CURATED_BUDGET_EXHAUSTED);
    assert_int_equal(daemon->error.available_microusd, 0);
    FINE(curated_grant(client, "poor", 80000, NULL, NULL, NULL, &daemon->error));
    FINE(curated_commit(client, "poor", &(struct curated_selection){.count = 1}, NULL, NULL, &daemon->error));
    struct curated_leases *leases = curated_lease(client, "poor", "ada", 1, 0, &daemon->error);
    FINE(leases && leases->count == 1);
    FINE(curated_release(client, "poor", "ada", &leases->items[0], &daemon->error));
    assert_false(curated_release(client, "poor", "ada", &leases->items[0], &daemon->error));
    assert_int_equal(daemon->error.code, CURATED_LEASE_LOST);
    curated_leases_free(leases);
    assert_false(curated_create_project(client, "poor", classes, CLASSES, 1, &daemon->error));
    assert_int_equal(daemon->error.code, CURATED_CONFLICT);
}

/* More than a message may have: the daemon hung up on it until the time-out. */
static void registers_samples_with_long_uris(void **state)
{
    enum { MANY = 32000, KEY_BYTES = 256, URI_BYTES = 2048 };
    struct daemon *daemon = *state;
    struct curated_sample *samples = calloc(MANY, sizeof *samples);
    char(*keys)[KEY_BYTES] = calloc(MANY, sizeof *keys);
    uint32_t *slots = calloc(MANY, sizeof *slots);
    char uri[URI_BYTES + 1] = "";
    assert_true(samples && keys && slots);
    memset(uri, 'u', URI_BYTES);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof keys[i], "%0*zu", KEY_BYTES - 1, i);
        samples[i] = (struct curated_sample){.key = keys[i], .uri = uri};
    }
    FINE(curated_create_project(daemon->client, "long", classes, CLASSES, 80000, &daemon->error));
    FINE(curated_put_samples(daemon->client, "long", samples, MANY, slots, &daemon->error));
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(slots[i], i);
    free(samples);
    free(keys);
    free(slots);
}

static int64_t field_of(const msgpack_object_map *map, const char *name)
{
    for (uint32_t i = 0; i < map->size; i++)
        if (map->ptr[i].key.via.str.size == strlen(name) && memcmp(map->ptr[i].key.via.str.ptr, name, strlen(name)) == 0)
            return map->ptr[i].val.via.i64;
    return -1;
}

static void follows_events_without_a_gap(void **state)
{
    enum { GRANTS = 200 };
    struct daemon *daemon = *state;
    FINE(curated_create_project(daemon->client, "events", classes, CLASSES, 1, &daemon->error));
    struct curated_events *events = curated_events_open(daemon->client, "events", 0, &daemon->error);
    FINE(events != NULL);
    for (int i = 0; i < GRANTS; i++)
        FINE(curated_grant(daemon->client, "events", 1, NULL, NULL, NULL, &daemon->error));
    for (int64_t seq = 1; seq <= GRANTS; seq++) {
        const msgpack_object_map *event = curated_events_next(events, 10000, &daemon->error);
        FINE(event != NULL);
        assert_int_equal(field_of(event, "seq"), seq);
    }
    assert_null(curated_events_next(events, 50, &daemon->error));
    assert_int_equal(daemon->error.code, CURATED_OK);
    /* A live one, after the log was read to its end. */
    FINE(curated_grant(daemon->client, "events", 1, NULL, NULL, NULL, &daemon->error));
    const msgpack_object_map *event = curated_events_next(events, 5000, &daemon->error);
    FINE(event != NULL);
    assert_int_equal(field_of(event, "seq"), GRANTS + 1);
    curated_events_close(events);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plays_a_whole_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_what_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(registers_samples_with_long_uris, set_up, tear_down),
        cmocka_unit_test_setup_teardown(follows_events_without_a_gap, set_up, tear_down),
    };
    char own[PATH_MAX];
    (void)argc;
    snprintf(own, sizeof own, "%s", argv[0]);
    /* BUILD/test/unit/this: the daemon is BUILD/curated. */
    snprintf(program, sizeof program, "%.4000s/../../curated", dirname(own));
    return cmocka_run_group_tests_name("clients/c with a daemon", tests, NULL, NULL);
}
