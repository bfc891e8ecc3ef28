/* libcurated against a daemon that is late, silent, busy, confused, or as it should be. */
#include "test/unit/tests.h"

#include "clients/c/curated.h"
#include "test/unit/fake_daemon.h"

struct fixture {
    struct fake_daemon fake;
    struct curated *client;
    struct curated_error error;
};

static struct curated *connect_to(const struct fake_daemon *fake, int64_t timeout_ms, int64_t attempt_ms)
{
    const struct curated_options options = {
        .requests = fake->requests_address, .events = fake->events_address, .timeout_ms = timeout_ms, .attempt_ms = attempt_ms};
    struct curated_error error;
    struct curated *client = curated_open(&options, &error);
    assert_non_null(client);
    assert_int_equal(error.code, CURATED_OK);
    return client;
}

static void start(struct fixture *fixture, fake_handler *handler, int64_t timeout_ms, int64_t attempt_ms)
{
    memset(fixture, 0, sizeof *fixture);
    fake_start(&fixture->fake, handler);
    fixture->client = connect_to(&fixture->fake, timeout_ms, attempt_ms);
}

static void stop(struct fixture *fixture)
{
    curated_close(fixture->client);
    fake_stop(&fixture->fake);
}

static struct curated_reply *ask(struct fixture *fixture, const char *operation)
{
    return curated_call(fixture->client, &(struct curated_request){.operation = operation, .project = "demo"}, &fixture->error);
}

static bool answer_with_number(struct writer *reply, const struct request *request, int number)
{
    reply_begin(reply, &request->id);
    writer_integer(reply, "number", number);
    writer_map_end(reply);
    return true;
}

/* Notes the first id; true where this request has the same. */
static bool same_id(struct fake_daemon *fake, const struct request *request)
{
    if (!fake->first_id[0])
        snprintf(fake->first_id, sizeof fake->first_id, "%.*s", (int)request->id.bytes.size, request->id.bytes.data);
    return text_equal(request->id.bytes, fake->first_id);
}

/* --- retries ------------------------------------------------------------------------------------------------------------ */

static bool silent_twice(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    if (!same_id(fake, request))
        fake->step = -1;
    return atomic_load(&fake->asked) > 2 && answer_with_number(reply, request, atomic_load(&fake->asked));
}

static void sends_again_under_the_same_id(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, silent_twice, 10000, 100);
    struct curated_reply *reply = ask(&fixture, "STATUS");
    assert_non_null(reply);
    assert_int_equal(curated_reply_integer(reply, "number", 0), 3);
    curated_reply_free(reply);
    stop(&fixture);
    assert_int_equal(fixture.fake.step, 0);
}

static bool always_silent(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    (void)fake, (void)request, (void)reply;
    return false;
}

static void gives_up_at_the_deadline(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, always_silent, 350, 100);
    assert_null(ask(&fixture, "STATUS"));
    assert_int_equal(fixture.error.code, CURATED_TIMED_OUT);
    assert_non_null(strstr(fixture.error.message, "did not answer"));
    stop(&fixture);
    assert_in_range(atomic_load(&fixture.fake.asked), 2, 5);
}

static void says_when_nothing_is_there(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, always_silent, 300, 100);
    fake_stop(&fixture.fake);
    assert_null(ask(&fixture, "STATUS"));
    assert_int_equal(fixture.error.code, CURATED_TIMED_OUT);
    assert_non_null(strstr(fixture.error.message, "nothing accepts connections at tcp://127.0.0.1:"));
    curated_close(fixture.client);
}

static void gives_up_early_when_told_to(void **state)
{
    (void)state;
    struct curated_error error;
    struct curated *client = curated_open(
        &(struct curated_options){.requests = "tcp://127.0.0.1:9", .timeout_ms = 60000, .connect_ms = 200, .attempt_ms = 50},
        &error);
    assert_non_null(client);
    assert_null(curated_status(client, NULL, &error));
    assert_int_equal(error.code, CURATED_TIMED_OUT);
    curated_close(client);
}

static bool busy_twice(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    if (!same_id(fake, request))
        fake->step = -1;
    return atomic_load(&fake->asked) <= 2 ? fake_refuse(request, reply, PROTOCOL_BUSY) : answer_with_number(reply, request, 7);
}

