/* SPDX-License-Identifier: BSD-2-Clause */
/* The dry run's sum of EPT01's leaves, on tables that are written here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "boot/ept01.h"

enum { RWX = 7, WB = 6 << 3, UC = 0, WC = 1 << 3, LARGE = 1 << 7, EPTP = 3 << 3 | 6 };
#define GIB (1ull << 30)
#define MIB (1ull << 20)

static u64 table[4][512] __attribute__((aligned(4096)));

static u64 at(u32 i)
{
    return (u64)table[i];
}

/* One leaf of 1 GiB, two of 2 MiB, three of 4 KiB, the last of them at another page. */
static void build(void)
{
    memset(table, 0, sizeof table);
    table[0][0] = at(1) | RWX;
    table[1][0] = at(2) | RWX;
    table[1][3] = 3 * GIB | RWX | WB | LARGE;
    table[2][0] = at(3) | RWX;
    table[2][1] = 2 * MIB | RWX | WB | LARGE;
    table[2][511] = 1022 * MIB | RWX | UC | LARGE;
    table[3][0] = RWX | WB;
    table[3][1] = 0x1000 | RWX | WC;
    table[3][511] = 0x5000 | RWX | WB;
}

static void expect(const struct ept01_sum *s, u32 type, const char *text)
{
    struct line l;
    line_clear(&l);
    assert_int_equal(ept01_describe(s, type, &l), text[0] != 0);
    assert_string_equal(l.text, text);
}

static void test_sum(void **state)
{
    struct ept01_sum s = {0};
    (void)state;
    build();
    ept01_add(&s, at(0) | EPTP);
    assert_int_equal(s.tables, 4);
    assert_int_equal(s.elsewhere, 1);
    expect(&s, 6, "WB 1G 1 2M 1 4K 2");
    expect(&s, 0, "UC 1G 0 2M 1 4K 0");
    expect(&s, 1, "WC 1G 0 2M 0 4K 1");
    expect(&s, 4, "");
}

/* Large leaves that lead elsewhere, an empty tree, and types that no MTRR has. */
static void test_odd(void **state)
{
    struct ept01_sum s = {0};
    (void)state;
    build();
    table[1][3] = 2 * GIB | RWX | WB | LARGE;
    table[2][1] = 4 * MIB | RWX | 7 << 3 | LARGE;
    table[3][2] = 0x2000 | RWX | 4 << 3;
    table[3][3] = 0x3000 | RWX | 5 << 3;
    ept01_add(&s, at(0));
    assert_int_equal(s.elsewhere, 3);
    expect(&s, 7, "reserved 1G 0 2M 1 4K 0");
    expect(&s, 4, "WT 1G 0 2M 0 4K 1");
    expect(&s, 5, "WP 1G 0 2M 0 4K 1");
    memset(table[0], 0, sizeof table[0]);
    memset(&s, 0, sizeof s);
    ept01_add(&s, at(0));
    assert_int_equal(s.tables, 1);
    expect(&s, 6, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum),
        cmocka_unit_test(test_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
