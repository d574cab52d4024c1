/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linear translations over VM entries and exits: an L1 without VPID relies on the flush that each
 * transition implies, for L2's mappings and for its own; one with VPIDs on INVVPID's four types.
 * And what INVEPT and INVVPID refuse.
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"

enum {
    PG_L2_PT = PG_L2_TABLES + 3,
    PG_L1_PT = PG_L1_TABLES + 6,
    TAG = 7,
    GLOBAL = 1 << 8,
    RWU = 7
};

static const char *letter(u64 v)
{
    return v == WORD_A ? "A" : v == WORD_B ? "B" : "other";
}

/* L2's own page-table entry of its spare page. */
static u64 *gpte(void)
{
    return (u64 *)arena(PG_L2_PT) + (L2_AT(P_SPARE) >> 12);
}

static const char *seen(void)
{
    ept_touch(ACCESS_READ, L2_AT(P_SPARE));
    if ((u32)l2_seen[VI_EXIT_REASON] != REASON_VMCALL)
        return ept_result();
    return letter(l2_seen_gpr[RAX]);
}

static void show(unsigned page, u64 flags)
{
    *gpte() = ARENA_AT(page) | RWU | flags;
}

static void world(bool ept, u64 vpid)
{
    ept_world(L2_64, 0);
    if (!ept)
        l2.f[VI_PROC2_CTL] = 0;
    if (vpid)
        l2.f[VI_PROC_CTL] |= PROC_SECONDARY;
    l2.f[VI_PROC2_CTL] |= vpid ? PROC2_VPID : 0;
    l2.f[VI_VPID] = vpid;
}

/* No VPID: what L1 changed in L2's tables holds from the next entry on. SDM 3C 29.4.3.1 "Operations
 * that Invalidate Cached Mappings" */
static void without_vpid(bool ept)
{
    const char *name = ept ? "ept" : "shadow";

    world(ept, 0);
    for (unsigned i = 0; i < 4; i++) {
        show(i % 2 ? PG_DATA_B : PG_DATA_A, i < 2 ? 0 : GLOBAL);
        gt_line("novpid.%s.turn %u: %s", name, i, seen());
    }
    *gpte() = 0;
    gt_line("novpid.%s.absent: %s cr2-like %lx", name, seen(), l2_seen[VI_EXIT_QUALIFICATION]);
}

/* The same for L1's own mapping of a page: changed, an entry and an exit, and no INVLPG. SDM 3C
 * 29.4.3.1 "Operations that Invalidate Cached Mappings" */
static void own_mapping(u64 vpid, bool flush)
{
    volatile u64 *at = (volatile u64 *)SPECIAL_AT(SP_RW);
    u64 *pte = (u64 *)arena(PG_L1_PT) + SP_RW, kept = *pte, got[2];

    world(true, vpid);
    for (unsigned i = 0; i < 2; i++) {
        *pte = ARENA_AT(i ? PG_DATA_B : PG_DATA_A) | RWU;
        if (flush)
            gt_invlpg((void *)at);
        else
            seen();
        got[i] = *at;
    }
    gt_line("own.vpid%lu%s: %s%s", vpid, flush ? ".invlpg" : "", letter(got[0]), letter(got[1]));
    *pte = kept;
    gt_invlpg((void *)at);
}

/* With a VPID each INVVPID type that reaches the translation makes the change certain. SDM 3C
 * 29.4.3.1 "Operations that Invalidate Cached Mappings" */
static void with_vpid(bool ept)
{
    static const char *const name[4] = {"address", "single", "all", "single_keep_globals"};

    for (u64 type = 0; type < 4; type++) {
        world(ept, TAG);
        show(PG_DATA_A, 0);
        ept_invvpid(INVVPID_ALL, 0, 0);
        seen();
        show(PG_DATA_B, 0);
        ept_invvpid(type, TAG, L2_AT(P_SPARE));
        gt_line("vpid.%s.%s: %s", ept ? "ept" : "shadow", name[type], seen());
    }
    world(ept, TAG);
    show(PG_DATA_A, GLOBAL);
    l2.f[VI_GUEST_CR4] |= 1 << 7;
    ept_invvpid(INVVPID_ONE, TAG, 0);
    seen();
    show(PG_DATA_B, GLOBAL);
    ept_invvpid(INVVPID_ONE, TAG, 0);
    gt_line("vpid.%s.global page single: %s", ept ? "ept" : "shadow", seen());
    show(PG_DATA_A, GLOBAL);
    ept_invvpid(INVVPID_ADDRESS, TAG, L2_AT(P_SPARE));
    gt_line("vpid.%s.global page address: %s", ept ? "ept" : "shadow", seen());
}

/* Many VPIDs, more than L0 has tags for: each sees its own tables, first and second time. SDM
 * 3C 29.4.3.1 "Operations that Invalidate Cached Mappings" */