static bool always_busy(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    (void)fake;
    return fake_refuse(request, reply, PROTOCOL_BUSY);
}

static void waits_for_a_busy_daemon(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, busy_twice, 10000, 5000);
    struct curated_reply *reply = ask(&fixture, "STATUS");
    assert_non_null(reply);
    assert_int_equal(curated_reply_integer(reply, "number", 0), 7);
    curated_reply_free(reply);
    stop(&fixture);
    assert_int_equal(fixture.fake.step, 0);

    start(&fixture, always_busy, 200, 100);
    assert_null(ask(&fixture, "STATUS"));
    assert_int_equal(fixture.error.code, CURATED_BUSY);
    stop(&fixture);
}

static bool answers_another_first(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    (void)fake;
    static const struct request_id other = {{"another", 7}, true};
    if (atomic_load(&fake->asked) == 1) {
        reply_begin(reply, &other);
        writer_map_end(reply);
        return true;
    }
    return answer_with_number(reply, request, 1);
}

static void ignores_the_reply_to_another_request(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, answers_another_first, 5000, 100);
    struct curated_reply *reply = ask(&fixture, "STATUS");
    assert_non_null(reply);
    assert_int_equal(curated_reply_integer(reply, "number", 0), 1);
    curated_reply_free(reply);
    stop(&fixture);
}

/* --- replies ------------------------------------------------------------------------------------------------------------ */

static bool out_of_money(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    (void)fake;
    return fake_refuse(request, reply, PROTOCOL_BUDGET_EXHAUSTED);
}

static void carries_the_whole_error(void **state)
{
    (void)state;
    struct fixture fixture;
    struct curated_batch batch;
    start(&fixture, out_of_money, 5000, 5000);
    assert_false(curated_commit(fixture.client, "demo", &(struct curated_selection){.count = 1}, NULL, &batch, &fixture.error));
    assert_int_equal(fixture.error.code, CURATED_BUDGET_EXHAUSTED);
    assert_string_equal(fixture.error.field, "field");
    assert_string_equal(fixture.error.expected, "this");
    assert_string_equal(fixture.error.got, "that");
    assert_int_equal(fixture.error.available_microusd, 42);
    assert_string_equal(curated_code_word(fixture.error.code), "budget_exhausted");
    stop(&fixture);
}

/* Replies that are none, one after the other. */
static bool speaks_something_else(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    switch (atomic_load(&fake->asked)) {
    case 1: /* declares more than it has */
        writer_raw(reply, NULL, "\xdf\xff\xff\xff\xff", 5);
        return true;
    case 2:
        writer_raw(reply, NULL, "\x01", 1);
        return true;
    case 3: /* an error without an error */
        writer_map_begin(reply, NULL);
        writer_integer(reply, "v", 1);
        writer_text(reply, "id", request->id.bytes);
        writer_bool(reply, "ok", false);
        writer_map_end(reply);
        return true;
    default:
        writer_map_begin(reply, NULL);
        writer_integer(reply, "v", 2);
        writer_text(reply, "id", request->id.bytes);
        writer_bool(reply, "ok", true);
        writer_map_end(reply);
        return true;
    }
}

static void refuses_what_is_no_reply(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, speaks_something_else, 5000, 5000);
    for (int i = 0; i < 4; i++) {
        assert_null(ask(&fixture, "STATUS"));
        assert_int_equal(fixture.error.code, CURATED_BAD_REPLY);
    }
    stop(&fixture);
}

static void checks_its_arguments(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, always_silent, 100, 100);
    struct curated_error *error = &fixture.error;
    char id[66] = {0};
    memset(id, 'i', 65);
    assert_null(curated_call(fixture.client, &(struct curated_request){.operation = NULL}, error));
    assert_int_equal(error->code, CURATED_BAD_REQUEST);
    assert_null(curated_call(fixture.client, &(struct curated_request){.operation = "STATUS", .id = id}, error));
    assert_string_equal(error->field, "id");
    assert_null(curated_call(
        fixture.client, &(struct curated_request){.operation = "STATUS", .fields = "\x81", .fields_size = 1}, error));
    assert_int_equal(error->code, CURATED_BAD_REQUEST);
    assert_null(curated_call(fixture.client, &(struct curated_request){.operation = "STATUS", .frame_count = 16}, error));
    assert_string_equal(error->field, "frames");
    assert_false(curated_put_embeddings(fixture.client, "demo", "s", &(struct curated_rows){.width = 0}, error));
    assert_string_equal(error->field, "width");
    assert_null(curated_open(&(struct curated_options){.requests = "nonsense"}, error));
    assert_int_equal(error->code, CURATED_BAD_REQUEST);
    assert_string_equal(error->field, "requests");
    assert_null(curated_open(&(struct curated_options){.requests = "nonsense"}, NULL));
    stop(&fixture);
    assert_int_equal(atomic_load(&fixture.fake.asked), 0);
}

