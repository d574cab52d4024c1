/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VT-d unit of our own making, which boot/vtd_unit.c and boot/vtd_tables.c program: what a device
 * reaches then is found by walking what the unit was given, with the rules of the specification for
 * who programs it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/vtd_tables.h"
#include "boot/vtd_unit.h"
#include "hv/vtd/regs.h"
#include "tests/lib/vtd_fake.h"

#define MIB        (1ull << 20)
#define GIB        (1ull << 30)
#define CAP_TABLES (0x2full << 16 | VTD_CAP_LEAF_2M | VTD_CAP_LEAF_1G)

/* What a public machine's kernel said of its units. */
static const struct {
    u64 cap, ecap;
} known[] = {
    {0x00c0000020660462, 0x0000000000f0101a}, /* Broadwell, graphics: no large leaves */
    {0x00d2008c20660462, 0x0000000000f010da}, /* Broadwell, the rest */
    {0x00c0000020e60262, 0x0000000000f0101a}, /* Sandy Bridge */
    {0x01c0000c40660462, 0x0000007e3ff0501e}, /* Skylake, graphics */
    {0x00d2008c40660462, 0x0000000000f050da}, /* Kaby Lake to Alder Lake, the rest */
    {0x01c0000c40660462, 0x0000029a00f0505e}, /* Tiger Lake, graphics */
    {0x08d2078c106f0466, 0x0000000000f020df}, /* a Xeon of 2017 */
    {0x19ed008c40780c66, 0x0003ee9e86f050df}, /* a Xeon of 2023 */
};

/* ---- the tests ------------------------------------------------------------------------------- */

static struct vtd_unit u;
static struct boot_range region;

static void power_on(u64 cap, u64 ecap)
{
    vtd_fake_start();
    fake.cap = cap;
    fake.ecap = ecap;
    fake.wide = 0xfffff;
    fake.fectl = VTD_FECTL_MASK;
    fake.plm[1] = 0x300000;
    fake.rtaddr = 0x123000;
}

static const char *look(void)
{
    static const struct boot_range regs = {VTD_FAKE_UNIT, PAGE_SIZE};
    return vtd_unit_look(&u, &vtd_fake_io, &regs);
}

static const char *guard(u64 base, u64 ram_top)
{
    region = (struct boot_range){base, 18 * MIB};
    struct vtd_shape shape = {.leaf_1g = vtd_unit_leaf_1g(&u)};
    struct vtd_tables t = {0};
    shape.top = vtd_tables_top(ram_top, shape.leaf_1g);
    u64 pages = vtd_tables_pages(&shape);
    assert_true(VTD_UNIT_PAGES + pages <= VTD_FAKE_PAGES);
    if (!u.by_ranges)
        t = vtd_tables_build((u64)fake.memory + VTD_UNIT_PAGES * PAGE_SIZE, &shape, base,
                             region.size);
    assert_true(t.pages <= pages);
    return vtd_unit_guard(&u, &region, (u64)fake.memory, &t);
}

/* The region is closed to every device, all other memory is open. */
static void assert_guarded(u64 ram_top)
{
    static const u16 sources[] = {0, 0x10, 0x00ff, 0xff00, 0xffff, 0x3a51};
    for (u32 i = 0; i < ARRAY_LEN(sources); i++) {
        for (u64 at = region.base; at < region.base + region.size; at += MIB / 2)
            assert_false(vtd_fake_reaches(sources[i], at));
        assert_false(vtd_fake_reaches(sources[i], region.base + region.size - 1));
        assert_true(vtd_fake_reaches(sources[i], region.base - 1));
        assert_true(vtd_fake_reaches(sources[i], region.base + region.size));
        for (u64 at = 0; at < ram_top; at += 64 * MIB)
            assert_int_equal(vtd_fake_reaches(sources[i], at), at - region.base >= region.size);
        assert_true(vtd_fake_reaches(sources[i], 0));
        assert_true(vtd_fake_reaches(sources[i], ram_top - 1));
        assert_true(vtd_fake_reaches(sources[i], 0xfed00000));
    }
    assert_string_equal(fake.bug ? fake.bug : "none", "none");
    assert_int_equal(fake.fectl, VTD_FECTL_MASK);
}

static void assert_as_before(void)
{
    assert_string_equal(fake.bug ? fake.bug : "none", "none");
    assert_int_equal(fake.gsts & ~VTD_SRTP, 0);
    assert_int_equal(fake.pmen, 0);
    assert_int_equal(fake.rtaddr, 0x123000);
    assert_int_equal(fake.iqa, 0);
    assert_int_equal(fake.plm[0], 0);
    assert_int_equal(fake.plm[1], 0x300000);
    assert_int_equal(fake.phm[0] | fake.phm[1], 0);
    assert_int_equal(fake.fectl, VTD_FECTL_MASK);
}