static void many(void)
{
    enum { TAGS = 80 };

    world(true, 1);
    for (unsigned turn = 0; turn < 2; turn++) {
        unsigned wrong = 0;

        for (u64 tag = 1; tag <= TAGS; tag++) {
            unsigned page = (tag + turn) % 2 ? PG_DATA_A : PG_DATA_B;

            l2.f[VI_VPID] = tag * 257 & 0xffff;
            show(page, 0);
            ept_invvpid(INVVPID_ONE, l2.f[VI_VPID], 0);
            wrong += seen()[0] != (page == PG_DATA_A ? 'A' : 'B');
        }
        gt_line("many.turn %u: %u wrong", turn, wrong);
    }
}

/* L2 changes its own tables: INVLPG, MOV CR3 and a flushless upgrade work as without L0. SDM 3A
 * 4.10.4.1 "Operations that Invalidate TLBs and Paging-Structure Caches" */
static void inside(u64 vpid)
{
    /* read, write PTE, INVLPG, read */
    static const char by_invlpg[] = "\x48\x8b\x03\x48\x89\x17\x0f\x01\x3b\x48\x8b\x0b";
    static const char by_cr3[] =
        "\x48\x8b\x03\x48\x89\x17\x41\x0f\x20\xd8\x41\x0f\x22\xd8\x48\x8b\x0b";

    for (unsigned i = 0; i < 2; i++) {
        world(true, vpid);
        show(PG_DATA_A, 0);
        *((u64 *)arena(PG_L2_PT) + (L2_AT(P_NX) >> 12)) = ARENA_AT(PG_L2_PT) | RWU;
        ept_invvpid(INVVPID_ALL, 0, 0);
        l2_code(i ? by_cr3 : by_invlpg, i ? sizeof by_cr3 - 1 : sizeof by_invlpg - 1);
        l2.gpr[RBX] = L2_AT(P_SPARE);
        l2.gpr[RDI] = L2_AT(P_NX) + (L2_AT(P_SPARE) >> 12) * 8;
        l2.gpr[RDX] = ARENA_AT(PG_DATA_B) | RWU;
        l2_write();
        l2_enter(false);
        gt_line("inside.vpid%lu.%s: %s then %s (%s)", vpid, i ? "cr3" : "invlpg",
                letter(l2_seen_gpr[RAX]), letter(l2_seen_gpr[RCX]), ept_result());
    }
}

static int invept_raw(u64 type, u64 lo, u64 hi)
{
    struct {
        u64 lo, hi;
    } d = {lo, hi};

    return VMX_INSN("invept %2, %3", "m"(d), "r"(type));
}

/* SDM 3C 31.3 "VMX Instructions": the types, the EPTP as an entry would judge it, the VPID. Each
 * refusal is VMfailValid 28. SDM 3C 31.4 "VM Instruction Error Numbers" */
static void refusals(void)
{
    u64 good = ARENA_AT(PG_E_PML4) | EPTP_WALK4_WB;
    static const u64 types[] = {0, 1, 2, 3, 4, 7, 0x80000001};

    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        gt_line("invept.type %lx: %d", types[i], invept_raw(types[i], good, 0));
        gt_line("invvpid.type %lx: %d", types[i], ept_invvpid(types[i], 1, 0));
        gt_line("invvpid.type %lx vpid 0: %d", types[i], ept_invvpid(types[i], 0, 0));
        gt_line("invvpid.type %lx vpid high: %d", types[i], ept_invvpid(types[i], 0x10001, 0));
        gt_line("invvpid.type %lx noncanonical: %d", types[i],
                ept_invvpid(types[i], 1, 0x800000000000));
    }
    for (unsigned bit = 0; bit < 64; bit++)
        if (bit < 12 || bit >= 40)
            gt_line("invept.eptp bit %u: %d error %lu", bit, invept_raw(1, good ^ 1ul << bit, 0),
                    vmx_get(V_INSN_ERROR));
    /* Bits 127:64 are reserved, but no step of the operation reads them. */
    for (unsigned bit = 0; bit < 64; bit += 21)
        gt_line("invept.upper bit %u: %d", bit, invept_raw(1, good, 1ul << bit));
    gt_line("invept.all with garbage: %d", invept_raw(2, ~0ul, ~0ul));
    gt_line("invvpid.all with garbage address: %d", ept_invvpid(2, 0, ~0ul >> 1));
}

TEST_MAIN(ept_vpid)
{
    vmx_begin();
    if (ept_usable() && vmx_has2(PROC2_VPID) && vmx_on()) {
        l2_init();
        for (unsigned ept = 0; ept < 2; ept++) {
            without_vpid(ept);
            with_vpid(ept);
        }
        own_mapping(0, false);
        own_mapping(0, true);
        own_mapping(TAG, true);
        many();
        inside(0);
        inside(TAG);
        refusals();
    }
    vmx_end();
}
