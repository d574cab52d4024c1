/* SPDX-License-Identifier: BSD-2-Clause */
/* Host tests of hv/arch/pagewalk.c: tables in an array, rights judged against an independent
 * statement of SDM 3A 4.6 "Access Rights". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hv/arch/pagewalk.h"

static u8 ram[16 * 4096];

static u64 ram_read(void *ctx, u64 gpa, unsigned size)
{
    u64 v = 0;
    (void)ctx;
    assert_true(gpa + size <= sizeof ram);
    assert_int_equal(gpa % size, 0); /* a locked access of it is not split */
    memcpy(&v, ram + gpa, size);
    return v;
}

static bool ram_set(void *ctx, u64 gpa, unsigned size, u64 old, u64 new)
{
    if (ram_read(ctx, gpa, size) != old)
        return false;
    memcpy(ram + gpa, &new, size);
    return true;
}

static const struct walk_memory mem = {NULL, ram_read, ram_set};

static void put64(u64 at, u64 v)
{
    memcpy(ram + at, &v, 8);
}
static void put32(u64 at, u32 v)
{
    memcpy(ram + at, &v, 4);
}

static struct paging_state long_mode(void)
{
    return (struct paging_state){.cr0 = CR0_PE | CR0_PG | CR0_WP,
                                 .cr3 = 0x1000,
                                 .cr4 = CR4_PAE,
                                 .efer = EFER_LME | EFER_LMA | EFER_NXE,
                                 .page_1g = true,
                                 .maxphyaddr = 40};
}

/* 0x1000 -> 0x2000 -> 0x3000 -> 0x4000 -> page 0x7000, for linear address 0x0000008040201abc */
#define GLA (BIT(39) | BIT(30) | BIT(21) | BIT(12) | 0xabc)
static void build_4k(u64 flags4, u64 flags3, u64 flags2, u64 flags1)
{
    memset(ram, 0, sizeof ram);
    put64(0x1008, 0x2000 | flags4);
    put64(0x2008, 0x3000 | flags3);
    put64(0x3008, 0x4000 | flags2);
    put64(0x4008, 0x7000 | flags1);
}

static void test_4level_sizes(void **state)
{
    struct paging_state p = long_mode();
    (void)state;
    build_4k(PTE_P | PTE_W, PTE_P | PTE_W, PTE_P | PTE_W, PTE_P | PTE_W);
    struct walk_result r = pagewalk(&p, &mem, GLA, PF_W);
    assert_true(r.ok);
    assert_int_equal(r.gpa, 0x7abc);
    assert_int_equal(ram_read(NULL, 0x4008, 8), 0x7000 | PTE_P | PTE_W | PTE_A | PTE_D);
    assert_int_equal(ram_read(NULL, 0x1008, 8), 0x2000 | PTE_P | PTE_W | PTE_A);
    put64(0x3008, 0x40000000 | PTE_P | PTE_PS);
    r = pagewalk(&p, &mem, GLA, 0);
    assert_true(r.ok);
    assert_int_equal(r.gpa, 0x40001abc);
    assert_int_equal(ram_read(NULL, 0x3008, 8), 0x40000000 | PTE_P | PTE_PS | PTE_A);
    put64(0x2008, 0x80000000 | PTE_P | PTE_PS);
    r = pagewalk(&p, &mem, GLA, 0);
    assert_true(r.ok);
    assert_int_equal(r.gpa, 0x80201abc);
}

