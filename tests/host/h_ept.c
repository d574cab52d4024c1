/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The EPT walk (composition: h_ept_compose.c). A sparse four-level table in the test's memory;
 * expectations come from a second implementation of the SDM's sentences in this file, written
 * flat, and from exhaustive loops over permissions, types, sizes and flags.
 */
#include "hv/ept/ept.h"
#include "hv/arch/msr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define PA   40u
#define ROOT 0x10000ull
#define CAP_ALL \
    (EPT_CAP_EXECUTE_ONLY | EPT_CAP_2M | EPT_CAP_1G | EPT_CAP_AD | EPT_CAP_ADV_EXIT_INFO)
#define GPA 0x0000123456789abcull

/* Four entries on one path: entry[4] in the PML4 page, entry[1] in the page table. */
static u64 entry[5];
static u32 fetches;

static u64 table_of(u32 level)
{
    return ROOT + (4 - level) * 0x5000ull;
}

static u64 fetch(void *ctx, gpa1_t at)
{
    (void)ctx;
    fetches++;
    for (u32 level = 4; level >= 1; level--) {
        u64 index = GPA >> (12 + 9 * (level - 1)) & 511;
        if (at.a == table_of(level) + 8 * index)
            return entry[level];
    }
    fail_msg("fetch of 0x%llx", (unsigned long long)at.a);
    return 0;
}

static struct ept_env env;
static struct ept_walk w;

/* A full path of tables down to a leaf of the level, RWX, write-back. */
static void path(u32 leaf)
{
    env = (struct ept_env){.eptp = ROOT | EPTP_WALK_4 | MT_WB,
                           .ept_vpid_cap = CAP_ALL,
                           .maxphyaddr = PA,
                           .fetch = fetch};
    for (u32 level = 4; level > 1; level--)
        entry[level] = table_of(level - 1) | EPT_RWX;
    u64 base = 0x7ffffff000ull & ~((1ull << (12 + 9 * (leaf - 1))) - 1);
    entry[leaf] = base | EPT_RWX | EPT_MT(MT_WB) | (leaf > 1 ? EPT_PS : 0);
}

static enum ept_result walk(u64 qual)
{
    fetches = 0;
    struct ept_from root = ept_from_root(env.eptp);
    ept_walk_from(&env, &root, GPA2(GPA), qual, &w);
    return w.result;
}

static void sizes_and_addresses(void **state)
{
    (void)state;
    for (u32 leaf = 1; leaf <= 3; leaf++) {
        u64 size = leaf == 1 ? 4096 : leaf == 2 ? SIZE_2M : SIZE_1G;

        path(leaf);
        assert_int_equal(walk(QUAL_EPT_READ), EPT_OK);
        assert_true(w.leaf.size == size);
        assert_true(w.leaf.base.a == (0x7ffffff000ull & ~(size - 1)));
        assert_int_equal(w.leaf.perm, 7);
        assert_true(w.leaf.entry == entry[leaf]);
        assert_int_equal(w.steps, 5 - leaf);
        assert_int_equal(fetches, 5 - leaf);
        for (u32 i = 0; i < w.steps; i++) {
            assert_true(w.step[i].entry == entry[4 - i] && w.step[i].next == entry[4 - i]);
            assert_true((w.step[i].at.a & ~0xfffull) == table_of(4 - i));
        }
    }
}

/* Every permission at every level, every access, with and without execute-only and A/D flags:
 * "write without read" and unsupported execute-only are misconfigurations where they stand; an
 * absent entry or a missing right is a violation whose bits 5:3 are the AND. */