static void guard_and_release(u64 base, u64 ram_top)
{
    assert_null(look());
    assert_null(guard(base, ram_top));
    assert_guarded(ram_top);
    assert_true(vtd_unit_release(&u));
    assert_as_before();
    assert_true(vtd_unit_release(&u)); /* nothing is left to take back */
    assert_as_before();
}

/* Every public unit has ranges; the region is below 4 GiB or above. */
static void test_ranges(void **state)
{
    (void)state;
    for (u32 i = 0; i < ARRAY_LEN(known); i++) {
        power_on(known[i].cap, known[i].ecap);
        guard_and_release(0x7ce00000, 16 * GIB);
        power_on(known[i].cap, known[i].ecap);
        guard_and_release(8 * GIB, 16 * GIB);
        assert_true(u.by_ranges);
        assert_int_equal(vtd_unit_reach(&u), 0);
        power_on(known[i].cap, known[i].ecap);
        assert_null(look());
        assert_non_null(guard(4 * GIB - 2 * MIB, 16 * GIB));
        assert_true(vtd_unit_release(&u));
        assert_as_before();
    }
}

static void with_tables(u64 more_cap, u64 ecap, u64 base, u64 ram_top)
{
    power_on((CAP_TABLES | more_cap) & ~(more_cap & VTD_CAP_LEAF_1G), VTD_FAKE_ECAP | ecap);
    guard_and_release(base, ram_top);
    assert_false(u.by_ranges);
    assert_int_equal(u.levels, more_cap & VTD_CAP_SAGAW_48 ? VTD_LEVELS_4 : VTD_LEVELS_3);
}

static void test_tables(void **state)
{
    static const u64 levels[] = {VTD_CAP_SAGAW_39, VTD_CAP_SAGAW_48,
                                 VTD_CAP_SAGAW_39 | VTD_CAP_SAGAW_48};
    static const u64 bases[] = {0x7ce00000, 0x3fe00000, 2 * GIB, 16 * GIB - 20 * MIB};
    (void)state;
    for (u32 l = 0; l < ARRAY_LEN(levels); l++)
        for (u32 b = 0; b < ARRAY_LEN(bases); b++) {
            with_tables(levels[l], VTD_ECAP_QI, bases[b], 16 * GIB);
            with_tables(levels[l], 0, bases[b], 16 * GIB);
            /* the word is taken away here: leaves of 2 MiB alone */
            with_tables(levels[l] | VTD_CAP_LEAF_1G | VTD_CAP_RWBF, VTD_ECAP_QI, bases[b],
                        16 * GIB);
        }
    with_tables(VTD_CAP_SAGAW_48, VTD_ECAP_QI, 0x7ce00000, 1024 * GIB);
}

static void refused(u64 cap, const char *why)
{
    power_on(cap, VTD_FAKE_ECAP);
    assert_string_equal(look(), why);
    assert_as_before();
}

static void test_refusals(void **state)
{
    u64 cap = CAP_TABLES | VTD_CAP_SAGAW_39;
    (void)state;
    refused(0, "it does not answer");
    refused(~0ull, "it does not answer");
    refused(CAP_TABLES | 1ull << 11, "it has no tables of 3 or 4 levels");
    refused(cap & ~VTD_CAP_LEAF_2M, "it has neither protected ranges nor large leaves");
    static const struct {
        u32 gsts, pmen;
        const char *why;
    } in_use[] = {
        {VTD_TE, 0, "the firmware has translation switched on"},
        {VTD_IRE, 0, "the firmware remaps interrupts"},
        {VTD_QIE, 0, "the firmware remaps interrupts"},
        {0, VTD_PMEN_PRS, "the firmware protects memory of its own"},
        {0, VTD_PMEN_EPM, "the firmware protects memory of its own"},
    };
    for (u32 i = 0; i < ARRAY_LEN(in_use); i++) {
        power_on(known[0].cap, known[0].ecap);
        fake.gsts = in_use[i].gsts;
        fake.pmen = in_use[i].pmen;
        assert_string_equal(look(), in_use[i].why);
        assert_int_equal(fake.gsts, in_use[i].gsts);
        assert_int_equal(fake.pmen, in_use[i].pmen);
    }
}

