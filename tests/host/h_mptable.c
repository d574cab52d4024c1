/* SPDX-License-Identifier: BSD-2-Clause */
/* The MP table: the pointer structure in memory, enabled processors, and tables that are broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/mptable.h"

static u32 ids[8];

static void set_sum(u8 *at, u32 size, u32 where)
{
    u8 sum = 0;
    at[where] = 0;
    for (u32 i = 0; i < size; i++)
        sum = (u8)(sum + at[i]);
    at[where] = (u8)-sum;
}

/* Counts in a copy of exactly this size, so that the sanitizer sees a read beyond it. */
static u32 count(const u8 *entries, u32 size, u32 number, bool right_sum)
{
    u8 *table = calloc(1, 44 + size);
    memcpy(table, "PCMP", 4);
    table[4] = (u8)(44 + size);
    table[34] = (u8)number;
    memcpy(table + 44, entries, size);
    set_sum(table, 44 + size, 7);
    table[7] = (u8)(table[7] + !right_sum);
    u32 n = mptable_processors(table, 44 + size, ids, 8);
    free(table);
    return n;
}

#define CPU(id, flags) 0, id, 0x14, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define BUS            1, 0, 'I', 'S', 'A', ' ', ' ', ' '

static void test_count(void **state)
{
    (void)state;
    static const u8 table[] = {CPU(0, 3), CPU(2, 1), CPU(4, 0), CPU(6, 1), BUS};
    assert_int_equal(count(table, sizeof table, 5, true), 3);
    assert_int_equal(ids[0], 0);
    assert_int_equal(ids[1], 2);
    assert_int_equal(ids[2], 6);
    assert_int_equal(count(table, sizeof table, 2, true), 2);
    assert_int_equal(count(table, sizeof table, 200, true), 3);
    assert_int_equal(count(table, sizeof table, 5, false), 0);
}

static void test_broken(void **state)
{
    (void)state;
    static const u8 cut[] = {CPU(0, 1), 0, 1, 0x14}, odd[] = {CPU(0, 1), 9, 1, 1, 1, 1, 1, 1, 1};
    u8 *table = calloc(1, 44);
    assert_int_equal(count(cut, sizeof cut, 2, true), 1);
    assert_int_equal(count(odd, sizeof odd, 2, true), 1);
    memcpy(table, "PCMP", 4);
    table[4] = 200; /* longer than what is there */
    assert_int_equal(mptable_processors(table, 44, ids, 8), 0);
    table[4] = 43;
    assert_int_equal(mptable_processors(table, 44, ids, 8), 0);
    assert_int_equal(mptable_processors(table, 10, ids, 8), 0);
    free(table);
}

static void test_find(void **state)
{
    (void)state;
    u8 memory[64] = {0};
    memcpy(memory + 32, "_MP_", 4);
    memory[36] = 0x40;
    memory[37] = 0x12;
    memory[40] = 1;
    memory[41] = 4;
    set_sum(memory + 32, 16, 10);
    assert_int_equal(mptable_find(memory, sizeof memory), 0x1240);
    assert_int_equal(mptable_find(memory, 47), 0);
    memory[43] = 5; /* a default configuration */
    set_sum(memory + 32, 16, 10);
    assert_int_equal(mptable_find(memory, sizeof memory), 0);
    memory[43] = 0;
    assert_int_equal(mptable_find(memory, sizeof memory), 0); /* the sum is wrong */
    memmove(memory + 24, memory + 32, 16);
    assert_int_equal(mptable_find(memory, sizeof memory), 0); /* not on 16 bytes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