static void test_reserved_bits(void **state)
{
    struct paging_state p = long_mode();
    (void)state;
    static const struct {
        u64 at, bit;
        bool page_1g;
    } rows[] = {
        {0x1008, BIT(40), true},          {0x1008, PTE_PS, true},           {0x2008, BIT(51), true},
        {0x2008, PTE_PS | BIT(13), true}, {0x2008, PTE_PS | BIT(29), true}, {0x2008, PTE_PS, false},
        {0x3008, PTE_PS | BIT(20), true}, {0x4008, BIT(40), true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        build_4k(PTE_P, PTE_P, PTE_P, PTE_P);
        put64(0x2008, PTE_P | (any(rows[i].bit, PTE_PS) ? 0 : 0x3000));
        if (rows[i].at != 0x2008)
            put64(0x2008, PTE_P | 0x3000);
        put64(rows[i].at, ram_read(NULL, rows[i].at, 8) | rows[i].bit);
        if (rows[i].at == 0x3008)
            put64(0x3008, PTE_P | rows[i].bit);
        p.page_1g = rows[i].page_1g;
        struct walk_result r = pagewalk(&p, &mem, GLA, 0);
        assert_false(r.ok);
        assert_int_equal(r.error_code, PF_P | PF_RSVD);
    }
    build_4k(PTE_P, PTE_P, PTE_P, PTE_P | PTE_NX);
    p = long_mode();
    assert_true(pagewalk(&p, &mem, GLA, 0).ok);
    p.efer &= ~EFER_NXE;
    assert_int_equal(pagewalk(&p, &mem, GLA, 0).error_code, PF_P | PF_RSVD);
}

static void test_absent_at_each_level(void **state)
{
    struct paging_state p = long_mode();
    (void)state;
    for (unsigned level = 1; level <= 4; level++) {
        build_4k(PTE_P, PTE_P, PTE_P, PTE_P);
        put64(level * 0x1000 + 8, 0);
        p.cpl = 3;
        struct walk_result r = pagewalk(&p, &mem, GLA, PF_W);
        assert_false(r.ok);
        assert_int_equal(r.error_code, PF_W | PF_U);
    }
}

/* The rule as SDM 3A 4.6.1 "Determination of Access Rights" tells it, mode by mode. */
static bool allowed(const struct paging_state *p, bool user_page, bool writable, bool nx,
                    u64 access)
{
    bool wr = any(access, PF_W), fetch = any(access, PF_I), system = any(access, WALK_SYSTEM);
    if (p->cpl == 3 && !system)
        return user_page && (!wr || writable) && !(fetch && nx);
    if (fetch)
        return !nx && !(user_page && any(p->cr4, CR4_SMEP));
    if (user_page && any(p->cr4, CR4_SMAP) && (system || !p->ac))
        return false;
    return !wr || writable || !any(p->cr0, CR0_WP);
}

static void test_rights(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 1u << 13; n++) {
        struct paging_state p = long_mode();
        bool u = n & 1, w = n & 2, nx = n & 4;
        u64 access = (n & 8 ? PF_W : 0) | (n & 16 ? PF_I : 0) | (n & 32 ? WALK_SYSTEM : 0);
        if (all(access, PF_W | PF_I))
            continue;
        p.cpl = n & 64 ? 3 : 0;
        p.ac = n & 128;
        p.cr4 |= (n & 256 ? CR4_SMAP : 0) | (n & 512 ? CR4_SMEP : 0);
        p.cr0 = (p.cr0 & ~CR0_WP) | (n & 1024 ? CR0_WP : 0);
        unsigned odd = 1 + ((n >> 11) & 3); /* the level that withholds the right */
        u64 f[5];
        for (unsigned l = 1; l <= 4; l++)
            f[l] = PTE_P | (u || l != odd ? PTE_U : 0) | (w || l != odd ? PTE_W : 0) |
                   (nx && l == odd ? PTE_NX : 0);
        build_4k(f[4], f[3], f[2], f[1]);
        struct walk_result r = pagewalk(&p, &mem, GLA, access);
        assert_int_equal(r.ok, allowed(&p, u, w, nx, access));
        assert_true(!r.ok || (r.user == u && r.write == w && r.fetch == !nx));
        if (!r.ok)
            assert_int_equal(r.error_code, PF_P | (access & (PF_W | PF_I)) |
                                               (p.cpl == 3 && !(n & 32) ? PF_U : 0));
    }
}

static void test_pae(void **state)
{
    struct paging_state p = {.cr0 = CR0_PE | CR0_PG,
                             .cr4 = CR4_PAE,
                             .maxphyaddr = 40,
                             .pdpte = {0, 0x3000 | PTE_P, 0, 0}};
    (void)state;
    memset(ram, 0, sizeof ram);
    put64(0x3008, 0x4000 | PTE_P);
    put64(0x4008, 0x7000 | PTE_P);
    struct walk_result r = pagewalk(&p, &mem, BIT(30) | BIT(21) | BIT(12) | 5, 0);
    assert_true(r.ok);
    assert_int_equal(r.gpa, 0x7005);
    assert_int_equal(pagewalk(&p, &mem, 5, 0).error_code, 0);
    put64(0x4008, 0x7000 | PTE_P | BIT(62));
    assert_int_equal(pagewalk(&p, &mem, BIT(30) | BIT(21) | BIT(12), 0).error_code, PF_P | PF_RSVD);
}

