/* SPDX-License-Identifier: BSD-2-Clause */
/* The debugger's breakpoints: which are taken, and the debug registers that they become. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "hv/arch/cpu.h"
#include "hv/wire/breakpoints.h"

static struct gdb_breakpoint set[GDB_BREAKPOINTS];

static struct gdb_command asks(enum gdb_kind kind, u32 type, u64 address, u64 length)
{
    return (struct gdb_command){.kind = kind, .type = type, .address = address, .length = length};
}

static bool insert(u32 level, u32 type, u64 address, u64 length)
{
    struct gdb_command c = asks(GDB_INSERT, type, address, length);
    return breakpoints_change(set, level, &c);
}

static bool take(u32 type, u64 address)
{
    struct gdb_command c = asks(GDB_REMOVE, type, address, 1);
    return breakpoints_change(set, 1, &c);
}

static u32 used(void)
{
    u32 n = 0;
    for (u32 i = 0; i < GDB_BREAKPOINTS; i++)
        n += set[i].used;
    return n;
}

static int empty(void **state)
{
    (void)state;
    memset(set, 0, sizeof set);
    return 0;
}

/* Every type with every length that a debugger could name, at every alignment. */
static void test_what_is_taken(void **state)
{
    for (u32 type = 0; type <= 4; type++)
        for (u64 length = 0; length <= 300; length++)
            for (u64 at = 0x1000; at < 0x1010; at++) {
                bool size = length == 1 || length == 2 || length == 4 || length == 8;
                bool wanted = type < 2 || (size && at % length == 0);
                empty(state);
                assert_int_equal(insert(1, type, at, length), wanted);
                assert_int_equal(used(), wanted);
            }
    assert_false(insert(1, 2, 0x1000, BIT(32) + 1)); /* a length of 1 in its low half */
    assert_false(insert(0, 0, 0x1000, 1));           /* no level to stop in */
}

static void test_places(void **state)
{
    (void)state;
    for (u64 i = 0; i < GDB_BREAKPOINTS; i++)
        assert_true(insert(1, 0, 0x1000 + i, 1));
    assert_false(insert(1, 0, 0x2000, 1));
    assert_true(insert(2, 0, 0x1002, 1)); /* the same again takes its own place, and a new level */
    assert_int_equal(set[2].level, 2);
    assert_true(take(0, 0x2000)); /* what was never set is gone too */
    assert_true(take(2, 0x1001)); /* and so is one of another type */
    assert_int_equal(used(), GDB_BREAKPOINTS);
    assert_true(take(0, 0x1001));
    assert_false(breakpoints_at(set, 0x1001));
    assert_true(insert(1, 2, 0x3000, 4));
    assert_int_equal(set[1].address, 0x3000);
    assert_true(take(0, 0x1000));
    assert_true(insert(1, 2, 0x3000, 8)); /* it is behind a free place, and stays one */
    assert_int_equal(used(), 3);
    assert_int_equal(set[1].length, 8);
}

/* SDM 3B 18.2.4 "Debug Control Register (DR7)": G0 to G3 are bits 1, 3, 5, 7; R/W and LEN of
 * register i are bits 17:16 and 19:18, shifted by 4 i. */
static void test_dr7(void **state)
{
    static const u32 rw[] = {0, 0, 1, 3, 3};
    static const u32 len[] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2};
    for (u32 at = 0; at < GDB_BREAKPOINTS; at++)
        for (u32 type = 0; type <= 4; type++)
            for (u32 length = 1; length <= 8; length *= 2) {
                u64 dr[GDB_BREAKPOINTS], wanted = DR7_RESET | 2ull << 2 * at;
                empty(state);
                set[at] = (struct gdb_breakpoint){true, 2, type, length, 0xffff800000001000, false};
                wanted |= (u64)(rw[type] | (type < 2 ? 0 : len[length]) << 2) << (16 + 4 * at);
                assert_int_equal(breakpoints_registers(set, 2, 0, dr), wanted);
                for (u32 i = 0; i < GDB_BREAKPOINTS; i++)
                    assert_int_equal(dr[i], i == at ? 0xffff800000001000 : 0);
                assert_int_equal(breakpoints_registers(set, 1, 0, dr), DR7_RESET);
                assert_int_equal(breakpoints_registers(set, 0, 0, dr), DR7_RESET);
                assert_int_equal(dr[at], 0);
            }
}

