/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT12 of the nested guest tests: the tables, the two instructions that invalidate them, and L2's
 * single accesses. Contract in vmx_ept.h.
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"

enum {
    PML4E = 0,
    ARENA_2M = ARENA >> 21,
    NIDUS_EXITS = 0x40000002,
    OF_L2 = 1u << 31,
    GUEST_LEAF = 0xe7, /* present, writable, user, accessed, dirty, large */
};

const struct ept_place ept_place[3] = {{"4k", AT_4K, 1}, {"2m", AT_2M, 2}, {"1g", AT_1G, 3}};
const char *const ept_access_name[ACCESSES] = {"read", "write", "modify", "fetch"};

bool ept_usable(void)
{
    return vmx_has2(PROC2_EPT | PROC2_UNRESTRICTED);
}

static void build_data(unsigned page, u64 word)
{
    u8 *at = arena(page);

    gt_zero_pages(at, 1);
    *(u64 *)at = word;
    CopyMem(at + FETCH_AT, (void *)"\x0f\x01\xc1", 3);
}

/* An ignored bit differs from one build to the next, so that INVEPT leaves nothing
 * of the last one. */
static void build(void)
{
    static u64 mark;
    u64 *pml4 = arena(PG_E_PML4), *pdpt = arena(PG_E_PDPT), *pd0 = arena(PG_E_PD0),
        *pd1 = arena(PG_E_PD1);
    u64 *pt1 = arena(PG_E_PT1);

    gt_zero_pages(arena(PG_E_PML4), PG_DATA_A - PG_E_PML4);
    build_data(PG_DATA_A, WORD_A);
    build_data(PG_DATA_B, WORD_B);
    mark ^= E_IGNORED;
    pml4[PML4E] = ARENA_AT(PG_E_PDPT) | E_RWX | mark;
    pdpt[0] = ARENA_AT(PG_E_PD0) | E_RWX;
    pdpt[1] = ARENA_AT(PG_E_PD1) | E_RWX;
    pdpt[2] = E_RWX | E_WB | E_PS;
    pd0[ARENA_2M] = ARENA | E_RWX | E_WB | E_PS;
    pd1[0] = ARENA_AT(PG_E_PT1) | E_RWX;
    pd1[1] = ARENA | E_RWX | E_WB | E_PS;
    pt1[0] = ARENA_AT(PG_DATA_A) | E_RWX | E_WB;
}

void ept_window(void)
{
    u64 *pdpt = arena(PG_L2_TABLES + 1);

    pdpt[1] = 0x40000000 | GUEST_LEAF;
    pdpt[2] = 0x80000000 | GUEST_LEAF;
}

void ept_world(enum l2_mode mode, u64 eptp_flags)
{
    l2_world(mode);
    build();
    ept_window();
    l2.f[VI_PROC_CTL] |= PROC_SECONDARY;
    l2.f[VI_PROC2_CTL] |= PROC2_EPT;
    l2.f[VI_EPT_POINTER] = ARENA_AT(PG_E_PML4) | EPTP_WALK4_WB | eptp_flags;
    ept_invept(INVEPT_ALL, 0);
}

void ept_split(void)
{
    u64 *pd0 = arena(PG_E_PD0), *pt0 = arena(PG_E_PT0);

    for (u64 i = 0; i < 512; i++)
        pt0[i] = (ARENA + i * 4096) | E_RWX | E_WB;
    pd0[ARENA_2M] = ARENA_AT(PG_E_PT0) | E_RWX;
}

u64 *ept_entry(u64 gpa, unsigned level)
{
    u64 *table = arena(PG_E_PML4);

    for (unsigned l = 4;; l--) {
        u64 *entry = &table[gpa >> (12 + 9 * (l - 1)) & 511];

        if (l == level)
            return entry;
        table = (u64 *)(*entry & E_ADDR);
    }
}

u64 *ept_leaf_of(unsigned page)
{
    return (u64 *)arena(PG_E_PT0) + page;
}

int ept_invept(u64 type, u64 eptp)
{
    struct {
        u64 eptp, zero;
    } d = {eptp, 0};

    return VMX_INSN("invept %2, %3", "m"(d), "r"(type));
}

int ept_invvpid(u64 type, u64 vpid, u64 address)
{
    struct {
        u64 vpid, address;
    } d = {vpid, address};

    return VMX_INSN("invvpid %2, %3", "m"(d), "r"(type));
}

void ept_touch(enum ept_access access, u64 at)
{
    static const char code[ACCESSES][4] = {"\x48\x8b\x03", "\x48\x89\x03", "\x48\x01\x03",
                                           "\xff\xe3"};

    l2_code(code[access], access == ACCESS_FETCH ? 2 : 3);
    l2.gpr[RBX] = access == ACCESS_FETCH ? at + FETCH_AT : at;
    l2.gpr[RAX] = 0x1234;
    l2_write();
    l2_enter(false);
}

const char *ept_result(void)
{
    static char text[120];
    u32 reason = (u32)l2_seen[VI_EXIT_REASON];
    u64 q = l2_seen[VI_EXIT_QUALIFICATION], gpa = l2_seen[VI_GUEST_PHYSICAL_ADDR],
        gla = l2_seen[VI_GUEST_LINEAR_ADDR];

    if (l2_seen_rflags & FLAGS_ARITH)
        gt_format(text, sizeof text, "VMfail %lu", l2_seen[VI_INSN_ERROR]);
    else if (reason == REASON_VMCALL)
        gt_format(text, sizeof text, "done");
    else if (reason == REASON_EPT_VIOLATION && q & 0x80)
        gt_format(text, sizeof text, "exit 48 q %lx gla %lx gpa %lx", q, gla, gpa);
    else if (reason == REASON_EPT_VIOLATION || reason == REASON_EPT_MISCONFIG)
        gt_format(text, sizeof text, "exit %u q %lx gpa %lx", reason,
                  reason == REASON_EPT_VIOLATION ? q : 0, gpa);
    else
        gt_format(text, sizeof text, "exit %u q %lx intr %lx", reason, q,
                  l2_seen[VI_EXIT_INTR_INFO]);
    return text;
}

u64 ept_l2_exits(u32 reason)
{
    if (!gt_under_nidus())
        return 0;
    struct gt_cpuid r = gt_cpuid(NIDUS_EXITS, reason | OF_L2);
    return (u64)r.edx << 32 | r.eax;
}