/* --- what trainers and workers call ------------------------------------------------------------------------------------- */

static bool take_samples(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    struct protocol_error error = {0};
    struct reader fields = request->fields;
    fields.error = &error;
    const struct sample_names names = reader_samples(&fields, false);
    if (request->operation != OPERATION_SAMPLE_PUT || error.code)
        return fake_refuse(request, reply, PROTOCOL_BAD_REQUEST);
    uint32_t *slots = calloc(names.count, sizeof *slots);
    for (size_t i = 0; i < names.count; i++)
        slots[i] = (uint32_t)(fake->rows_seen + i);
    fake->rows_seen += names.count;
    fake->step +=
        reader_has(&fields, "uris") + 10 * reader_has(&fields, "prices_microusd") + 100 * reader_has(&fields, "groups");
    reply_begin(reply, &request->id);
    writer_integer(reply, "created", (int64_t)names.count);
    writer_array(reply, "slots", ARRAY_U4, slots, names.count, 0);
    writer_map_end(reply);
    free(slots);
    return true;
}

static void splits_many_samples(void **state)
{
    (void)state;
    enum { COUNT = 120001 };
    struct fixture fixture;
    struct curated_sample *samples = calloc(COUNT, sizeof *samples);
    uint32_t *slots = calloc(COUNT, sizeof *slots);
    assert_non_null(samples);
    assert_non_null(slots);
    for (size_t i = 0; i < COUNT; i++)
        samples[i].key = "key";
    samples[COUNT - 1].uri = "file:///x";
    samples[COUNT - 1].price_microusd = 5;
    start(&fixture, take_samples, 20000, 20000);
    assert_true(curated_put_samples(fixture.client, "demo", samples, COUNT, slots, &fixture.error));
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(slots[i], i);
    stop(&fixture);
    assert_int_equal(atomic_load(&fixture.fake.asked), 3);
    assert_int_equal(fixture.fake.step, 11); /* the columns went with the part that has them */
    free(samples);
    free(slots);
}

static bool take_rows(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    struct protocol_error error = {0};
    struct reader fields = request->fields;
    fields.error = &error;
    if (request->operation == OPERATION_PRED_PUT) {
        const struct array rows = reader_array(&fields, "probs", ARRAY_FLOATS, 2);
        const struct sample_names names = reader_samples(&fields, true);
        float first;
        memcpy(&first, rows.data, sizeof first);
        if (names.kind != SAMPLES_FROM || names.from != fake->rows_seen || first != (float)fake->rows_seen)
            error.code = PROTOCOL_BAD_REQUEST;
        fake->rows_seen += rows.rows;
        fake->step += reader_bool(&fields, "activate") ? 1 : 0;
    }
    return error.code ? fake_refuse(request, reply, PROTOCOL_BAD_REQUEST) : answer_with_number(reply, request, 0);
}

static void splits_many_rows_and_activates_once(void **state)
{
    (void)state;
    enum { COUNT = 10000, WIDTH = 1000 };
    struct fixture fixture;
    float *data = calloc((size_t)COUNT * WIDTH, sizeof *data);
    assert_non_null(data);
    for (size_t i = 0; i < COUNT; i++)
        data[i * WIDTH] = (float)i;
    start(&fixture, take_rows, 20000, 20000);
    const struct curated_rows rows = {data, COUNT, WIDTH, NULL, 0};
    assert_true(curated_put_predictions(fixture.client, "demo", 1, &rows, true, &fixture.error));
    stop(&fixture);
    assert_int_equal(fixture.fake.rows_seen, COUNT);
    assert_int_equal(fixture.fake.step, 1);
    assert_int_equal(atomic_load(&fixture.fake.asked), 4); /* MODEL.BEGIN and three parts */
    free(data);
}

