/* Half floats: every one of them, against its definition. */
#include "test/unit/tests.h"

#include "selector/half.h"

#include <math.h>

/* From the definition: sign, five bits of exponent with bias 15, ten of fraction. */
static double value_of(uint16_t half)
{
    const int exponent = half >> 10 & 31;
    const double fraction = half & 1023;
    const double sign = half & 0x8000 ? -1 : 1;
    if (exponent == 31)
        return fraction > 0 ? NAN : sign * INFINITY;
    return sign * (exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25));
}

static void every_half_reads_as_defined(void **state)
{
    (void)state;
    for (uint32_t half = 0; half <= UINT16_MAX; half++) {
        const double expected = value_of((uint16_t)half);
        const float read = half_to_float((uint16_t)half);
        if (isnan(expected)) {
            assert_true(isnan(read));
            continue;
        }
        assert_true((double)read == expected);
        assert_int_equal(!!signbit(read), half >> 15);
    }
}

static void every_probability_comes_back(void **state)
{
    (void)state;
    for (uint16_t half = 0; half <= 0x3c00; half++) /* 0 to 1 */
        assert_int_equal(half_of_probability(half_to_float(half)), half);
}

/* Just between two halves, and a hair to either side: the even one, or the nearer. */
static void rounds_to_the_nearest_ties_to_even(void **state)
{
    (void)state;
    for (uint16_t half = 0; half < 0x3c00; half++) {
        const float middle = (float)((value_of(half) + value_of((uint16_t)(half + 1))) / 2); /* exact: one more bit */
        assert_int_equal(half_of_probability(middle), half % 2 == 0 ? half : half + 1);
        assert_int_equal(half_of_probability(nextafterf(middle, 0)), half);
        assert_int_equal(half_of_probability(nextafterf(middle, 1)), half + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_reads_as_defined),
        cmocka_unit_test(every_probability_comes_back),
        cmocka_unit_test(rounds_to_the_nearest_ties_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
