/* SPDX-License-Identifier: BSD-2-Clause */
/* MTRR memory types: rows written from the SDM's sentences, then a page-by-page comparison of
 * random states with a second, deliberately naive implementation. */
#include "tests/host/mtrr_state.h"
#include "tests/lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

/* "If the MTRRs are disabled, all of physical memory is UC" (E flag). */
static void disabled_is_uc(void **state)
{
    (void)state;
    struct mtrr_state s = blank(MT_WB);

    pair(&s, 0, 0, SIZE_1G, MT_WB);
    assert_int_equal(mtrr_type(&s, 0), MT_UC);
    assert_int_equal(mtrr_type(&s, 1ull << 39), MT_UC);
    s.def_type |= ON;
    assert_int_equal(mtrr_type(&s, 0), MT_WB);
}

/* "Memory not mapped by an MTRR has the default type." */
static void default_type_elsewhere(void **state)
{
    (void)state;
    static const u8 types[] = {MT_UC, MT_WC, MT_WT, MT_WP, MT_WB};

    for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
        struct mtrr_state s = blank(ON | types[i]);

        pair(&s, 0, SIZE_1G, SIZE_1G, MT_UC);
        assert_int_equal(mtrr_type(&s, 0), types[i]);
        assert_int_equal(mtrr_type(&s, 2 * SIZE_1G), types[i]);
        assert_int_equal(mtrr_type(&s, SIZE_1G), MT_UC);
        assert_int_equal(mtrr_type(&s, 2 * SIZE_1G - 1), MT_UC);
    }
}

/* SDM 3A 11.11.4.1 "MTRR Precedences": identical -> that; UC wins; WT and WB -> WT; others
 * undefined, here UC. */
static void precedence_of_pairs(void **state)
{
    (void)state;
    static const struct {
        u8 a, b, want;
    } row[] = {
        {MT_UC, MT_UC, MT_UC}, {MT_WC, MT_WC, MT_WC}, {MT_WT, MT_WT, MT_WT}, {MT_WP, MT_WP, MT_WP},
        {MT_WB, MT_WB, MT_WB}, {MT_UC, MT_WC, MT_UC}, {MT_UC, MT_WT, MT_UC}, {MT_UC, MT_WP, MT_UC},
        {MT_UC, MT_WB, MT_UC}, {MT_WT, MT_WB, MT_WT}, {MT_WC, MT_WT, MT_UC}, {MT_WC, MT_WP, MT_UC},
        {MT_WC, MT_WB, MT_UC}, {MT_WT, MT_WP, MT_UC}, {MT_WP, MT_WB, MT_UC},
    };
    for (unsigned i = 0; i < ARRAY_LEN(row); i++)
        for (unsigned swap = 0; swap < 2; swap++) {
            struct mtrr_state s = blank(ON | MT_WP);

            pair(&s, swap, 0, SIZE_2M, row[i].a);
            pair(&s, 1 - swap, 0, SIZE_1G, row[i].b);
            assert_int_equal(mtrr_type(&s, PAGE_SIZE), row[i].want);
            assert_int_equal(mtrr_type(&s, SIZE_2M), row[i].b);
        }
}

static void three_ranges(void **state)
{
    (void)state;
    struct mtrr_state s = blank(ON | MT_UC);

    pair(&s, 0, 0, SIZE_1G, MT_WB);
    pair(&s, 1, 0, SIZE_1G, MT_WT);
    pair(&s, 2, 0, SIZE_1G, MT_WB);
    assert_int_equal(mtrr_type(&s, 0), MT_WT);
    pair(&s, 3, 0, SIZE_2M, MT_UC);
    assert_int_equal(mtrr_type(&s, 0), MT_UC);
    s.mask[3] &= ~V; /* "V: enables the register pair when set" */
    assert_int_equal(mtrr_type(&s, 0), MT_WT);
}

/* Ranges beyond VCNT do not exist; reserved encodings cannot be loaded and count as UC. */
static void count_and_reserved_types(void **state)
{
    (void)state;
    struct mtrr_state s = blank(ON | MT_WB);

    pair(&s, 8, 0, SIZE_1G, MT_UC);
    assert_int_equal(mtrr_type(&s, 0), MT_WB);
    s.cap = (s.cap & ~MTRRCAP_VCNT) | 9;
    assert_int_equal(mtrr_type(&s, 0), MT_UC);
    s.cap |= MTRRCAP_VCNT;
    assert_int_equal(mtrr_variable_count(&s), MTRR_VARIABLE_MAX);
    s.def_type = ON | 2;
    assert_int_equal(mtrr_type(&s, SIZE_1G), MT_UC);
    s.def_type = ON | MT_WC;
    assert_int_equal(mtrr_type(&s, SIZE_1G), MT_WC);
    s.cap &= ~MTRRCAP_WC;
    assert_int_equal(mtrr_type(&s, SIZE_1G), MT_UC);
}

