/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layouts against the facts of tests/data, row by row and back; the bytes of L1's page; an
 * independent reader of those bytes; translation between every two layouts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/saved/layout.h"
#include "hv/vmcs12/profile.h"
#include "tests/lib/csv.h"
#include "tests/lib/rng.h"

struct facts {
    enum vmcs_layout layout;
    bool seen[F_COUNT];
};

static unsigned arch_bits(enum vmcs_field f)
{
    static const unsigned bits_of[] = {[W16] = 16, [W32] = 32, [W64] = 64, [WNW] = 0, [WAR] = 32};
    return bits_of[vmcs12_desc(f)->width];
}

/* encoding, name, width ("natural" reads as 0), offset; an empty offset means no place */
static void compare_row(const struct csv_row *r, void *ctx)
{
    struct facts *facts = ctx;
    enum vmcs_field f = vmcs12_find(strtoul(r->cell[0], NULL, 16));
    assert_int_not_equal(f, F_COUNT);
    assert_false(facts->seen[f]);
    facts->seen[f] = true;
    assert_int_equal(arch_bits(f), strtoul(r->cell[2], NULL, 10));
    u32 at = r->cell[3][0] != '\0' ? (u32)strtoul(r->cell[3], NULL, 0) : LAYOUT_NONE;
    assert_int_equal(layout_offset(facts->layout, f), at);
}

static void broadwell_is_the_facts(void **state)
{
    (void)state;
    struct facts facts = {.layout = LAYOUT_BROADWELL};
    assert_int_equal(csv_read("tests/data/broadwell_vmcs_layout.csv", compare_row, &facts),
                     F_COUNT);
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        assert_true(facts.seen[f]);
}

static void kvm_is_the_facts(void **state)
{
    (void)state;
    struct facts facts = {.layout = LAYOUT_KVM};
    assert_int_equal(csv_read("tests/data/kvm_vmcs12_layout.csv", compare_row, &facts), 141);
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        assert_int_equal(facts.seen[f], layout_offset(LAYOUT_KVM, f) != LAYOUT_NONE);
}

/* COMPUTED_OFFSET in other words, for any encoding that has a slot; LAYOUT_NONE for
 * one that has none. */
static u32 formula(u32 encoding)
{
    /* the blocks of width codes 0 to 3 (16-bit, 64-bit, 32-bit, natural), two bits each */
    u32 block = 0x9cu >> (encoding >> 12 & 6) & 3;
    u32 wide = block == 3;
    u32 quarter = 0x100 + (encoding >> 4 & 0xc0);
    u32 index = encoding >> 1 & 0x1ff;
    if ((encoding & 0xffff9000u) != 0 || index >= 32u << wide || (encoding & 1) > wide)
        return LAYOUT_NONE;
    return (quarter << block) + (index << (block + 1 - wide)) + (encoding & 1) * 4;
}

/* The formula, the same in other words and the table agree; no two
 * encodings with a slot share a byte. */
static void computed_is_its_formula(void **state)
{
    (void)state;
    static u32 owner[4096];
    memset(owner, 0, sizeof owner);
    unsigned slots = 0;
    for (u32 enc = 0; enc < 0x10000; enc++) {
        u32 at = formula(enc);
        enum vmcs_field f = vmcs12_find(enc);
        if (f != F_COUNT)
            assert_int_equal(at, layout_offset(LAYOUT_COMPUTED, f) + (enc & 1) * 4);
        if (at == LAYOUT_NONE || (enc & 1) != 0)
            continue;
        assert_int_equal(at, COMPUTED_OFFSET(enc));
        static const unsigned width[] = {2, 8, 4, 8};
        for (u32 b = at; b < at + width[enc >> 13 & 3]; b++) {
            assert_true(b >= 0x100 && b < 4096);
            assert_int_equal(owner[b], 0);
            owner[b] = enc + 1;
        }
        slots++;
    }
    assert_int_equal(slots, 4 * (32 + 32 + 32 + 64)); /* and so every byte from 0x100 is used */
    assert_int_equal(formula(0x10000), LAYOUT_NONE);
    assert_int_equal(formula(0x4401), LAYOUT_NONE);
}

static void infos(void **state)
{
    (void)state;
    for (enum vmcs_layout l = 0; l < LAYOUT_COUNT; l++) {
        const struct layout_info *i = layout_info(l);
        assert_int_equal(layout_find(i->name), l);
        assert_int_equal(layout_of_revision(i->revision), l);
        assert_int_equal(layout_of_revision(i->revision | 0x80000000u), l);
    }
    assert_int_equal(layout_find("broad"), LAYOUT_COUNT);
    assert_int_equal(layout_of_revision(0x2b), LAYOUT_COUNT);
    assert_int_equal(layout_info(LAYOUT_BROADWELL)->revision, 0x12);
    assert_int_equal(layout_info(LAYOUT_KVM)->revision, 0x11e57ed0);
}