static void expected(u32 leaf, u64 qual, bool ad, enum ept_result *result, u64 *want)
{
    bool walk_access = (qual & 0x180) == 0x80;
    u64 access = (qual & 7) | (ad && walk_access ? 3 : 0), perm = 7;

    *want = 0;
    for (u32 level = 4; level >= leaf; level--) {
        u64 p = entry[level] & 7;

        perm &= p;
        if (p == 0)
            break;
        if (p == 2 || p == 6 || (p == 4 && !(env.ept_vpid_cap & EPT_CAP_EXECUTE_ONLY))) {
            *result = EPT_MISCONFIG;
            return;
        }
    }
    *result = access & ~perm ? EPT_VIOLATION : perm ? EPT_OK : EPT_VIOLATION;
    if (*result == EPT_VIOLATION)
        *want = access | perm << 3 | (qual & 0x80) | (qual & 0x80 ? qual & 0x100 : 0) |
                ((qual & 0x180) == 0x180 ? qual & 0xe00 : 0) | (qual & 0x1000);
}

static void permissions(u32 leaf, u64 qual, bool ad)
{
    u32 levels = 5 - leaf;

    path(leaf);
    env.eptp |= ad ? EPTP_AD : 0;
    for (u32 exec_only = 0; exec_only < 2; exec_only++)
        for (u32 i = 0; i < 1u << (3 * levels); i++) {
            enum ept_result result;
            u64 want;

            env.ept_vpid_cap = exec_only ? CAP_ALL : CAP_ALL & ~EPT_CAP_EXECUTE_ONLY;
            for (u32 k = 0; k < levels; k++)
                entry[leaf + k] = (entry[leaf + k] & ~7ull) | (i >> (3 * k) & 7);
            expected(leaf, qual, ad, &result, &want);
            assert_int_equal(walk(qual), result);
            if (result == EPT_VIOLATION)
                assert_true(w.qual == want);
            for (u32 k = 0; result != EPT_OK && k < w.steps; k++)
                assert_true(w.step[k].next == w.step[k].entry);
        }
}

static void every_permission(void **state)
{
    (void)state;
    static const u64 from[] = {0, 0x80, 0x100, 0x180, 0xf80, 0x1e00, 0xe80};

    for (u32 leaf = 1; leaf <= 3; leaf++)
        for (u64 access = 1; access < 8; access++)
            for (u32 f = 0; f < ARRAY_LEN(from); f++)
                for (u32 ad = 0; ad < 2; ad++)
                    permissions(leaf, access | from[f], ad);
}

/* Bits 11:9 only where L1's processor has advanced exit information. */
static void advanced_information_is_gated(void **state)
{
    (void)state;
    path(1);
    entry[1] = 0;
    assert_int_equal(walk(0xf81), EPT_VIOLATION);
    assert_true(w.qual == 0xf81);
    env.ept_vpid_cap &= ~EPT_CAP_ADV_EXIT_INFO;
    assert_int_equal(walk(0xf81), EPT_VIOLATION);
    assert_true(w.qual == 0x181);
}

/* Reserved bits typed from the figures of the entries' formats: PML4E 7:3; PDPTE and PDE of a
 * table 6:3; 1-GiB leaf 29:12; 2-MiB leaf 20:12; all: 51:MAXPHYADDR. */
static bool reserved(u32 level, u32 leaf, u32 bit, u32 maxphyaddr)
{
    if (bit >= maxphyaddr && bit <= 51)
        return true;
    if (level == 4)
        return bit >= 3 && bit <= 7;
    if (level > leaf)
        return bit >= 3 && bit <= 6;
    if (level == 3)
        return bit >= 12 && bit <= 29;
    if (level == 2)
        return bit >= 12 && bit <= 20;
    return false;
}

static void reserved_bits(void **state)
{
    (void)state;
    for (u32 pa = 36; pa <= 52; pa += 4)
        for (u32 leaf = 1; leaf <= 3; leaf++)
            for (u32 level = 4; level >= leaf; level--)
                for (u32 bit = 3; bit < 64; bit++) {
                    bool frame =
                        bit >= 12 && bit < pa && (level != leaf || !reserved(level, leaf, bit, pa));

                    path(leaf);
                    env.maxphyaddr = pa;
                    entry[leaf] &= ~0x7ffffff000ull;
                    if (level == leaf && bit >= 3 && bit <= 5)
                        continue; /* the memory type */
                    if (bit == 7 && (level == 2 || level == 3))
                        continue; /* it makes or unmakes the leaf */
                    if (frame && level != leaf)
                        continue; /* another table: not on the path */
                    entry[level] |= BIT(bit);
                    assert_int_equal(walk(QUAL_EPT_READ),
                                     reserved(level, leaf, bit, pa) ? EPT_MISCONFIG : EPT_OK);
                }
}