/* With MAXPHYADDR 52 no address bit is reserved. SDM 3A 4.5 "4-Level Paging and 5-Level Paging" */
static void test_widest_address(void **state)
{
    struct paging_state p = long_mode();
    (void)state;
    build_4k(PTE_P, PTE_P, PTE_P, PTE_P | BIT(51));
    assert_int_equal(pagewalk(&p, &mem, GLA, 0).error_code, PF_P | PF_RSVD);
    p.maxphyaddr = 52;
    struct walk_result r = pagewalk(&p, &mem, GLA, 0);
    assert_true(r.ok);
    assert_int_equal(r.gpa, BIT(51) | 0x7abc);
}

static void test_32bit(void **state)
{
    struct paging_state p = {.cr0 = CR0_PE | CR0_PG, .cr3 = 0x1000, .maxphyaddr = 36};
    (void)state;
    memset(ram, 0, sizeof ram);
    put32(0x1004, 0x2000 | PTE_P | PTE_PS); /* PS is ignored while CR4.PSE = 0 */
    put32(0x2004, 0x7000 | PTE_P);
    assert_int_equal(pagewalk(&p, &mem, BIT(22) | BIT(12) | 3, 0).gpa, 0x7003);
    p.cr4 = CR4_PSE;
    put32(0x1004, 0x00400000 | PTE_P | PTE_PS | 3u << 13); /* PSE-36: address bits 33:32 */
    assert_int_equal(pagewalk(&p, &mem, BIT(22) | 0x12345, 0).gpa, 0x300412345);
    put32(0x1004, 0x00400000 | PTE_P | PTE_PS | 1u << 17); /* address bit 36: too wide */
    assert_int_equal(pagewalk(&p, &mem, BIT(22), 0).error_code, PF_P | PF_RSVD);
    put32(0x1004, 0x00400000 | PTE_P | PTE_PS | 1u << 21);
    assert_int_equal(pagewalk(&p, &mem, BIT(22), 0).error_code, PF_P | PF_RSVD);
    p.cr0 = CR0_PE;
    struct walk_result r = pagewalk(&p, &mem, 0x1234, PF_W);
    assert_int_equal(r.gpa, 0x1234);
    assert_true(r.user && r.write && r.fetch);
}

/* Somebody who changes the leaf, or an entry above it, before each of the first `changes` marks. */
struct racer {
    u64 at;
    u32 changes, sets;
};

static u64 race_read(void *ctx, u64 gpa, unsigned size)
{
    (void)ctx;
    return ram_read(NULL, gpa, size);
}

static bool race_set(void *ctx, u64 gpa, unsigned size, u64 old, u64 new)
{
    struct racer *r = ctx;
    r->sets++;
    if (gpa == r->at && r->changes) {
        r->changes--;
        put64(gpa, ram_read(NULL, gpa, 8) ^ BIT(9)); /* a bit that software may use */
    }
    return ram_set(NULL, gpa, size, old, new);
}

/* A walk begins anew when an entry changes under it, so often and no oftener. */
static void test_race(void **state)
{
    static const u64 entries[] = {0x1008, 0x2008, 0x3008, 0x4008};
    struct paging_state p = long_mode();
    (void)state;
    for (u32 i = 0; i < ARRAY_LEN(entries); i++)
        for (u32 changes = 0; changes <= WALK_TRIES; changes++) {
            build_4k(PTE_P | PTE_W, PTE_P | PTE_W, PTE_P | PTE_W, PTE_P | PTE_W);
            struct racer racer = {.at = entries[i], .changes = changes};
            struct walk_memory m = {&racer, race_read, race_set};
            struct walk_result r = pagewalk(&p, &m, GLA, PF_W);
            assert_int_equal(r.ok, changes < WALK_TRIES);
            assert_true(racer.sets <= 4 + WALK_TRIES);
            if (r.ok) {
                assert_int_equal(r.gpa, 0x7abc);
                assert_true(all(ram_read(NULL, 0x4008, 8), PTE_A | PTE_D));
            } else {
                /* not present: software looks, and tries again */
                assert_int_equal(r.error_code, PF_W);
            }
        }
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_4level_sizes), cmocka_unit_test(test_reserved_bits),
        cmocka_unit_test(test_absent_at_each_level), cmocka_unit_test(test_rights),
        cmocka_unit_test(test_pae), cmocka_unit_test(test_widest_address),
        cmocka_unit_test(test_32bit), cmocka_unit_test(test_race),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
