/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Violations beside a page that L2 has just used: every right, memory type and reserved bit of a
 * leaf, and every right of the table above it, with accessed and dirty flags off and on. L1 puts
 * another table above the leaf. Then L1 gives L2 page after page, and takes one away again.
 *
 * Right: What L2 used before makes no difference to what another entry allows. SDM 3C 29.3.2 "EPT
 * Translation Mechanism", SDM 3C 29.3.3 "EPT-Induced VM Exits"
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"

u64 vmx_bench_fill(u64 exits, u64 reason, u64 *leaves, u64 leaf, u64 from) GT_HIDDEN;

enum { BESIDE = 24, PAGES = 40 };

static const struct {
    const char *name;
    u64 bits;
} leaves[] = {
    {"rwx", E_RWX | E_WB},
    {"r", E_R | E_WB},
    {"rw", E_R | E_W | E_WB},
    {"rx", E_R | E_X | E_WB},
    {"x", E_X | E_WB},
    {"w", E_W | E_WB},
    {"wx", E_W | E_X | E_WB},
    {"absent", E_WB},
    {"uncached", E_RWX},
    {"type 2", E_RWX | 2 << 3},
    {"type 3", E_RWX | 3 << 3},
    {"type 7", E_RWX | 7 << 3},
    {"pat ignored", E_RWX | E_WB | E_IPAT},
    {"no ve", E_RWX | E_WB | E_SUPPRESS},
    {"bit 11", E_RWX | E_WB | E_IGNORED},
    {"bit 13", E_RWX | E_WB | 1 << 13},
    {"bit 51", E_RWX | E_WB | 1ul << 51},
    {"bit 52", E_RWX | E_WB | 1ul << 52},
    {"accessed", E_RWX | E_WB | E_A},
    {"dirty", E_RWX | E_WB | E_A | E_D},
    {"r dirty", E_R | E_WB | E_A | E_D},
};
static const u64 uppers[] = {E_RWX, E_R, E_R | E_X, E_R | E_W};

/* L2 reads at RBX, then accesses RSI. */
static void access(enum ept_access how, u64 first, u64 at)
{
    static const char code[ACCESSES][7] = {"\x48\x8b\x03\x48\x8b\x06", "\x48\x8b\x03\x48\x89\x06",
                                           "\x48\x8b\x03\x48\x01\x06", "\x48\x8b\x03\xff\xe6"};

    l2_code(code[how], how == ACCESS_FETCH ? 5 : 6);
    l2.gpr[RBX] = first;
    l2.gpr[RSI] = how == ACCESS_FETCH ? at + FETCH_AT : at;
    l2.gpr[RAX] = 0x1234;
    l2_write();
    l2_enter(false);
}

/* One leaf beside another of the same table, with these rights of the table's entry. */
static void one(bool large, unsigned l, unsigned u, enum ept_access how, u64 eptp_flags)
{
    u64 used = eptp_flags ? E_A | E_D : 0, at = AT_4K + BESIDE * 4096ul, first = AT_4K;
    u64 *leaf, shown = ARENA_AT(PG_DATA_A);

    ept_world(L2_64, eptp_flags);
    if (large) {
        first = AT_2M;
        at = AT_2M + (BESIDE << 21);
        shown = ARENA | E_PS;
        *ept_entry(AT_4K, 3) = (*ept_entry(AT_4K, 3) & ~E_RWX) | uppers[u] | (used & E_A);
    }
    *ept_entry(first, large ? 2 : 1) |= used;
    leaf = ept_entry(at, large ? 2 : 1);
    *leaf = shown | leaves[l].bits;
    if (!large)
        *ept_entry(at, 2) = (*ept_entry(at, 2) & ~E_RWX) | uppers[u] | (used & E_A);
    ept_invept(INVEPT_ALL, 0);
    access(how, first, at);
    gt_line("%s %s%s, upper %lx, %s: %s, then %lx", large ? "2m" : "4k", leaves[l].name,
            eptp_flags ? " ad" : "", uppers[u], ept_access_name[how], ept_result(),
            *leaf & (E_A | E_D));
}

static void all(bool large, u64 eptp_flags)
{
    for (unsigned l = 0; l < sizeof leaves / sizeof *leaves; l++)
        for (unsigned u = 0; u < sizeof uppers / sizeof *uppers; u++)
            for (unsigned how = 0; how < ACCESSES; how += how ? 2 : 1)
                if (u == 0 || l < 8)
                    one(large, l, u, (enum ept_access)how, eptp_flags);
}