/* A step's end takes the last register, whoever had it, in any level. */
static void test_target(void **state)
{
    (void)state;
    u64 dr[GDB_BREAKPOINTS];
    for (u64 i = 0; i < GDB_BREAKPOINTS; i++)
        assert_true(insert(1, 2, 0x1000 * (i + 1), 8));
    assert_int_equal(breakpoints_registers(set, 1, 0, dr), DR7_RESET | 0x999900aa);
    assert_int_equal(dr[3], 0x4000);
    assert_int_equal(breakpoints_registers(set, 1, 0x1234, dr), DR7_RESET | 0x099900aa);
    assert_int_equal(dr[2], 0x3000);
    assert_int_equal(dr[3], 0x1234);
    assert_int_equal(breakpoints_registers(set, 2, 0x1234, dr), DR7_RESET | 0x80);
    assert_int_equal(dr[0], 0);
}

static void test_at(void **state)
{
    for (u32 at = 0; at < GDB_BREAKPOINTS; at++)
        for (u32 type = 0; type <= 4; type++) {
            empty(state);
            set[at] = (struct gdb_breakpoint){true, 1, type, 1, 0x1000, false};
            assert_int_equal(breakpoints_at(set, 0x1000), type < 2);
            assert_false(breakpoints_at(set, 0x1001));
            assert_false(breakpoints_at(set, 0));
            set[at].used = false;
            assert_false(breakpoints_at(set, 0x1000));
        }
}

/* gdb takes all out at each stop and puts all back before it goes on, whichever level then runs. */
static void test_levels_are_kept(void **state)
{
    (void)state;
    assert_true(insert(2, 0, 0x1000, 1));
    assert_true(insert(1, 0, 0x2000, 1));
    for (u32 runs = 1; runs <= 2; runs++) {
        assert_true(take(0, 0x1000) && take(0, 0x2000));
        assert_int_equal(used(), 0);
        assert_true(insert(runs, 0, 0x2000, 1) && insert(runs, 0, 0x1000, 1));
        assert_int_equal(set[0].level, 2);
        assert_int_equal(set[1].level, 1);
        breakpoints_forget(set);
    }
    /* one that is not put back before gdb goes on is gone, and a new one is of its own level */
    assert_true(take(0, 0x1000) && take(0, 0x2000));
    assert_true(insert(1, 0, 0x2000, 1));
    breakpoints_forget(set);
    assert_true(insert(1, 0, 0x1000, 1));
    assert_int_equal(set[0].level, 1);
    /* stepped over: left out, and put back before gdb goes on */
    assert_true(take(0, 0x1000));
    assert_true(insert(2, 0, 0x1000, 1));
    assert_int_equal(set[0].level, 1);
}

/* One that is away gives its place to a new one, but the last of the free ones does. */
static void test_away_is_free(void **state)
{
    (void)state;
    for (u64 i = 0; i < GDB_BREAKPOINTS; i++)
        assert_true(insert(1, 0, 0x1000 + i, 1));
    assert_true(take(0, 0x1000) && take(0, 0x1001));
    set[1].away = false;
    assert_true(insert(2, 0, 0x2000, 1));
    assert_int_equal(set[1].address, 0x2000);
    assert_true(insert(2, 0, 0x3000, 1));
    assert_int_equal(set[0].address, 0x3000);
    assert_int_equal(set[0].level, 2);
    assert_false(insert(2, 0, 0x1000, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_is_taken, empty),
        cmocka_unit_test_setup(test_places, empty),
        cmocka_unit_test_setup(test_dr7, empty),
        cmocka_unit_test_setup(test_target, empty),
        cmocka_unit_test_setup(test_at, empty),
        cmocka_unit_test_setup(test_levels_are_kept, empty),
        cmocka_unit_test_setup(test_away_is_free, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