/* The 88 fixed ranges of SDM 3A 11.11.2.2 "Fixed Range MTRRs", each given a type of its own
 * while all the others have another. */
static void fixed_ranges(void **state)
{
    (void)state;
    u64 at = 0;

    for (unsigned i = 0; i < 88; i++) {
        u64 size = i < 8 ? 0x10000 : i < 24 ? 0x4000 : 0x1000;
        struct mtrr_state s = blank(FIX | MT_UC);

        for (unsigned r = 0; r < 11; r++)
            s.fixed[r] = 0x0404040404040404ull;
        s.fixed[i / 8] ^= 0x02ull << (8 * (i % 8)); /* 4 -> 6 */
        pair(&s, 0, 0, SIZE_1G, MT_WP);
        assert_int_equal(mtrr_type(&s, at), MT_WB);
        assert_int_equal(mtrr_type(&s, at + size - 1), MT_WB);
        assert_int_equal(mtrr_type(&s, at + size), at + size == 0x100000 ? MT_WP : MT_WT);
        if (at)
            assert_int_equal(mtrr_type(&s, at - 1), MT_WT);
        s.def_type = ON; /* FE clear: the variable range speaks */
        assert_int_equal(mtrr_type(&s, at), MT_WP);
        s.def_type = FIX;
        s.cap &= ~MTRRCAP_FIX;
        assert_int_equal(mtrr_type(&s, at), MT_WP);
        at += size;
    }
    assert_int_equal(at, 0x100000);
}

/* ---- the naive second implementation ------------------------------------------------ */

static u8 naive_type(const struct mtrr_state *s, u64 a)
{
    unsigned seen = 0;

    if (!(s->def_type & 0x800))
        return 0;
    if (a < 0x100000 && (s->def_type & 0x400) && (s->cap & 0x100)) {
        u64 i = a < 0x80000   ? a / 0x10000
                : a < 0xc0000 ? 8 + (a - 0x80000) / 0x4000
                              : 24 + (a - 0xc0000) / 0x1000;
        return ((const u8 *)s->fixed)[i];
    }
    for (unsigned i = 0; i < (s->cap & 0xff); i++) {
        u64 base = s->base[i] >> 12, mask = (s->mask[i] & ((1ull << s->maxphyaddr) - 1)) >> 12;

        if ((s->mask[i] & 0x800) && ((a >> 12) & mask) == (base & mask))
            seen |= 1u << (s->base[i] & 0xff);
    }
    switch (seen) {
    case 0: /* none: the default type */
        return (u8)(s->def_type & 0xff);
    case 1u << 1: /* WC */
        return 1;
    case 1u << 4:           /* WT */
    case 1u << 4 | 1u << 6: /* WT, WB */
        return 4;
    case 1u << 5: /* WP */
        return 5;
    case 1u << 6: /* WB */
        return 6;
    default: /* UC among them, or undefined: UC */
        return 0;
    }
}

static struct mtrr_state random_state(struct rng *r)
{
    static const u8 types[] = {MT_UC, MT_WC, MT_WT, MT_WP, MT_WB};
    struct mtrr_state s = blank(types[rng_below(r, 5)]);

    s.def_type |= rng_below(r, 10) ? (rng_below(r, 2) ? FIX : ON) : 0;
    for (unsigned i = 0; i < 88; i++)
        ((u8 *)s.fixed)[i] = types[rng_below(r, 2) ? 4 : rng_below(r, 5)];
    for (unsigned i = 0; i < 8; i++) {
        u64 size = PAGE_SIZE << rng_below(r, 22);

        if (rng_below(r, 3) == 0)
            continue;
        pair(&s, i, (rng_next(r) % (4 * SIZE_1G)) & ~(size - 1), size, types[rng_below(r, 5)]);
        if (rng_below(r, 8) == 0) /* masks may have holes */
            s.mask[i] &= ~(PAGE_SIZE << rng_below(r, 20));
    }
    pair(&s, 8, 0, 4 * SIZE_1G, MT_UC); /* beyond VCNT: not there */
    return s;
}

