/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every combination of rights in all entries of a translation, from the PML4's down to a leaf of
 * each size, against every access, without and with accessed and dirty flags: 37,376 runs of L2. A
 * flat reading of the SDM in this file says which exit is due; a digest of everything seen is
 * printed. The place is above 512 GiB, so that its PML4 entry is not that of L2's code. SDM 3C
 * 29.3.3.1 "EPT Misconfigurations", SDM 3C 29.3.3.2 "EPT Violations"
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"

enum {
    PG_PDPT = PG_EPT_FREE,
    PG_PD,
    PG_PT,
    RIGHTS = 8,
    GUEST_LARGE = 0xe7,
    LINEAR_SLOT = 3,
    CODE_STEP = 64
};
#define PLACE 0x8000000000ul /* guest-physical; linear: LINEAR_SLOT GiB */

static const struct place {
    const char *name;
    u64 offset;
    unsigned leaf; /* its level */
} places[] = {
    {"4k", 0, 1},
    {"2m", 0x200000 + PG_DATA_A * 4096ul, 2},
    {"1g", 0x40000000 + ARENA + PG_DATA_A * 4096ul, 3},
};

static u64 *entry[5]; /* by level, of the place at work */

static void build(const struct place *p)
{
    u64 *pdpt = arena(PG_PDPT), *guest = arena(PG_L2_TABLES + 1);
    unsigned second = p->offset >= 0x40000000;

    SetMem(pdpt, 3 * 4096, 0);
    entry[4] = (u64 *)arena(PG_E_PML4) + 1;
    entry[3] = pdpt + second;
    entry[2] = (u64 *)arena(PG_PD) + (p->leaf == 2);
    entry[1] = (u64 *)arena(PG_PT);
    *entry[4] = ARENA_AT(PG_PDPT);
    *entry[3] = p->leaf == 3 ? E_WB | E_PS : ARENA_AT(PG_PD);
    *entry[2] = p->leaf == 2 ? ARENA | E_WB | E_PS : ARENA_AT(PG_PT);
    *entry[1] = ARENA_AT(PG_DATA_A) | E_WB;
    guest[LINEAR_SLOT] = PLACE | GUEST_LARGE;
    guest[LINEAR_SLOT + 1] = (PLACE + 0x40000000) | GUEST_LARGE;
}

/* One snippet per access, at fixed places of L2's code page. */
static void place_code(void)
{
    static const char code[ACCESSES][7] = {"\x48\x8b\x03\x0f\x01\xc1", "\x48\x89\x03\x0f\x01\xc1",
                                           "\x48\x01\x03\x0f\x01\xc1", "\xff\xe3"};

    for (unsigned access = 0; access < ACCESSES; access++)
        CopyMem((u8 *)arena(PG_L2 + P_CODE) + access * CODE_STEP, (void *)code[access], 6);
}

/* Bits 11:9 tell of L2's own paging, on processors that have them: a user page that can be written
 * and executed. SDM 3C 28.2.1 "Basic VM-Exit Information" */
#define ADVANCED  0xe00ul
#define USER_OPEN 0x600ul
static bool advanced;

/* What is due: the exit reason, and of a violation bits 5:3 of the qualification. */
static u32 due(const struct place *p, u64 access, u64 *rights)
{
    *rights = E_RWX;
    for (unsigned level = 4; level >= p->leaf; level--) {
        u64 r = *entry[level] & E_RWX;

        *rights &= r;
        if (!r)
            return REASON_EPT_VIOLATION;
        if ((r & (E_R | E_W)) == E_W)
            return REASON_EPT_MISCONFIG; /* execute-only is offered by every machine we know */
    }
    return access & ~*rights ? REASON_EPT_VIOLATION : REASON_VMCALL;
}

static u64 flags_seen(const struct place *p)
{
    u64 flags = 0;

    for (unsigned level = 4; level >= p->leaf; level--) {
        flags = flags << 2 | (*entry[level] >> 8 & 3);
        *entry[level] &= ~(E_A | E_D);
    }
    return flags;
}

