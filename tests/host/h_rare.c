/* SPDX-License-Identifier: BSD-2-Clause */
/* How many lines a guest can make L0 write (hv/arch/rare.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "hv/arch/rare.h"

static void test_first(void **state)
{
    (void)state;
    for (u64 n = 1; n <= 8; n++)
        assert_true(rare_is_told(n, 8));
    assert_false(rare_is_told(9, 8));
    assert_true(rare_is_told(16, 8));
    assert_false(rare_is_told(17, 8));
    assert_false(rare_is_told(~0ull, 8));
    assert_true(rare_is_told(1ull << 63, 8));
}

/* Counted over ten million, and bounded for ever. */
static void test_bound(void **state)
{
    u64 told = 0;
    (void)state;
    for (u64 n = 1; n <= 10000000; n++)
        told += rare_is_told(n, 8);
    assert_int_equal(told, 8 + 20); /* 16, 32, ... 2 to the 23rd */
    told = 0;
    for (u32 bit = 0; bit < 64; bit++)
        for (u64 near = 0; near < 3; near++)
            told += rare_is_told((1ull << bit) + near, 0);
    assert_int_equal(told, 64 + 2); /* 1 + 1 = 2 and 2 + 2 = 4 are told twice */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_first), cmocka_unit_test(test_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