/* An absent entry may hold anything. */
static void absent_entries_are_ignored(void **state)
{
    (void)state;
    for (u32 level = 4; level >= 1; level--) {
        path(1);
        entry[level] = ~7ull;
        assert_int_equal(walk(QUAL_EPT_READ), EPT_VIOLATION);
        assert_true(w.suppress_ve);
        entry[level] = ~7ull & ~BIT(63);
        assert_int_equal(walk(QUAL_EPT_READ), EPT_VIOLATION);
        assert_false(w.suppress_ve);
        assert_int_equal(w.steps, 5 - level);
        path(1);
        entry[level] &= ~7ull; /* otherwise well formed: nothing below it is looked at */
        assert_int_equal(walk(QUAL_EPT_READ), EPT_VIOLATION);
        assert_int_equal(fetches, 5 - level);
    }
}

/* What L0 cannot read is all ones: a misconfiguration at once, never a further fetch. */
static void unreadable_table(void **state)
{
    (void)state;
    for (u32 level = 4; level >= 1; level--) {
        path(1);
        entry[level] = ~0ull;
        assert_int_equal(walk(QUAL_EPT_READ), EPT_MISCONFIG);
        assert_int_equal(fetches, 5 - level);
    }
}

static void memory_types_and_sizes(void **state)
{
    (void)state;
    for (u32 leaf = 1; leaf <= 3; leaf++)
        for (u64 type = 0; type < 8; type++)
            for (u32 ipat = 0; ipat < 2; ipat++) {
                bool legal = type == 0 || type == 1 || (type >= 4 && type <= 6);

                path(leaf);
                entry[leaf] = (entry[leaf] & ~EPT_MT_MASK) | type << 3 | ipat << 6;
                assert_int_equal(walk(QUAL_EPT_READ), legal ? EPT_OK : EPT_MISCONFIG);
                if (legal)
                    assert_true(w.leaf.entry == entry[leaf]);
            }
    path(2);
    env.ept_vpid_cap &= ~EPT_CAP_2M;
    assert_int_equal(walk(QUAL_EPT_READ), EPT_MISCONFIG);
    path(3);
    assert_int_equal(walk(QUAL_EPT_READ), EPT_OK);
    env.ept_vpid_cap &= ~EPT_CAP_1G;
    assert_int_equal(walk(QUAL_EPT_READ), EPT_MISCONFIG);
}

/* Permission beats nothing: a misconfigured leaf below a read-only table is a misconfiguration,
 * also for a write; and a right missing above an absent leaf shows in no bit. */
static void order_of_verdicts(void **state)
{
    (void)state;
    path(1);
    entry[3] &= ~EPT_W;
    entry[1] |= BIT(50);
    assert_int_equal(walk(QUAL_EPT_WRITE), EPT_MISCONFIG);
    entry[1] = 0;
    assert_int_equal(walk(QUAL_EPT_WRITE), EPT_VIOLATION);
    assert_true(w.qual == QUAL_EPT_WRITE);
}

/* SDM 3C 29.3.5 "Accessed and Dirty Flags for EPT" */
static void accessed_and_dirty(void **state)
{
    (void)state;
    for (u32 leaf = 1; leaf <= 3; leaf++)
        for (u32 i = 0; i < 64; i++) {
            bool ad = i & 1, write = i & 2, had_a = i & 4, had_d = i & 8, page_walk = i & 16,
                 ve = i & 32;
            u64 qual =
                (write ? QUAL_EPT_WRITE : QUAL_EPT_READ) | (page_walk ? QUAL_EPT_GLA_VALID : 0);

            path(leaf);
            env.eptp |= ad ? EPTP_AD : 0;
            for (u32 level = 4; level >= leaf; level--)
                entry[level] |= had_a ? EPT_A : 0;
            entry[leaf] |= (had_d ? EPT_D : 0) | (ve ? EPT_SUPPRESS_VE : 0);
            assert_int_equal(walk(qual), EPT_OK);
            for (u32 level = 4; level >= leaf; level--) {
                u64 want = entry[level] | (ad ? EPT_A : 0);
                if (ad && level == leaf && (write || page_walk))
                    want |= EPT_D;
                assert_true(w.step[4 - level].next == want);
            }
            assert_true(w.leaf.entry == w.step[w.steps - 1].next);
        }
}

