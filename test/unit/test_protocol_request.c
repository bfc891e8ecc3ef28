/* The envelope of requests and replies, and the tables behind it. */
#include "test/unit/tests.h"

#include "protocol/request.h"
#include "protocol/scan.h"

#include <msgpack.h>
#include <string.h>

struct fixture {
    msgpack_zone zone;
    struct writer writer;
    struct request request;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture || !msgpack_zone_init(&fixture->zone, 4096))
        return -1;
    writer_init(&fixture->writer);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    writer_deinit(&fixture->writer);
    msgpack_zone_destroy(&fixture->zone);
    free(fixture);
    return 0;
}

/* Decodes {v: 1, id: "7", op, project}; NULL leaves a field out. */
static bool decode(struct fixture *fixture, const char *op, const char *project)
{
    struct writer *writer = &fixture->writer;
    writer_reset(writer);
    writer_map_begin(writer, NULL);
    writer_integer(writer, "v", 1);
    writer_string(writer, "id", "7");
    if (op)
        writer_string(writer, "op", op);
    if (project)
        writer_string(writer, "project", project);
    writer_integer(writer, "unknown", 9);
    writer_map_end(writer);
    const struct text message = writer_finish(writer);
    const struct frame frame = {message.data, message.size};
    return request_decode(&fixture->request, &frame, 1, &fixture->zone);
}

static bool decode_bytes(struct fixture *fixture, const char *bytes, size_t size)
{
    const struct frame frame = {bytes, size};
    return request_decode(&fixture->request, &frame, 1, &fixture->zone);
}

static void assert_refused(struct fixture *fixture, const char *field)
{
    assert_int_equal(fixture->request.error.code, PROTOCOL_BAD_REQUEST);
    assert_string_equal(fixture->request.error.field, field);
}

static void decodes_every_operation(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < OPERATION_COUNT; i++) {
        const enum operation operation = (enum operation)i;
        assert_true(decode(fixture, operation_name(operation), "demo"));
        assert_int_equal(fixture->request.operation, operation);
        assert_true(text_equal(fixture->request.id.bytes, "7"));
        assert_true(fixture->request.id.is_text);
        assert_true(text_equal(fixture->request.project, operation_scope(operation) == SCOPE_DAEMON ? "" : "demo"));
        assert_int_equal(reader_integer(&fixture->request.fields, "unknown", 0, 10), 9);
    }
}

static void asks_for_the_project_where_it_is_needed(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < OPERATION_COUNT; i++) {
        const enum operation operation = (enum operation)i;
        const bool needed = operation_scope(operation) == SCOPE_PROJECT;
        assert_int_equal(decode(fixture, operation_name(operation), NULL), !needed);
        if (needed)
            assert_refused(fixture, "project");
    }
    static const char *const bad[] = {
        "", "a b", "ä", "a/b", "x1234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(decode(fixture, "STATUS", bad[i]));
        assert_refused(fixture, "project");
    }
    assert_true(decode(fixture, "STATUS", "A-Za.z_0-9"));
}

static void refuses_other_operations_but_keeps_the_id(void **state)
{
    struct fixture *fixture = *state;
    assert_false(decode(fixture, "status", NULL));
    assert_refused(fixture, "op");
    assert_true(text_equal(fixture->request.id.bytes, "7"));
    assert_false(decode(fixture, "STATUS.", NULL));
    assert_refused(fixture, "op");
    assert_false(decode(fixture, NULL, NULL));
    assert_refused(fixture, "op");
}

static void checks_version_and_id(void **state)
{
    struct fixture *fixture = *state;
    assert_false(decode_bytes(fixture, "\x82\xa2id\xa1x\xa1v\x02", 9));
    assert_refused(fixture, "v");
    assert_true(text_equal(fixture->request.id.bytes, "x"));
    assert_false(decode_bytes(fixture, "\x81\xa1v\x01", 4));
    assert_refused(fixture, "id");
    assert_int_equal(fixture->request.id.bytes.size, 0);
    assert_false(decode_bytes(fixture, "\x82\xa1v\x01\xa2id\xa0", 8)); /* empty */
    assert_refused(fixture, "id");
    assert_false(decode_bytes(fixture, "\x82\xa1v\x01\xa2id\x07", 8)); /* an int */
    assert_refused(fixture, "id");

    struct writer *writer = &fixture->writer;
    char id[REQUEST_ID_MAX + 1];
    memset(id, 0xfe, sizeof id);
    for (size_t size = REQUEST_ID_MAX; size <= REQUEST_ID_MAX + 1; size++) {
        writer_reset(writer);
        writer_map_begin(writer, NULL);
        writer_integer(writer, "v", 1);
        writer_bytes(writer, "id", id, size);
        writer_string(writer, "op", "STATUS");
        writer_map_end(writer);
        const struct text message = writer_finish(writer);
        assert_int_equal(decode_bytes(fixture, message.data, message.size), size <= REQUEST_ID_MAX);
        assert_false(fixture->request.id.is_text);
    }
}

