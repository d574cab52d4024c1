/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a VT-d unit's fault records (hv/vtd/fault.c), on registers that are plain memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hv/vtd/fault.h"

#define RECORDS 0x200u
#define COUNT   4u

static u64 page[512];

static void start(u32 status)
{
    memset(page, 0, sizeof page);
    page[VTD_CAP / 8] = (u64)(RECORDS / 16) << 24 | (u64)(COUNT - 1) << 40;
    ((u32 *)page)[VTD_FSTS / 4] = status;
}

static void record(u32 n, u64 low, u64 high)
{
    page[RECORDS / 8 + 2 * n] = low;
    page[RECORDS / 8 + 2 * n + 1] = high;
}

static void test_fields(void **state)
{
    struct vtd_fault f;
    (void)state;
    for (u32 n = 0; n < COUNT; n++) {
        start(VTD_FSTS_PENDING | n << 8);
        record(n, 0x7ce01123, VTD_RECORD_VALID | VTD_RECORD_READ | 5ull << 32 | 0x3a51);
        assert_true(vtd_take_fault((u64)page, &f));
        assert_int_equal(f.address, 0x7ce01000);
        assert_int_equal(f.source, 0x3a51);
        assert_int_equal(f.reason, 5);
        assert_true(f.read);
        /* What was written is what clears the record in a unit, and nothing else was written. */
        assert_int_equal(page[RECORDS / 8 + 2 * n + 1] >> 32, 1u << 31);
        assert_int_equal(((u32 *)page)[VTD_FSTS / 4], VTD_FSTS_PENDING | n << 8);
    }
    start(VTD_FSTS_PENDING);
    record(0, 0x1000, VTD_RECORD_VALID | 6ull << 32);
    assert_true(vtd_take_fault((u64)page, &f));
    assert_false(f.read);
}

static void test_none(void **state)
{
    struct vtd_fault f;
    (void)state;
    start(0);
    record(0, 0x1000, VTD_RECORD_VALID);
    assert_false(vtd_take_fault((u64)page, &f));
    start(VTD_FSTS_PENDING);
    assert_false(vtd_take_fault((u64)page, &f));
    start(VTD_FSTS_PENDING | COUNT << 8); /* a record that the unit does not have */
    record(COUNT, 0x1000, VTD_RECORD_VALID);
    assert_false(vtd_take_fault((u64)page, &f));
    start(VTD_FSTS_OVERFLOW); /* the ring has been read: it may go on */
    assert_false(vtd_take_fault((u64)page, &f));
    assert_int_equal(((u32 *)page)[VTD_FSTS / 4], VTD_FSTS_OVERFLOW);
    start(VTD_FSTS_OVERFLOW | VTD_FSTS_PENDING | 16);
    ((u32 *)page)[VTD_FSTS / 4] |= 0xf0;
    record(0, 0x1000, VTD_RECORD_VALID);
    assert_true(vtd_take_fault((u64)page, &f));
    assert_int_equal(((u32 *)page)[VTD_FSTS / 4], VTD_FSTS_OVERFLOW | VTD_FSTS_PENDING | 0xf0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