/* A in every entry, D in the leaf for a write. */
static u64 flags_due(const struct place *p, u64 access, bool ad)
{
    u64 flags = access & E_W ? 3 : 1;

    for (unsigned level = 4; level > p->leaf; level--)
        flags |= 1ul << 2 * (level - p->leaf);
    return ad ? flags : 0;
}

static u64 mix(u64 digest, u64 v)
{
    return (digest ^ v) * 0x100000001b3ul;
}

static u64 one(const struct place *p, enum ept_access access, bool ad, u64 digest)
{
    static const u64 needs[ACCESSES] = {E_R, E_W, E_R | E_W, E_X};
    u64 rights, q, flags,
        at = ((u64)LINEAR_SLOT << 30) + p->offset + (access == ACCESS_FETCH ? FETCH_AT : 0);
    u32 reason, want = due(p, needs[access], &rights);

    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    l2.gpr[RBX] = at;
    l2_again(L2_AT(P_CODE) + access * CODE_STEP);
    reason = (u32)l2_seen[VI_EXIT_REASON];
    q = l2_seen[VI_EXIT_QUALIFICATION];
    flags = flags_seen(p);
    gt_check(reason == want, "%s: rights %lx %lx %lx %lx, access %u: exit %u, due %u", p->name,
             *entry[4] & 7, *entry[3] & 7, *entry[2] & 7, *entry[1] & 7, access, reason, want);
    if (reason == REASON_VMCALL)
        gt_check(flags == flags_due(p, needs[access], ad), "%s: access %u: flags %lx", p->name,
                 access, flags);
    if (reason == REASON_EPT_VIOLATION) {
        gt_check((q & 0x11f8) == (0x180 | rights << 3) && (q & needs[access]) &&
                     !(q & 7 & ~needs[access]),
                 "%s: access %u, rights %lx: q %lx", p->name, access, rights, q);
        gt_check(l2_seen[VI_GUEST_PHYSICAL_ADDR] == PLACE + at - ((u64)LINEAR_SLOT << 30) &&
                     l2_seen[VI_GUEST_LINEAR_ADDR] == at,
                 "%s: gpa %lx gla %lx", p->name, l2_seen[VI_GUEST_PHYSICAL_ADDR],
                 l2_seen[VI_GUEST_LINEAR_ADDR]);
        if (advanced)
            gt_check((q & ADVANCED) == USER_OPEN, "%s: access %u: q %lx", p->name, access, q);
        digest = mix(digest, advanced ? q : q & ~ADVANCED);
    }
    *(u64 *)arena(PG_DATA_A) = WORD_A;
    return mix(mix(digest, reason), flags);
}

/* All rights below a PML4 entry, one access: a line. */
static void below(const struct place *p, u64 upper, enum ept_access access, bool ad)
{
    unsigned levels = 4 - p->leaf;
    u64 digest = 0xcbf29ce484222325;

    *entry[4] = (*entry[4] & ~E_RWX) | upper;
    for (u64 i = 0; i < 1ul << 3 * levels; i++) {
        for (unsigned level = p->leaf; level < 4; level++)
            *entry[level] = (*entry[level] & ~E_RWX) | (i >> 3 * (level - p->leaf) & 7);
        digest = one(p, access, ad, digest);
    }
    gt_line("%s%s.pml4e %lx.%s: %lx", p->name, ad ? ".ad" : "", upper, ept_access_name[access],
            digest);
}

TEST_MAIN(ept_every)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        advanced = gt_rdmsr(MSR_EPT_VPID_CAP) >> 22 & 1;
        for (unsigned i = 0; i < 6; i++) {
            ept_world(L2_64, i & 1 ? EPTP_AD_ON : 0);
            build(&places[i / 2]);
            ept_touch(ACCESS_READ, L2_AT(P_DATA));
            place_code();
            for (u64 upper = 0; upper < RIGHTS; upper++)
                for (unsigned access = 0; access < ACCESSES; access++)
                    below(&places[i / 2], upper, access, i & 1);
            l1_state_restore();
        }
    }
    vmx_end();
}