static void refuses_broken_messages(void **state)
{
    struct fixture *fixture = *state;
    const struct frame many[REQUEST_FRAMES_MAX + 1] = {{"\x80", 1}};
    assert_false(request_decode(&fixture->request, many, 0, &fixture->zone));
    assert_refused(fixture, "message");
    assert_false(request_decode(&fixture->request, many, REQUEST_FRAMES_MAX + 1, &fixture->zone));
    assert_refused(fixture, "message");
    assert_false(decode_bytes(fixture, "", 0));
    assert_refused(fixture, "message");
    assert_false(decode_bytes(fixture, "\xdf\xff\xff\xff\xff", 5));
    assert_refused(fixture, "message");
    assert_int_equal(fixture->request.id.bytes.size, 0);
}

static msgpack_object_map unpack_reply(struct fixture *fixture)
{
    const struct text message = writer_finish(&fixture->writer);
    struct protocol_error error = {0};
    assert_non_null(message.data);
    assert_true(scan_map(message.data, message.size, &error));
    msgpack_object object;
    size_t offset = 0;
    assert_int_equal(msgpack_unpack(message.data, message.size, &offset, &fixture->zone, &object), MSGPACK_UNPACK_SUCCESS);
    return object.via.map;
}

static void writes_replies(void **state)
{
    struct fixture *fixture = *state;
    struct protocol_error none = {0};
    const struct request_id text = {{"seven", 5}, true};
    reply_begin(&fixture->writer, &text);
    writer_integer(&fixture->writer, "batch", 3);
    writer_map_end(&fixture->writer);
    msgpack_object_map map = unpack_reply(fixture);
    struct reader reader = {&map, NULL, 0, &none};
    assert_int_equal(reader_integer(&reader, "v", 1, 1), 1);
    assert_true(text_equal(reader_text(&reader, "id", 1, 64), "seven"));
    assert_true(reader_bool(&reader, "ok"));
    assert_int_equal(reader_integer(&reader, "batch", 0, 10), 3);
    assert_int_equal(none.code, PROTOCOL_OK);
}

static void writes_errors(void **state)
{
    struct fixture *fixture = *state;
    struct protocol_error none = {0}, error = {0};
    protocol_fail(&error, PROTOCOL_BUDGET_EXHAUSTED, "budget_microusd", "at most %d", "%d", 7);
    error.available_microusd = -5;
    const struct request_id id = {{"\xff\x00", 2}, false};
    reply_error(&fixture->writer, &id, &error);
    msgpack_object_map map = unpack_reply(fixture);
    struct reader reader = {&map, NULL, 0, &none};
    assert_false(reader_bool(&reader, "ok"));
    assert_int_equal(reader_find(&reader, "id")->type, MSGPACK_OBJECT_BIN);
    struct reader inner = {reader_map(&reader, "error"), NULL, 0, &none};
    assert_true(text_equal(reader_text(&inner, "code", 1, 64), "budget_exhausted"));
    assert_true(text_equal(reader_text(&inner, "field", 1, 64), "budget_microusd"));
    assert_true(text_equal(reader_text(&inner, "expected", 1, 64), "at most %d")); /* `expected` is no format */
    assert_true(text_equal(reader_text(&inner, "got", 1, 64), "7"));
    assert_int_equal(reader_integer(&inner, "available_microusd", -100, 100), -5);
    assert_int_equal(none.code, PROTOCOL_OK);
}

static void keeps_the_first_error_and_only_printable_text(void **state)
{
    (void)state;
    struct protocol_error error = {0};
    assert_false(protocol_fail(&error, PROTOCOL_CONFLICT, "first", "this", "%s", "\xff\n\x1b[2J"));
    assert_false(protocol_fail(&error, PROTOCOL_INTERNAL, "second", "", "other"));
    assert_int_equal(error.code, PROTOCOL_CONFLICT);
    assert_string_equal(error.field, "first");
    assert_string_equal(error.got, "???[2J");
    assert_string_equal(error.message, "the request contradicts what exists: first: expected this, got ???[2J");

    struct protocol_error cut = {0};
    char long_text[2000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    protocol_fail(&cut, PROTOCOL_BAD_REQUEST, long_text, long_text, "%s", long_text);
    assert_int_equal(strlen(cut.field), sizeof cut.field - 1);
    assert_int_equal(strlen(cut.got), sizeof cut.got - 1);
    assert_true(strlen(cut.message) < sizeof cut.message);
}

static void codes_have_words(void **state)
{
    (void)state;
    for (int i = 0; i < PROTOCOL_CODES; i++) {
        const char *word = protocol_code_word((enum protocol_code)i);
        assert_int_equal(protocol_code_parse(word, (uint32_t)strlen(word)), i);
        assert_true(strlen(protocol_code_text((enum protocol_code)i)) > 0);
    }
    assert_int_equal(protocol_code_parse("no such word", 12), PROTOCOL_INTERNAL);
    assert_int_equal(protocol_code_parse("busy!", 4), PROTOCOL_BUSY);
    assert_int_equal(protocol_code_parse("bus", 3), PROTOCOL_INTERNAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(decodes_every_operation),
        TEST(asks_for_the_project_where_it_is_needed),
        TEST(refuses_other_operations_but_keeps_the_id),
        TEST(checks_version_and_id),
        TEST(refuses_broken_messages),
        TEST(writes_replies),
        TEST(writes_errors),
        TEST(keeps_the_first_error_and_only_printable_text),
        TEST(codes_have_words),
    };
    return cmocka_run_group_tests_name("protocol/request", tests, NULL, NULL);
}
