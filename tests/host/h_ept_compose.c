/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT02's leaves: every pair of permissions, types, sizes and flags of EPT12 over EPT01, with
 * random addresses (printed seed), against the two translations done one after the other. */
#include "hv/ept/ept.h"
#include "tests/lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static const u64 size_of[3] = {PAGE_SIZE, SIZE_2M, SIZE_1G};
static const u8 types[5] = {MT_UC, MT_WC, MT_WT, MT_WP, MT_WB};

static bool legal_perm(u64 p)
{
    return p == 0 || p == 1 || p == 3 || p == 4 || p == 5 || p == 7;
}

static void check_composed(const struct compose_env *c, u64 gpa2, const struct ept12_leaf *l12,
                           const struct ept01_leaf *l01)
{
    struct ept02_leaf l02 = ept_compose(c, GPA2(gpa2), l12, l01);
    u64 perm = l02.entry & 7, size = l12->size;

    if (l01->size < size)
        size = l01->size;
    if (c->max_size < size)
        size = c->max_size;
    assert_true(l02.size == size);
    assert_true(l02.base.a == gpa2 / size * size);

    bool tracked = c->ad && !any(l12->entry, EPT_D);
    u64 both = l12->perm & l01->perm & (tracked ? 5 : 7);
    assert_int_equal(perm, both);
    if (perm == 0) {
        assert_true(l02.entry == EPT02_EMPTY);
        return;
    }
    /* the translation is the two, one after the other */
    u64 gpa1 = l12->base.a + gpa2 % l12->size, hpa = l01->base.a + gpa1 % l01->size;
    assert_true((l02.entry & EPT_ADDR & ~(size - 1)) + gpa2 % size == hpa);
    assert_true((l02.entry & EPT_ADDR & (size - 1)) == 0);
    assert_int_equal((l02.entry & EPT_PS) != 0, size > PAGE_SIZE);
    /* type and IPAT: EPT12's */
    assert_false(any(l02.entry ^ l12->entry, EPT_MT_MASK | EPT_IPAT));
    /* never misconfigured */
    assert_true(legal_perm(perm));
    /* a #VE only with exactly L1's rights and L1's consent */
    assert_int_equal(!(l02.entry & BIT(63)), !any(l12->entry, BIT(63)) && perm == l12->perm);
    assert_int_equal((l02.entry & EPT_A) != 0, c->ad);
    assert_int_equal((l02.entry & EPT_D) != 0, c->ad && (perm & 2));
    assert_true((l02.entry & (EPT_XU | 0x7ff0000000000800ull)) == 0);
}

static void every_composition(void **state)
{
    (void)state;
    struct rng r = rng_start("h_ept");

    for (u32 i = 0; i < 27u * 64; i++) {
        u32 s12 = i % 3, s01 = i / 3 % 3, max = i / 9 % 3;
        u8 p12 = i / 27 % 8, p01 = (u8)(i / 216);

        if (!legal_perm(p12) || !legal_perm(p01))
            continue;
        for (u32 k = 0; k < 5u * 32; k++) {
            u64 gpa1 = rng_next(&r) & (BIT(39) - 1), hpa = rng_next(&r) & (BIT(39) - 1);
            u64 entry = EPT_MT(types[k % 5]) | (k & 1 ? EPT_IPAT : 0) | (k & 2 ? EPT_D : 0) |
                        (k & 4 ? EPT_SUPPRESS_VE : 0) | (s12 ? EPT_PS : 0) |
                        (rng_next(&r) & (0x7ff0000000000807 | EPT_A));
            struct ept12_leaf l12 = {GPA1(gpa1 & ~(size_of[s12] - 1)), size_of[s12], entry, p12};
            struct ept01_leaf l01 = {HPA(hpa & ~(size_of[s01] - 1)), size_of[s01], p01};
            struct compose_env c = {k & 8, size_of[max]};

            check_composed(&c, rng_next(&r) & (BIT(47) - 1), &l12, &l01);
        }
    }
}

static struct ept12_leaf leaf_of(u64 entry)
{
    return (struct ept12_leaf){GPA1(entry & EPT_ADDR), PAGE_SIZE, entry, entry & 7};
}

/* A leaf of EPT02 made from another one's is what the composition makes, and EPT12's flags of the
 * two are the same: what was set for the one need not be set for the other. */
static void leaves_alike(void **state)
{
    (void)state;
    static const u64 apart[] = {0,        0x1000,     0x7000,     0x1ff000,
                                0x200000, 0x3fe00000, 0x40000000, 0x3ffffff000};
    static const u64 flags[] = {0,       EPT_A, EPT_A | EPT_D, EPT_D, EPT_IPAT, EPT_SUPPRESS_VE,
                                BIT(11), EPT_W, EPT_X,         6 << 3};
    u32 made = 0;

    for (u32 i = 0; i < ARRAY_LEN(apart) * ARRAY_LEN(flags) * ARRAY_LEN(flags) * 3 * 2; i++) {
        u32 n = i / ARRAY_LEN(apart);
        u64 a = 0x2345678000 | EPT_RWX | EPT_MT(MT_WB), b = a ^ apart[i % ARRAY_LEN(apart)];
        a ^= flags[n % ARRAY_LEN(flags)];
        b ^= flags[n / ARRAY_LEN(flags) % ARRAY_LEN(flags)];
        n /= ARRAY_LEN(flags) * ARRAY_LEN(flags);
        bool ad = n / 3;
        struct compose_env c = {ad, SIZE_1G};
        struct ept01_leaf l01 = {HPA(0x5540000000), size_of[n % 3], 7};
        struct ept12_leaf la = leaf_of(a), lb = leaf_of(b);
        bool alike = ((a ^ b) & EPT_ADDR) < l01.size && ((a ^ b) & ~EPT_ADDR) == 0;

        assert_int_equal(ept_leaves_alike(a, b, &l01), alike);
        if (!alike)
            continue;
        made++;
        u64 made02 = ept_compose_alike(ept_compose(&c, GPA2(0x7000), &la, &l01).entry, b, &l01);
        assert_true(made02 == ept_compose(&c, GPA2(0x8000), &lb, &l01).entry);
    }
    assert_true(made > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_composition),
        cmocka_unit_test(leaves_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