static bool hand_out(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    (void)fake;
    reply_begin(reply, &request->id);
    writer_list_begin(reply, "leases");
    for (int i = 0; i < 2; i++) {
        writer_map_begin(reply, NULL);
        writer_integer(reply, "lease", 10 + i);
        writer_integer(reply, "slot", i);
        writer_string(reply, "key", i ? "b.jpg" : "a.jpg");
        if (i)
            writer_string(reply, "uri", "file:///b.jpg");
        else
            writer_nil(reply, "uri");
        writer_integer(reply, "batch", 3);
        writer_integer(reply, "price_microusd", 80000);
        writer_integer(reply, "deadline_ms", 1700000000000);
        writer_map_end(reply);
    }
    writer_list_end(reply);
    writer_integer(reply, "waiting", 5);
    writer_map_end(reply);
    return true;
}

static void reads_leases(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, hand_out, 5000, 5000);
    struct curated_leases *leases = curated_lease(fixture.client, "demo", "w", 2, 0, &fixture.error);
    assert_non_null(leases);
    assert_int_equal(leases->count, 2);
    assert_int_equal(leases->waiting, 5);
    assert_string_equal(leases->items[0].key, "a.jpg");
    assert_string_equal(leases->items[0].uri, "");
    assert_string_equal(leases->items[1].uri, "file:///b.jpg");
    assert_int_equal(leases->items[1].lease, 11);
    assert_int_equal(leases->items[1].price_microusd, 80000);
    curated_leases_free(leases);
    stop(&fixture);
}

static bool give_labels(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    static const int64_t seqs[] = {4, 5}, times[] = {100, 200};
    static const uint32_t slots[] = {7, 8};
    static const int32_t labels[] = {0, -1};
    static const uint8_t settled[] = {1, 0};
    const size_t count = atomic_load(&fake->asked) == 1 ? 2 : 0;
    reply_begin(reply, &request->id);
    writer_array(reply, "seqs", ARRAY_I8, seqs, count, 0);
    writer_array(reply, "slots", ARRAY_U4, slots, count, 0);
    writer_array(reply, "labels", ARRAY_I4, labels, atomic_load(&fake->asked) == 3 ? 1 : count, 0);
    writer_array(reply, "settled", ARRAY_U1, settled, count, 0);
    writer_array(reply, "time_ms", ARRAY_I8, times, count, 0);
    writer_list_begin(reply, "keys");
    for (size_t i = 0; i < count; i++)
        writer_string(reply, NULL, i ? "second" : "first");
    writer_list_end(reply);
    writer_integer(reply, "next", 5);
    writer_bool(reply, "more", count > 0);
    writer_map_end(reply);
    return true;
}

static void reads_labels(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, give_labels, 5000, 5000);
    struct curated_labels *labels = curated_labels_since(fixture.client, "demo", 0, 0, &fixture.error);
    assert_non_null(labels);
    assert_int_equal(labels->count, 2);
    assert_int_equal(labels->seqs[1], 5);
    assert_int_equal(labels->slots[0], 7);
    assert_int_equal(labels->labels[1], -1);
    assert_int_equal(labels->settled[0], 1);
    assert_int_equal(labels->time_ms[1], 200);
    assert_string_equal(labels->keys[0], "first");
    assert_string_equal(labels->keys[1], "second");
    assert_int_equal(labels->next, 5);
    assert_true(labels->more);
    curated_labels_free(labels);
    labels = curated_labels_since(fixture.client, "demo", 5, 0, &fixture.error);
    assert_non_null(labels);
    assert_int_equal(labels->count, 0);
    curated_labels_free(labels);
    assert_null(curated_labels_since(fixture.client, "demo", 5, 0, &fixture.error)); /* columns of different lengths */
    assert_int_equal(fixture.error.code, CURATED_BAD_REPLY);
    stop(&fixture);
}

/* --- events ------------------------------------------------------------------------------------------------------------- */

static void write_event(struct writer *writer, int64_t seq, const char *kind)
{
    writer_map_begin(writer, NULL);
    writer_integer(writer, "seq", seq);
    writer_string(writer, "kind", kind);
    writer_map_end(writer);
}

