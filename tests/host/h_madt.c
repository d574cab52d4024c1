/* SPDX-License-Identifier: BSD-2-Clause */
/* The count of processors: what is enabled counts, and a broken table ends the walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/madt.h"

static u32 ids[8];

/* Counts in a copy of exactly this size, so that the sanitizer sees a read beyond it. */
static u32 count(const u8 *entries, u32 size, const char *signature)
{
    u8 *table = calloc(1, 44 + size);
    memcpy(table, signature, 4);
    memcpy(table + 44, entries, size);
    u32 few[1] = {0}, n = madt_processors(table, 44 + size, ids, 8);
    assert_int_equal(madt_processors(table, 44 + size, few, 1), n);
    assert_int_equal(few[0], ids[0]);
    free(table);
    return n;
}

static void test_count(void **state)
{
    (void)state;
    static const u8 entries[] = {
        0, 8,  0, 0, 1, 0, 0, 0,                         /* enabled */
        1, 12, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,             /* an I/O APIC */
        0, 8,  1, 1, 0, 0, 0, 0,                         /* not there */
        0, 8,  1, 1, 2, 0, 0, 0,                         /* could come later: not there */
        9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, /* enabled, x2APIC */
        9, 16, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 0, 0, 0, /* not there */
        0, 8,  2, 2, 1, 0, 0, 0,                         /* enabled */
    };
    assert_int_equal(count(entries, sizeof entries, "APIC"), 3);
    assert_int_equal(ids[0], 0);
    assert_int_equal(ids[1], 0x100);
    assert_int_equal(ids[2], 2);
    assert_int_equal(count(entries, sizeof entries, "APIX"), 0);
    assert_int_equal(count(entries, 8, "APIC"), 1);
    assert_int_equal(count(entries, 0, "APIC"), 0);
}

static void test_broken(void **state)
{
    (void)state;
    static const u8 zero_length[] = {0, 8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8, 0, 0, 1, 0, 0, 0};
    static const u8 too_long[] = {0, 8, 0, 0, 1, 0, 0, 0, 0, 9, 0, 0, 1, 0, 0, 0};
    static const u8 too_short[] = {0, 4, 0, 0, 9, 8, 0, 0, 0, 0, 0, 0, 1, 2};
    assert_int_equal(count(zero_length, sizeof zero_length, "APIC"), 1);
    assert_int_equal(count(too_long, sizeof too_long, "APIC"), 1);
    assert_int_equal(count(too_short, sizeof too_short, "APIC"), 0);
    assert_int_equal(count(too_long, 9, "APIC"), 1); /* half an entry's head */
    assert_int_equal(madt_processors((const u8 *)"APIC", 4, ids, 8), 0);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_count),
                                       cmocka_unit_test(test_broken)};
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