static bool naive_uniform(const struct mtrr_state *s, u64 hpa, u64 size)
{
    for (u64 a = hpa; a < hpa + size; a += PAGE_SIZE)
        if (naive_type(s, a) != naive_type(s, hpa))
            return false;
    return true;
}

static void check_block(const struct mtrr_state *s, u64 hpa, u64 size)
{
    u8 type = 0xff;
    bool got = mtrr_uniform(s, hpa, size, &type);

    assert_int_equal(mtrr_type(s, hpa), naive_type(s, hpa));
    assert_int_equal(type, naive_type(s, hpa));
    assert_int_equal(got, naive_uniform(s, hpa, size));
}

/* In these states every edge is far apart enough for the answer to be exact both ways. */
static void random_against_naive(void **state)
{
    (void)state;
    struct rng r = rng_start("h_mtrr");

    for (unsigned n = 0; n < 400; n++) {
        struct mtrr_state s = random_state(&r);

        for (unsigned k = 0; k < 40; k++) {
            u64 near = s.base[rng_below(&r, 8)] + (rng_below(&r, 5) - 2) * SIZE_2M;
            check_block(&s, near % (4 * SIZE_1G) & ~(SIZE_2M - 1), SIZE_2M);
        }
        check_block(&s, 0, SIZE_2M);
        if (n % 40 == 0)
            check_block(&s, 0, SIZE_1G);
    }
}

/* Inside the first MiB: blocks smaller than a fixed range, and blocks of many. */
static void uniform_over_fixed_ranges(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 88; i++) {
        struct mtrr_state s = blank(FIX | MT_WT);
        u64 size = i < 8 ? 0x10000 : i < 24 ? 0x4000 : 0x1000;
        u64 at = i < 8    ? i * 0x10000ull
                 : i < 24 ? 0x80000 + (i - 8) * 0x4000ull
                          : 0xc0000 + (i - 24) * 0x1000ull;
        u8 type;

        for (unsigned r = 0; r < 11; r++)
            s.fixed[r] = 0x0404040404040404ull;
        assert_true(mtrr_uniform(&s, 0, 0x100000, &type));
        assert_true(mtrr_uniform(&s, 0, SIZE_2M, &type));
        assert_int_equal(type, MT_WT);
        s.fixed[i / 8] ^= 0x02ull << (8 * (i % 8));
        assert_false(mtrr_uniform(&s, 0, 0x100000, &type));
        assert_true(mtrr_uniform(&s, at, size, &type));
        assert_int_equal(type, MT_WB);
        assert_true(mtrr_uniform(&s, at + size - PAGE_SIZE, PAGE_SIZE, &type));
        assert_int_equal(type, MT_WB);
        assert_false(mtrr_uniform(&s, at & ~0x1ffffull, 0x20000, &type));
        assert_true(mtrr_uniform(&s, 0x100000, 0x100000, &type));
    }
}

/* A mask with all its low bits gone matches every other page: the search stops at its bound
 * and says "not uniform", which is safe. */
static void fragmented_gives_up(void **state)
{
    (void)state;
    struct mtrr_state s = blank(ON | MT_WB);
    u8 type;

    s.base[0] = MT_WB;
    s.mask[0] = V | PAGE_SIZE; /* even pages, same type as the default */
    assert_false(mtrr_uniform(&s, 0, SIZE_1G, &type));
    assert_int_equal(type, MT_WB);
    assert_true(mtrr_uniform(&s, 0, PAGE_SIZE, &type));
    assert_true(mtrr_uniform(&s, 0, SIZE_2M, &type));
}

/* ---- WRMSR ---------------------------------------------------------------------------- */

static void types_a_write_accepts(void **state)
{
    (void)state;
    struct mtrr_state s = blank(0);

    for (u64 t = 0; t < 256; t++) {
        bool legal = t == 0 || t == 1 || t == 4 || t == 5 || t == 6;

        assert_int_equal(mtrr_write_legal(&s, MSR_IA32_MTRR_DEF_TYPE, t), legal);
        assert_int_equal(mtrr_write_legal(&s, MSR_IA32_MTRR_PHYSBASE0 + 14, t), legal);
        for (unsigned b = 0; b < 64; b += 8)
            assert_int_equal(mtrr_write_legal(&s, MSR_IA32_MTRR_FIX4K_F8000, t << b), legal);
    }
    s.cap &= ~MTRRCAP_WC;
    assert_false(mtrr_write_legal(&s, MSR_IA32_MTRR_DEF_TYPE, MT_WC));
    assert_false(mtrr_write_legal(&s, MSR_IA32_MTRR_PHYSBASE0, MT_WC));
    assert_false(mtrr_write_legal(&s, MSR_IA32_MTRR_FIX64K_00000, MT_WC));
}