/* A log that has five events at first, and eight later; two in a page. */
static bool give_events(struct fake_daemon *fake, const struct request *request, struct writer *reply)
{
    struct protocol_error error = {0};
    struct reader fields = request->fields;
    fields.error = &error;
    const int64_t since = reader_integer_or(&fields, "since", 0, 100, 0);
    const int64_t last = since < 5 && !fake->step ? 5 : 8;
    int64_t seq = since;
    reply_begin(reply, &request->id);
    writer_integer(reply, "event_seq", 5);
    writer_list_begin(reply, "events");
    for (int i = 0; i < 2 && seq < last; i++)
        write_event(reply, ++seq, "budget.granted");
    writer_list_end(reply);
    writer_integer(reply, "next", seq);
    writer_bool(reply, "more", seq < last);
    writer_map_end(reply);
    return true;
}

static void publish(struct fake_daemon *fake, int64_t seq, const char *kind)
{
    struct writer writer;
    writer_init(&writer);
    write_event(&writer, seq, kind);
    const struct text map = writer_finish(&writer);
    zmq_send(fake->events, "demo/x", 6, ZMQ_SNDMORE);
    zmq_send(fake->events, map.data, map.size, 0);
    writer_deinit(&writer);
}

static int64_t next_seq(struct curated_events *events, int64_t timeout_ms)
{
    struct curated_error error;
    const msgpack_object_map *event = curated_events_next(events, timeout_ms, &error);
    assert_int_equal(error.code, CURATED_OK);
    return event ? (int64_t)event->ptr[0].val.via.u64 : -1;
}

static void replays_what_was_missed(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, give_events, 5000, 5000);
    struct curated_events *events = curated_events_open(fixture.client, "demo", 1, &fixture.error);
    assert_non_null(events);
    for (int64_t seq = 2; seq <= 5; seq++)
        assert_int_equal(next_seq(events, 1000), seq);
    while (atomic_load(&fixture.fake.subscriptions) < 1)
        zmq_poll(NULL, 0, 5);
    /* The XPUB belongs to the daemon's thread; from here on nobody subscribes, and this thread may use it. */
    atomic_store(&fixture.fake.stop, true);
    pthread_join(fixture.fake.thread, NULL);
    atomic_store(&fixture.fake.stop, false);
    publish(&fixture.fake, 5, "hello"); /* nothing new */
    publish(&fixture.fake, 4, "late");  /* old */
    publish(&fixture.fake, 6, "label.accepted");
    publish(&fixture.fake, 8, "label.accepted"); /* 7 got lost */
    assert_int_equal(next_seq(events, 1000), 6);
    fixture.fake.step = 1;
    pthread_create(&fixture.fake.thread, NULL, fake_run, &fixture.fake);
    assert_int_equal(next_seq(events, 1000), 7);
    assert_int_equal(next_seq(events, 1000), 8);
    assert_int_equal(next_seq(events, 50), -1);
    curated_events_close(events);
    stop(&fixture);
}

static void starts_from_now(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, give_events, 5000, 5000);
    fixture.fake.step = 1;
    struct curated_events *events = curated_events_open(fixture.client, "demo", -1, &fixture.error);
    assert_non_null(events);
    assert_int_equal(next_seq(events, 1000), 6);
    curated_events_close(events);
    stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_again_under_the_same_id),
        cmocka_unit_test(gives_up_at_the_deadline),
        cmocka_unit_test(says_when_nothing_is_there),
        cmocka_unit_test(gives_up_early_when_told_to),
        cmocka_unit_test(waits_for_a_busy_daemon),
        cmocka_unit_test(ignores_the_reply_to_another_request),
        cmocka_unit_test(carries_the_whole_error),
        cmocka_unit_test(refuses_what_is_no_reply),
        cmocka_unit_test(checks_its_arguments),
        cmocka_unit_test(splits_many_samples),
        cmocka_unit_test(splits_many_rows_and_activates_once),
        cmocka_unit_test(reads_leases),
        cmocka_unit_test(reads_labels),
        cmocka_unit_test(replays_what_was_missed),
        cmocka_unit_test(starts_from_now),
    };
    return cmocka_run_group_tests_name("clients/c", tests, NULL, NULL);
}