/* "Under revision 0x12 Nidus never reads or writes bytes 0x400-0xfff of L1's page." */
static void the_live_page(void **state)
{
    (void)state;
    struct vmcs_image v;
    u8 page[4096], other[4096];
    memset(page, 0x5a, sizeof page);
    memset(&v, 0xa5, sizeof v);
    vmcs12_load_page(&v, page);
    for (unsigned i = 0; i < sizeof v.bytes; i++)
        assert_int_equal(v.bytes[i], i < 0x400 ? 0x5a : i < VMCS12_END ? 0 : 0xa5);
    for (unsigned f = 0; f < F_COUNT; f++)
        assert_true(vmcs12_desc((enum vmcs_field)f)->offset < VMCS12_END);
    memset(&v, 0xa5, sizeof v);
    memset(other, 0x33, sizeof other);
    vmcs12_store_page(&v, other);
    for (unsigned i = 0; i < sizeof other; i++)
        assert_int_equal(other[i], i < 0x400 ? 0xa5 : 0x33);
}

/* ---- a reader that knows ten byte offsets (the PDPTEs as one) and nothing of ours ---- */
static u64 peek(const u8 *page, unsigned at, unsigned bytes)
{
    u64 v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (u64)page[at + i] << (8 * i);
    return v;
}

struct haswell_view {
    u64 vpid, executive, link, ept, gpa, pdpte[4], guest_cr3, guest_cr4, host_cr3, host_cr4;
};

/* The offsets that memory-forensics tools publish for revision 0x12. */
static struct haswell_view haswell_read(const u8 *page)
{
    return (struct haswell_view){
        .vpid = peek(page, 206, 2),
        .executive = peek(page, 208, 8),
        .link = peek(page, 248, 8),
        .ept = peek(page, 320, 8),
        .gpa = peek(page, 328, 8),
        .pdpte = {peek(page, 544, 8), peek(page, 552, 8), peek(page, 560, 8), peek(page, 568, 8)},
        .guest_cr3 = peek(page, 528, 8),
        .guest_cr4 = peek(page, 536, 8),
        .host_cr3 = peek(page, 816, 8),
        .host_cr4 = peek(page, 824, 8),
    };
}

static void write_all(struct vmcs_image *v, const struct vmx_caps *caps, u32 enc, u64 value)
{
    assert_int_equal(vmcs12_write(v, caps, enc, value), 0);
}

static void forensics_reads_our_page(void **state)
{
    (void)state;
    const struct vmx_caps *caps = profile_caps(PROFILE_BROADWELL);
    u8 page[4096] = {0x12};
    struct vmcs_image v;
    vmcs12_load_page(&v, page);
    write_all(&v, caps, 0x0000, 0x0007);
    write_all(&v, caps, 0x200c, 0x0000000012345000);
    write_all(&v, caps, 0x201a, 0x000000003ff0501e);
    write_all(&v, caps, 0x2400, 0x00000000fee00300);
    write_all(&v, caps, 0x2800, 0xffffffffffffffff);
    for (u32 i = 0; i < 4; i++)
        write_all(&v, caps, 0x280a + 2 * i, 0x7000001 + 0x1000 * i);
    write_all(&v, caps, 0x6802, 0x0000000004321000);
    write_all(&v, caps, 0x6804, 0x0000000000002020);
    write_all(&v, caps, 0x6c02, 0x000000001ffe0000);
    write_all(&v, caps, 0x6c04, 0x00000000003626e0);
    vmcs12_store_page(&v, page);
    assert_int_equal(peek(page, 0, 4), 0x12);
    assert_int_equal(peek(page, 4, 4), 0);
    struct haswell_view h = haswell_read(page);
    assert_int_equal(h.vpid, 7);
    assert_int_equal(h.executive, 0x12345000);
    assert_int_equal(h.ept, 0x3ff0501e);
    assert_int_equal(h.gpa, 0xfee00300);
    assert_int_equal(h.link, ~0ull);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(h.pdpte[i], 0x7000001 + 0x1000 * i);
    assert_int_equal(h.guest_cr3, 0x4321000);
    assert_int_equal(h.guest_cr4, 0x2020);
    assert_int_equal(h.host_cr3, 0x1ffe0000);
    assert_int_equal(h.host_cr4, 0x3626e0);
}

/* ---- translation ---- */
static void random_image(struct rng *g, struct vmcs_image *v, enum vmcs_layout holds)
{
    memset(v, 0, sizeof *v);
    v->revision = VMCS12_REVISION | ((u32)rng_next(g) & VMCS_SHADOW_INDICATOR);
    v->abort = (u32)rng_next(g);
    v->launch_state = (u32)rng_below(g, 2);
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (layout_offset(holds, f) != LAYOUT_NONE)
            vmcs12_set(v, f, rng_edgy(g));
}