static void bits_a_write_accepts(void **state)
{
    (void)state;
    struct mtrr_state s = blank(0);

    for (unsigned b = 8; b < 64; b++) {
        bool def = b == 10 || b == 11, base = b >= 12 && b < PA, mask = b >= 11 && b < PA;

        assert_int_equal(mtrr_write_legal(&s, MSR_IA32_MTRR_DEF_TYPE, BIT(b)), def);
        assert_int_equal(mtrr_write_legal(&s, MSR_IA32_MTRR_PHYSBASE0, BIT(b)), base);
        assert_int_equal(mtrr_write_legal(&s, MSR_IA32_MTRR_PHYSMASK0, BIT(b)), mask);
    }
    for (unsigned b = 0; b < 11; b++)
        assert_false(mtrr_write_legal(&s, MSR_IA32_MTRR_PHYSMASK0, BIT(b)));
}

/* All numbers around: which MSR is an MTRR, and that a legal write has a place to go. */
static void every_msr_number(void **state)
{
    (void)state;
    struct mtrr_state s = blank(0);
    unsigned found = 0;

    for (u32 msr = 0; msr < 0x2000; msr++) {
        u64 *reg = mtrr_reg(&s, msr);
        bool legal = mtrr_write_legal(&s, msr, 0);

        found += reg != NULL;
        assert_int_equal(legal, reg && msr != MSR_IA32_MTRRCAP);
        if (legal) {
            *reg = 0x0606060606060606ull + msr;
            assert_int_equal(*mtrr_reg(&s, msr), 0x0606060606060606ull + msr);
        }
    }
    assert_int_equal(found, 1 + 1 + 16 + 11);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(s.mask[i] - s.base[i], 1);
    s = blank(0);
    s.cap &= ~MTRRCAP_FIX;
    assert_null(mtrr_reg(&s, MSR_IA32_MTRR_FIX64K_00000));
    assert_false(mtrr_write_legal(&s, MSR_IA32_MTRR_FIX4K_C0000, 0));
}

/* Writing a fixed-range MSR changes the type of the ranges that its name tells. */
static void fixed_registers_by_name(void **state)
{
    (void)state;
    static const struct {
        u32 msr;
        u64 start, size;
    } row[] = {
        {0x250, 0x00000, 0x80000}, {0x258, 0x80000, 0x20000}, {0x259, 0xa0000, 0x20000},
        {0x268, 0xc0000, 0x8000},  {0x269, 0xc8000, 0x8000},  {0x26a, 0xd0000, 0x8000},
        {0x26b, 0xd8000, 0x8000},  {0x26c, 0xe0000, 0x8000},  {0x26d, 0xe8000, 0x8000},
        {0x26e, 0xf0000, 0x8000},  {0x26f, 0xf8000, 0x8000},
    };
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        struct mtrr_state s = blank(FIX | MT_UC);

        *mtrr_reg(&s, row[i].msr) = 0x0606060606060606ull;
        for (u64 a = 0; a < 0x100000; a += PAGE_SIZE)
            assert_int_equal(mtrr_type(&s, a), a - row[i].start < row[i].size ? MT_WB : MT_UC);
    }
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disabled_is_uc),
        cmocka_unit_test(default_type_elsewhere),
        cmocka_unit_test(precedence_of_pairs),
        cmocka_unit_test(three_ranges),
        cmocka_unit_test(count_and_reserved_types),
        cmocka_unit_test(fixed_ranges),
        cmocka_unit_test(random_against_naive),
        cmocka_unit_test(uniform_over_fixed_ranges),
        cmocka_unit_test(fragmented_gives_up),
        cmocka_unit_test(types_a_write_accepts),
        cmocka_unit_test(bits_a_write_accepts),
        cmocka_unit_test(every_msr_number),
        cmocka_unit_test(fixed_registers_by_name),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
