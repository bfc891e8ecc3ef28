/* What people type and read: amounts, times, files. */
#include "test/unit/tests.h"

#include "clients/curatectl/lines.h"
#include "clients/curatectl/units.h"

#include <string.h>

static void parses_exact_dollars(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t microusd;
    } good[] = {{"0", 0}, {"12", 12000000}, {"0.08", 80000}, {".5", 500000}, {"5.", 5000000}, {"$1.25", 1250000},
        {"-0.5", -500000}, {"-$3", -3000000}, {"+1", 1000000}, {"0.000001", 1}, {"0.1", 100000},
        {"9223372036854.775807", INT64_MAX}};
    static const char *const bad[] = {"", "-", "$", ".", "1.2345678", "0.0000001", "1,5", "1e3", "1 ", " 1", "abc", "1.2.3",
        "--1", "9223372036854.775808", "99999999999999999999", "0x10", "nan"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t microusd = 1;
        assert_true(units_parse_money(good[i].text, &microusd));
        assert_int_equal(microusd, good[i].microusd);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t microusd;
        if (units_parse_money(bad[i], &microusd))
            fail_msg("'%s' passed as an amount", bad[i]);
    }
}

static void prints_exact_dollars(void **state)
{
    (void)state;
    const struct {
        int64_t microusd;
        const char *text;
    } cases[] = {{0, "0.00"}, {80000, "0.08"}, {12000000, "12.00"}, {1, "0.000001"}, {-500000, "-0.50"}, {1234567, "1.234567"},
        {100, "0.0001"}, {INT64_MAX, "9223372036854.775807"}, {INT64_MIN, "-9223372036854.775808"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[UNITS_MONEY_SIZE];
        assert_string_equal(units_money(cases[i].microusd, text), cases[i].text);
    }
}

static void money_survives_both_ways(void **state)
{
    (void)state;
    uint64_t random = random_seed(__func__);
    for (int i = 0; i < 10000; i++) {
        char text[UNITS_MONEY_SIZE];
        const int64_t microusd = (int64_t)(random_next(&random) >> (random_next(&random) % 63 + 1));
        int64_t back;
        assert_true(units_parse_money(units_money(microusd, text), &back));
        assert_int_equal(back, microusd);
    }
}

static void parses_times_and_numbers(void **state)
{
    (void)state;
    int64_t value;
    assert_true(units_parse_duration("500ms", &value));
    assert_int_equal(value, 500);
    assert_true(units_parse_duration("30", &value));
    assert_int_equal(value, 30000);
    assert_true(units_parse_duration("2h", &value));
    assert_int_equal(value, 7200000);
    assert_false(units_parse_duration("", &value));
    assert_false(units_parse_duration("-5s", &value));
    assert_false(units_parse_duration("5 s", &value));
    assert_false(units_parse_duration("9223372036854775807d", &value));
    assert_true(units_parse_integer("-7", &value));
    assert_int_equal(value, -7);
    assert_false(units_parse_integer("7x", &value));
    assert_false(units_parse_integer("", &value));
    assert_false(units_parse_integer(" 7", &value));
    assert_false(units_parse_integer("9223372036854775808", &value));
}

/* Reads rows from text. The caller closes both. */
static FILE *open_text(const char *text)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fputs(text, file);
    rewind(file);
    return file;
}

static void reads_comma_separated_values(void **state)
{
    (void)state;
    FILE *file = open_text("a,b\r\n\n\"with, comma\",\"a \"\"quote\"\"\"\n\"two\nlines\",\n,\nlast,one");
    struct csv_row row = {0};
    static const char *const expected[][2] = {
        {"a", "b"}, {"with, comma", "a \"quote\""}, {"two\nlines", ""}, {"", ""}, {"last", "one"}};
    static const size_t lines[] = {1, 3, 4, 6, 7};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(csv_read(file, &row), CSV_ROW);
        assert_int_equal(row.count, 2);
        assert_string_equal(row.fields[0], expected[i][0]);
        assert_string_equal(row.fields[1], expected[i][1]);
        assert_int_equal(row.line, lines[i]);
    }
    assert_int_equal(csv_read(file, &row), CSV_END);
    csv_free(&row);
    fclose(file);
}

static void refuses_broken_values(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"open,b\n", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n"};
    for (size_t i = 0; i < 2; i++) {
        FILE *file = open_text(bad[i]);
        struct csv_row row = {0};
        assert_int_equal(csv_read(file, &row), CSV_BAD);
        csv_free(&row);
        fclose(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_exact_dollars),
        cmocka_unit_test(prints_exact_dollars),
        cmocka_unit_test(money_survives_both_ways),
        cmocka_unit_test(parses_times_and_numbers),
        cmocka_unit_test(reads_comma_separated_values),
        cmocka_unit_test(refuses_broken_values),
    };
    return cmocka_run_group_tests_name("clients/curatectl", tests, NULL, NULL);
}