/* One kind of range alone, or ranges too coarse for the region: then tables. */
static void test_choice(void **state)
{
    u64 cap = CAP_TABLES | VTD_CAP_SAGAW_48;
    (void)state;
    power_on(cap | VTD_CAP_PLMR, VTD_FAKE_ECAP);
    assert_null(look());
    assert_false(u.by_ranges);
    power_on(cap | VTD_CAP_PLMR | VTD_CAP_PHMR, VTD_FAKE_ECAP);
    fake.wide = 0x3fffff;
    assert_null(look());
    assert_false(u.by_ranges);
    fake.wide = 0x1fffff;
    assert_null(look());
    assert_true(u.by_ranges);
    fake.wide = ~0u;
    assert_null(look());
    assert_false(u.by_ranges);
    assert_as_before();
}

static void test_reach(void **state)
{
    (void)state;
    power_on(CAP_TABLES | VTD_CAP_SAGAW_48, VTD_FAKE_ECAP);
    assert_null(look());
    assert_int_equal(vtd_unit_reach(&u), 1ull << 48);
    power_on(CAP_TABLES | VTD_CAP_SAGAW_39, VTD_FAKE_ECAP);
    assert_null(look());
    assert_int_equal(vtd_unit_reach(&u), 1ull << 39);
    power_on((CAP_TABLES & ~(0x3full << 16)) | 38ull << 16 | VTD_CAP_SAGAW_48, VTD_FAKE_ECAP);
    assert_null(look());
    assert_int_equal(vtd_unit_reach(&u), 1ull << 39);
}

/* The registers may go on behind the first page: fault records here, or the IOTLB's. */
static void test_width(void **state)
{
    (void)state;
    power_on(CAP_TABLES | VTD_CAP_SAGAW_39, 0xffull << 8);
    assert_null(look());
    assert_int_equal(u.regs.size, PAGE_SIZE);
    power_on(CAP_TABLES | VTD_CAP_SAGAW_39, 0x100ull << 8);
    assert_null(look());
    assert_int_equal(u.regs.size, 2 * PAGE_SIZE);
    power_on(CAP_TABLES | VTD_CAP_SAGAW_39 | 0x100ull << 24 | 0xffull << 40, VTD_FAKE_ECAP);
    assert_null(look());
    assert_int_equal(u.regs.size, 2 * PAGE_SIZE);
}

/* Whatever does not answer: a reason, and all that can be is as before. */
static void test_stuck(void **state)
{
    static const u32 bits[] = {VTD_SRTP, VTD_TE, VTD_QIE};
    (void)state;
    for (u32 i = 0; i < ARRAY_LEN(bits); i++) {
        power_on(CAP_TABLES | VTD_CAP_SAGAW_48, VTD_FAKE_ECAP | VTD_ECAP_QI);
        assert_null(look());
        fake.stuck = bits[i];
        assert_non_null(guard(0x7ce00000, 4 * GIB));
        (void)!vtd_unit_release(&u);
        assert_as_before();
    }
    for (u32 queue = 0; queue < 2; queue++) {
        power_on(CAP_TABLES | VTD_CAP_SAGAW_48, VTD_FAKE_ECAP | (queue ? VTD_ECAP_QI : 0));
        assert_null(look());
        fake.deaf = true;
        assert_string_equal(guard(0x7ce00000, 4 * GIB), "it does not drop what it has cached");
        assert_int_equal(fake.gsts & VTD_TE, 0);
        assert_false(vtd_unit_release(&u)); /* its cache may still name the region's pages */
    }
    power_on(known[1].cap, known[1].ecap);
    assert_null(look());
    fake.stuck = 1;
    assert_string_equal(guard(0x7ce00000, 4 * GIB), "its ranges do not take effect");
    for (u32 high = 0; high < 2; high++) {
        power_on(known[1].cap, known[1].ecap);
        fake.plm[0] = 0x00200000; /* so fine is what the locked register seems to be */
        fake.locked = true;
        assert_null(look());
        assert_string_equal(guard(high ? 8 * GIB : 0x7ce00000, 16 * GIB), "its ranges are locked");
        assert_int_equal(fake.pmen, 0);
    }
    power_on(CAP_TABLES | VTD_CAP_SAGAW_48, VTD_FAKE_ECAP);
    assert_null(look());
    assert_null(guard(0x7ce00000, 4 * GIB));
    fake.stuck = VTD_TE;
    assert_false(vtd_unit_release(&u)); /* it goes on by tables that would be somebody's memory */
}

static int set_up(void **state)
{
    (void)state;
    fake.memory = aligned_alloc(PAGE_SIZE, VTD_FAKE_PAGES * PAGE_SIZE);
    return fake.memory == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    free(fake.memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),   cmocka_unit_test(test_tables),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_choice),
        cmocka_unit_test(test_reach),    cmocka_unit_test(test_width),
        cmocka_unit_test(test_stuck),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