/* Identity both ways, through every layout and every pair that can hold the image. */
static void translation_is_identity(void **state)
{
    (void)state;
    struct rng g = rng_start("translation_is_identity");
    static struct vmcs_image v, back;
    static u8 page[4096], page2[4096];
    for (unsigned n = 0; n < 4000; n++) {
        enum vmcs_layout a = (enum vmcs_layout)rng_below(&g, LAYOUT_COUNT);
        enum vmcs_layout b = (enum vmcs_layout)rng_below(&g, LAYOUT_COUNT);
        random_image(&g, &v, a);
        for (enum vmcs_field f = 0; f < F_COUNT; f++)
            if (layout_offset(b, f) == LAYOUT_NONE)
                vmcs12_set(&v, f, 0);
        assert_int_equal(layout_encode(a, &v, page), F_COUNT);
        assert_int_equal(peek(page, 0, 4) & 0x7fffffff, layout_info(a)->revision);
        layout_decode(a, page, &back);
        assert_memory_equal(&back, &v, sizeof v);
        assert_int_equal(layout_encode(b, &back, page2), F_COUNT);
        layout_decode(b, page2, &back);
        assert_memory_equal(&back, &v, sizeof v);
    }
}

/* Each field that a layout lacks is refused by its own name, and only when it is in use. */
static void translation_refuses_by_name(void **state)
{
    (void)state;
    static u8 page[4096];
    unsigned refused = 0;
    for (enum vmcs_layout l = 0; l < LAYOUT_COUNT; l++)
        for (enum vmcs_field f = 0; f < F_COUNT; f++) {
            struct vmcs_image v;
            memset(&v, 0, sizeof v);
            u64 in_use = arch_bits(f) == 16 ? 0x8000 : 1;
            vmcs12_set(&v, f, in_use);
            bool holds = layout_offset(l, f) != LAYOUT_NONE;
            assert_int_equal(layout_encode(l, &v, page), holds ? F_COUNT : f);
            if (holds)
                assert_int_equal(layout_get(l, page, f), in_use);
            refused += !holds;
            vmcs12_set(&v, f, in_use << 1); /* any bit is a value in use */
            assert_int_equal(layout_encode(l, &v, page),
                             holds || vmcs12_get(&v, f) == 0 ? F_COUNT : f);
        }
    assert_int_equal(refused, 56 + (F_COUNT - 141)); /* Broadwell's and KVM's gaps */
}

static void profiles_refuse_by_name(void **state)
{
    (void)state;
    const struct vmx_caps *i7 = profile_caps(PROFILE_BROADWELL),
                          *xeon = profile_caps(PROFILE_E5_2683_V4);
    struct vmcs_image v;
    memset(&v, 0, sizeof v);
    v.guest_rip = 0x1000;
    v.pin_ctl = PIN_NMI_EXITING | 0x16;
    assert_int_equal(layout_misfit(&v, i7), F_COUNT);
    v.pin_ctl |= PIN_POSTED_INTERRUPTS;
    assert_int_equal(layout_misfit(&v, i7), F_pin_ctl);
    assert_int_equal(layout_misfit(&v, xeon), F_COUNT);
    v.posted_intr_vector = 0xf2;
    assert_int_equal(layout_misfit(&v, i7), F_posted_intr_vector);
    assert_int_equal(layout_misfit(&v, xeon), F_COUNT);
    v.cpu2_ctl = CPU2_ENABLE_XSAVES; /* inactive: a number */
    assert_int_equal(layout_misfit(&v, xeon), F_COUNT);
    v.cpu1_ctl = CPU1_SECONDARY;
    assert_int_equal(layout_misfit(&v, xeon), F_cpu2_ctl);
    v.cpu2_ctl = CPU2_ENABLE_PML;
    assert_int_equal(layout_misfit(&v, xeon), F_COUNT);
    v.vmfunc_ctl = 3;
    assert_int_equal(layout_misfit(&v, xeon), F_vmfunc_ctl);
    v.vmfunc_ctl = 1;
    v.exit_ctl = EXIT_CLEAR_BNDCFGS;
    assert_int_equal(layout_misfit(&v, xeon), F_exit_ctl);
    v.exit_ctl = 0;
    v.entry_ctl = ENTRY_LOAD_BNDCFGS;
    assert_int_equal(layout_misfit(&v, xeon), F_entry_ctl);
    v.entry_ctl = 0;
    v.guest_bndcfgs = 1;
    assert_int_equal(layout_misfit(&v, xeon), F_guest_bndcfgs);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broadwell_is_the_facts),
        cmocka_unit_test(kvm_is_the_facts),
        cmocka_unit_test(computed_is_its_formula),
        cmocka_unit_test(infos),
        cmocka_unit_test(the_live_page),
        cmocka_unit_test(forensics_reads_our_page),
        cmocka_unit_test(translation_is_identity),
        cmocka_unit_test(translation_refuses_by_name),
        cmocka_unit_test(profiles_refuse_by_name),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
