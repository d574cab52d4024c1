/* SPDX-License-Identifier: BSD-2-Clause */
/* Host tests of hv/arch/operand.c: rows written from
 * SDM 3C 28.2.5 "Information for VM Exits Due to Instruction Execution", its table for VMREAD
 * and VMWRITE, and SDM 3A 5.3 "Limit Checking". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hv/arch/operand.h"

static u64 gpr[16];

static void fill(void)
{
    for (unsigned i = 0; i < 16; i++)
        gpr[i] = 0x1111111111110000ull + i * 0x10;
}

/* info words: scale | address size << 7 | mem/reg << 10 | seg << 15 | index << 18 |
 * index invalid << 22 | base << 23 | base invalid << 27 | reg2 << 28 */
static void test_decode(void **state)
{
    (void)state;
    fill();
    struct insn_operand op = operand_decode(1u << 10 | 5u << 3 | 12u << 28, 0, gpr);
    assert_true(op.is_reg);
    assert_int_equal(op.reg, 5);
    assert_int_equal(op.reg2, 12);
    op = operand_decode(3u | 2u << 7 | 5u << 15 | 9u << 18 | 4u << 23, (u64)-8, gpr);
    assert_false(op.is_reg);
    assert_int_equal(op.seg, SEG_GS);
    assert_int_equal(op.offset, gpr[4] + (gpr[9] << 3) - 8);
    op = operand_decode(2u << 7 | 1u << 22 | 1u << 27 | 3u << 15, 0x1234, gpr);
    assert_int_equal(op.seg, SEG_DS);
    assert_int_equal(op.offset, 0x1234); /* neither base nor index */
    op = operand_decode(1u << 7 | 1u << 22 | 7u << 23, 0xfffffffffffffff0ull, gpr);
    assert_int_equal(op.offset, 0x11110060); /* 32-bit addresses wrap */
    op = operand_decode(0u << 7 | 1u << 22 | 7u << 23, 0xffff, gpr);
    assert_int_equal(op.offset, 0x006f); /* 16-bit addresses wrap */
}

static void test_linear64(void **state)
{
    struct insn_operand op = {.seg = SEG_DS, .offset = 0x1000};
    struct segment s = {.base = 0x5000, .ar = AR_UNUSABLE};
    (void)state;
    assert_int_equal(operand_linear(&op, &s, true, 48, 8, false).gla, 0x1000);
    op.seg = SEG_FS;
    assert_int_equal(operand_linear(&op, &s, true, 48, 8, true).gla, 0x6000);
    op = (struct insn_operand){.seg = SEG_DS, .offset = 0x7ffffffffff9};
    assert_int_equal(operand_linear(&op, &s, true, 48, 8, false).vector, VEC_GP);
    op.seg = SEG_SS;
    assert_int_equal(operand_linear(&op, &s, true, 48, 8, false).vector, VEC_SS);
    op.offset = 0x7ffffffffff8;
    assert_true(operand_linear(&op, &s, true, 48, 8, false).ok);
    op.offset = 0xffff7fffffffffffull;
    assert_false(operand_linear(&op, &s, true, 48, 1, false).ok);
    op.offset = 0xffff800000000000ull;
    assert_true(operand_linear(&op, &s, true, 48, 1, false).ok);
}

static void test_linear32(void **state)
{
    (void)state;
    static const struct {
        u32 type, limit;
        u64 offset;
        bool db, write, ok;
    } rows[] = {
        {3, 0xfff, 0xff8, true, true, true},  /* data, writable, last byte inside */
        {3, 0xfff, 0xff9, true, true, false}, /* one byte beyond */
        {1, 0xfff, 0, true, true, false},     /* read-only data */
        {1, 0xfff, 0, true, false, true},
        {9, 0xfff, 0, true, false, false},      /* execute-only code */
        {11, 0xfff, 0, true, false, true},      /* readable code */
        {11, 0xfff, 0, true, true, false},      /* code is never writable */
        {7, 0xfff, 0xfff, true, true, false},   /* expand-down: at the limit */
        {7, 0xfff, 0x1000, true, true, true},   /* just above it */
        {7, 0xfff, 0xfffc, false, true, false}, /* 16-bit upper bound */
        {7, 0xfff, 0xfff8, false, true, true},
        {7, 0xfff, 0xfffffff9, true, true, false},
        {7, 0xfff, 0x20000, true, true, true}, /* the upper bound follows D/B, not G */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct insn_operand op = {.seg = SEG_DS, .offset = rows[i].offset};
        struct segment s = {.base = 0x100,
                            .limit = rows[i].limit,
                            .ar = rows[i].type | (u32)(AR_S | AR_P | (rows[i].db ? AR_DB : 0))};
        struct operand_address a = operand_linear(&op, &s, false, 48, 8, rows[i].write);
        assert_int_equal(a.ok, rows[i].ok);
        if (!a.ok)
            assert_int_equal(a.vector, VEC_GP);
        op.seg = SEG_SS;
        if (!a.ok)
            assert_int_equal(operand_linear(&op, &s, false, 48, 8, rows[i].write).vector, VEC_SS);
    }
    struct insn_operand op = {.seg = SEG_ES, .offset = 0xfffffff0};
    struct segment s = {.base = 0x20, .limit = 0xffffffff, .ar = 3 | AR_S | AR_P | AR_DB};
    assert_int_equal(operand_linear(&op, &s, false, 48, 8, true).gla, 0x10);
    s.ar |= AR_UNUSABLE;
    assert_false(operand_linear(&op, &s, false, 48, 8, true).ok);
}

static void test_breakpoints(void **state)
{
    (void)state;
    static const struct {
        u64 dr7, gla;
        unsigned size;
        bool write;
        u64 pending;
    } rows[] = {
        {0x00030002, 0x1005, 1, false, 0x1001}, /* DR0: G0, any access, 1 byte */
        {0x00030002, 0x1004, 1, false, 0},
        {0x00030002, 0x1006, 1, false, 0},
        {0x00030002, 0x0ffe, 8, true, 0x1001}, /* the last byte of eight */
        {0x00030002, 0x0ffd, 8, true, 0},
        {0x00010001, 0x1005, 1, true, 0x1001}, /* L0, writes */
        {0x00010001, 0x1005, 1, false, 0},
        {0x00000001, 0x1005, 1, true, 0},       /* instructions */
        {0x00020001, 0x1005, 1, true, 0},       /* I/O */
        {0x00070002, 0x1004, 1, false, 0x1001}, /* 2 bytes, aligned */
        {0x000b0002, 0x1000, 1, false, 0x1001}, /* 8 bytes */
        {0x000b0002, 0x1008, 1, false, 0},
        {0x000f0002, 0x1003, 1, false, 0}, /* 4 bytes */
        {0x000f0002, 0x1007, 1, false, 0x1001},
        {0x33330080, 0xfffffffffffffffful, 8, true, 0x1008}, /* DR3: G3; around the top */
        {0x33330000, 0x1005, 1, true, 0},                    /* none enabled */
        {0x03330020, 0x1005, 16, true, 0x1005}, /* DR0 met and off besides DR2 met and on */
    };
    static const u64 dr[4] = {0x1005, 0x3000, 0x1010, 6};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(
            operand_breakpoints(dr, rows[i].dr7, rows[i].gla, rows[i].size, rows[i].write),
            rows[i].pending);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode), cmocka_unit_test(test_linear64),
        cmocka_unit_test(test_linear32), cmocka_unit_test(test_breakpoints),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