/* Walk, then compose over an EPT01 that allows all: what the access needed is allowed, so the
 * same access does not come again. */
static void an_access_is_served_once(void **state)
{
    (void)state;
    struct ept01_leaf l01 = {HPA(0), SIZE_1G, 7};

    for (u32 leaf = 1; leaf <= 3; leaf++)
        for (u64 qual = 1; qual < 8; qual++)
            for (u32 ad = 0; ad < 2; ad++)
                for (u64 perm = 0; perm < 8; perm++) {
                    path(leaf);
                    env.eptp |= ad ? EPTP_AD : 0;
                    entry[leaf] = (entry[leaf] & ~7ull) | perm;
                    if (walk(qual) != EPT_OK)
                        continue;
                    struct compose_env c = {ad, SIZE_1G};
                    struct ept02_leaf l02 = ept_compose(&c, GPA2(GPA), &w.leaf, &l01);
                    assert_int_equal(qual & ~l02.entry & 7, 0);
                }
}

/* Begun lower down with what the upper entries allow, a walk finds the same and reads less. */
static void begun_lower(u32 leaf, u32 level, u64 qual, bool ad)
{
    for (u32 i = 0; i < 1u << (3 * (5 - leaf)); i++) {
        struct ept_walk whole;
        u8 perm = 7;

        path(leaf);
        env.eptp |= ad ? EPTP_AD : 0;
        for (u32 k = leaf; k <= 4; k++) {
            entry[k] = (entry[k] & ~7ull) | (i >> (3 * (k - leaf)) & 7);
            perm &= k > level ? (u8)entry[k] : 7;
        }
        walk(qual);
        whole = w;
        if (whole.steps <= 4 - level)
            continue; /* ended above: nothing to remember */
        struct ept_from from = {GPA1(table_of(level)), (u8)level, perm};
        fetches = 0;
        ept_walk_from(&env, &from, GPA2(GPA), qual, &w);
        assert_int_equal(w.result, whole.result);
        assert_int_equal(w.steps, whole.steps - (4 - level));
        assert_int_equal(fetches, w.steps);
        assert_memory_equal(w.step, whole.step + (4 - level), w.steps * sizeof *w.step);
        if (w.result == EPT_VIOLATION)
            assert_true(w.qual == whole.qual && w.suppress_ve == whole.suppress_ve);
        if (w.result == EPT_OK)
            assert_memory_equal(&w.leaf, &whole.leaf, sizeof w.leaf);
    }
}

static void every_beginning(void **state)
{
    (void)state;
    for (u32 leaf = 1; leaf <= 3; leaf++)
        for (u32 level = leaf; level <= 4; level++)
            for (u64 access = 1; access < 8; access++)
                for (u32 k = 0; k < 4; k++)
                    begun_lower(leaf, level, access | (k & 1 ? QUAL_EPT_GLA_VALID : 0), k & 2);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_addresses), cmocka_unit_test(every_permission),
        cmocka_unit_test(advanced_information_is_gated), cmocka_unit_test(reserved_bits),
        cmocka_unit_test(absent_entries_are_ignored), cmocka_unit_test(unreadable_table),
        cmocka_unit_test(memory_types_and_sizes), cmocka_unit_test(order_of_verdicts),
        cmocka_unit_test(accessed_and_dirty),
        cmocka_unit_test(an_access_is_served_once),
        cmocka_unit_test(every_beginning),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