/* L1 answers each violation with the leaf. What the last one tells it, and that INVEPT ends it. */
static void filled(bool write, u64 eptp_flags, u64 leaf)
{
    /* RBX from, RCX times, RDX step: access, add, loop */
    static const char reads[] = "\x48\x8b\x03\x48\x01\xd3\x48\xff\xc9\x75\xf5";
    static const char writes[] = "\x48\x89\x03\x48\x01\xd3\x48\xff\xc9\x75\xf5";
    const char *how = write ? "write" : "read";
    u64 *pt = arena(PG_E_PT1), ticks;

    ept_world(L2_64, eptp_flags);
    gt_zero_pages(pt, 1);
    for (unsigned level = 2; level < 5; level++)
        *ept_entry(AT_4K, level) |= E_A;
    ept_invept(INVEPT_ALL, 0);
    l2_code(write ? writes : reads, sizeof reads - 1);
    l2_write();
    ticks = vmx_bench_fill(PAGES, REASON_EPT_VIOLATION, pt, ARENA_AT(PG_DATA_A) | leaf, AT_4K);
    l1_state_restore();
    gt_check(ticks != 0, "filled %s: exit %lx", how, vmx_get(V_EXIT_REASON));
    gt_line("filled %s%s: q %lx gpa %lx gla %lx, leaves %lx %lx", how, eptp_flags ? " ad" : "",
            vmx_get(V_EXIT_QUALIFICATION), vmx_get(V_GUEST_PHYSICAL_ADDR),
            vmx_get(V_GUEST_LINEAR_ADDR), pt[0] & ~E_ADDR, pt[PAGES - 2] & ~E_ADDR);
    pt[PAGES - 2] = ARENA_AT(PG_DATA_B) | E_R | E_WB | E_A;
    ept_invept(INVEPT_ALL, 0);
    access(ACCESS_READ, AT_4K, AT_4K + (PAGES - 2) * 4096);
    gt_line("shown another: %s, %lx", ept_result(), l2_seen_gpr[RAX]);
    access(ACCESS_WRITE, AT_4K, AT_4K + (PAGES - 2) * 4096);
    gt_line("not writable: %s", ept_result());
}

/* L1 puts another table, in which the leaf is another one, in place of the one that L2 has used,
 * and executes no INVEPT: the walk of a page that L2 has not used goes by the new table. */
static void exchanged(u64 old, u64 new, enum ept_access how, u64 eptp_flags)
{
    u64 used = eptp_flags ? E_A | E_D : 0, at = AT_4K + BESIDE * 4096ul;
    u64 *other = arena(PG_EPT_FREE);

    ept_world(L2_64, eptp_flags);
    *ept_entry(AT_4K, 1) |= used;
    access(ACCESS_READ, AT_4K, AT_4K); /* a leaf that L1 adds after an exit may be cached unused */
    *ept_entry(at, 1) = old ? ARENA_AT(PG_DATA_A) | E_WB | used | old : 0;
    gt_zero_pages(other, 1);
    other[0] = *ept_entry(AT_4K, 1);
    other[BESIDE] = new ? ARENA_AT(PG_DATA_B) | E_WB | used | new : 0;
    *ept_entry(AT_4K, 2) = ARENA_AT(PG_EPT_FREE) | E_RWX | (used & E_A);
    access(how, AT_4K, at);
    gt_line("another table%s, %lx then %lx, %s: %s, %lx", eptp_flags ? " ad" : "", old, new,
            ept_access_name[how], ept_result(), l2_seen_gpr[RAX]);
}

/* L2 reads each page and then writes it, which L1 permits at the violation. The last page it gives
 * another frame instead, without INVEPT: a violation ends what was cached for its address. */
static void refused(u64 eptp_flags)
{
    /* RBX from, RCX times, RDX step: read, write, add, loop */
    static const char code[] = "\x48\x8b\x03\x48\x89\x03\x48\x01\xd3\x48\xff\xc9\x75\xf2";
    u64 *pt = arena(PG_E_PT1), leaf = ARENA_AT(PG_DATA_A) | E_WB | E_A | E_D, ticks;

    ept_world(L2_64, eptp_flags);
    for (unsigned i = 0; i < PAGES; i++)
        pt[i] = leaf | E_R;
    ept_invept(INVEPT_ALL, 0);
    l2_code(code, sizeof code - 1);
    l2_write();
    ticks = vmx_bench_fill(PAGES, REASON_EPT_VIOLATION, pt, leaf | E_RWX, AT_4K);
    l1_state_restore();
    gt_check(ticks != 0, "refused: exit %lx", vmx_get(V_EXIT_REASON));
    gt_line("refused%s: q %lx gpa %lx", eptp_flags ? " ad" : "", vmx_get(V_EXIT_QUALIFICATION),
            vmx_get(V_GUEST_PHYSICAL_ADDR));
    pt[PAGES - 1] = ARENA_AT(PG_DATA_B) | E_R | E_WB | E_A;
    access(ACCESS_READ, AT_4K, AT_4K + (PAGES - 1) * 4096);
    gt_line("refused%s.then: %s, %lx", eptp_flags ? " ad" : "", ept_result(), l2_seen_gpr[RAX]);
}

TEST_MAIN(ept_short)
{
    static const u64 rights[] = {0, E_R, E_RWX};
    u64 misconfigured;

    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        misconfigured = ept_l2_exits(REASON_EPT_MISCONFIG);
        for (unsigned i = 0; i < 4; i++)
            all(i & 1, i & 2 ? EPTP_AD_ON : 0);
        /* what a hypervisor below gives to the processor is never misconfigured */
        gt_line("misconfigured below: %lu", ept_l2_exits(REASON_EPT_MISCONFIG) - misconfigured);
        for (unsigned i = 0; i < 2 * 2 * 3 * 3; i++)
            exchanged(rights[i / 4 % 3], rights[i / 12], i & 1 ? ACCESS_WRITE : ACCESS_READ,
                      i & 2 ? EPTP_AD_ON : 0);
        refused(0);
        refused(EPTP_AD_ON);
        filled(false, 0, E_RWX | E_WB);
        filled(true, 0, E_RWX | E_WB);
        filled(false, EPTP_AD_ON, E_RWX | E_WB | E_A | E_D);
        filled(true, EPTP_AD_ON, E_RWX | E_WB | E_A | E_D);
        filled(true, EPTP_AD_ON, E_RWX | E_WB);
    }
    vmx_end();
}
