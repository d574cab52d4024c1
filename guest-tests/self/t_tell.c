/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An L1 that does one thing wrong at a time. What it prints is what it did and how that ended, the
 * same bare and under Nidus; what Nidus says of each mistake is judged by tools/rig/tell_test.py.
 *
 * Right: SDM 3C 31.3 "VMX Instructions", SDM 3C 27.2 "Checks on VMX Controls and Host-State Area",
 * SDM 3C 27.3 "Checking and Loading Guest State".
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/cpuid_bits.h"

/* ---- VM entries ------------------------------------------------------------------------------ */

static void refused(const char *name, unsigned field, u64 value)
{
    l2_world(L2_64);
    l2_code("", 0);
    l2.f[field] = value;
    l2_write();
    l2_enter(false);
    gt_line("%s: %s", name, l2_text());
}

static void entries(void)
{
    l2_world(L2_64);
    u64 pin = l2.f[VI_PIN_CTL], cs = l2.f[VI_HOST_CS_SEL], cr0 = l2.f[VI_GUEST_CR0],
        rflags = l2.f[VI_GUEST_RFLAGS];
    refused("pin", VI_PIN_CTL, pin | 1ul << 31);
    refused("selector", VI_HOST_CS_SEL, cs | 3);
    refused("cr0", VI_GUEST_CR0, cr0 & ~0x20ul);
    refused("link", VI_VMCS_LINK_PTR, 0x123);
    refused("rflags", VI_GUEST_RFLAGS, rflags & ~2ul);
    l2_world(L2_64);
    l2_code("", 0);
    l2.f[VI_GUEST_RFLAGS] &= ~2ul; /* three rules at once */
    l2.f[VI_GUEST_CR0] = cr0 & ~0x20ul;
    l2.f[VI_HOST_CS_SEL] = cs | 3;
    l2_write();
    l2_enter(false);
    gt_line("three: %s", l2_text());
}

/* ---- instructions ---------------------------------------------------------------------------- */

static void ended(const char *name, int status)
{
    if (status == VMX_FAIL_VALID)
        gt_line("%s: VMfail %lu", name, vmx_get(V_INSN_ERROR));
    else
        gt_line("%s: %s", name, status == VMX_OK ? "ok" : "VMfailInvalid");
}

static void instructions(void)
{
    l2_world(L2_64);
    l2_write();
    ended("field", vmx_vmwrite(0x7ffe, 1));
    ended("read only", vmx_vmwrite(V_EXIT_REASON, 1));
    *(u32 *)arena(PG_VMCS_B) = 0x77;
    ended("revision", vmx_vmptrld(ARENA_AT(PG_VMCS_B)));
    ended("alignment", vmx_vmptrld(ARENA_AT(PG_VMCS_B) + 8));
    ended("vmxon region", vmx_vmclear(ARENA_AT(PG_VMXON)));
    ended("invept type", ept_invept(7, 0));
    ended("invept descriptor", ept_invept(INVEPT_ONE, 0x123));
    ended("invvpid", ept_invvpid(INVVPID_ONE, 0, 0));
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    ended("no vmcs", vmx_vmwrite(V_GUEST_RIP, 1));
}

/* ---- stale translations ---------------------------------------------------------------------- */

static u64 shows(unsigned page)
{
    return ARENA_AT(page) | E_RWX | E_WB;
}

/* What L2 reads is not printed: it may be either. */
static void use(const char *name)
{
    gt_line("%s: L2 runs", name);
    ept_touch(ACCESS_READ, AT_4K);
    gt_line("%s: %s", name, ept_result());
}

/* More stale entries than L0 remembers, and L2 uses one of them: it must come to its end. */
static void many(void)
{
    u64 *pt = arena(PG_E_PT1);
    *ept_entry(AT_4K, 2) = ARENA_AT(PG_E_PT1) | E_RWX;
    for (unsigned i = 0; i < 512; i++)
        pt[i] = shows(PG_DATA_A);
    ept_invept(INVEPT_ALL, 0);
    for (unsigned i = 0; i < 160; i += 8)
        ept_touch(ACCESS_READ, AT_4K + i * 4096ul);
    for (unsigned i = 0; i < 512; i++)
        pt[i] = shows(PG_DATA_B);
    use("many");
    for (unsigned i = 0; i < 512; i++)
        pt[i] = shows(PG_DATA_A);
    ept_invept(INVEPT_ALL, 0);
}

static void translations(void)
{
    u64 *leaf, *upper;
    ept_world(L2_64, 0);
    leaf = ept_entry(AT_4K, 1);
    upper = ept_entry(AT_4K, 2);
    use("first");
    *leaf = shows(PG_DATA_B);
    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    use("with invept");
    *leaf = shows(PG_DATA_A);
    use("without invept");
    use("without invept again");
    ept_invept(INVEPT_ALL, 0);
    use("after invept");
    *leaf = shows(PG_DATA_B);
    ended("invept of nothing", ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER] | 0x80));
    use("invept of nothing");
    *leaf = shows(PG_DATA_A) & ~(E_W | E_X);
    ept_invept(INVEPT_ALL, 0);
    use("read-only");
    *leaf = shows(PG_DATA_A);
    use("more rights");
    CopyMem(arena(PG_EPT_FREE), arena(PG_E_PT1), 4096);
    *upper = ARENA_AT(PG_EPT_FREE) | E_RWX;
    use("table moved");
    ept_invept(INVEPT_ALL, 0);
    many();
    use("end");
}

/* ---- flushes that flush nothing -------------------------------------------------------------- */

/* What Nidus has counted; 0 on a bare machine. */
static u32 refusals(u32 which)
{
    return gt_under_nidus() ? gt_cpuid(LEAF_NIDUS_FAILS, which).eax : 0;
}

/* As hypervisors do it that were never told: the address of the tables without the type and the
 * length of the walk, another memory type, a VPID wider than 16 bits. */
static void flushes(void)
{
    enum { OF_INVEPT = 29, OF_INVVPID = 30 };
    u32 invepts = refusals(OF_INVEPT), invvpids = refusals(OF_INVVPID), sum = refusals(28);
    u64 eptp = ARENA_AT(PG_E_PML4);

    l2_world(L2_64);
    l2_write();
    ended("flush bare address", ept_invept(INVEPT_ONE, eptp));
    ended("flush memory type", ept_invept(INVEPT_ONE, eptp | 3 << 3 | 2));
    ended("flush walk length", ept_invept(INVEPT_ONE, eptp | 2 << 3 | 6));
    ended("flush reserved bits", ept_invept(INVEPT_ONE, eptp | 3 << 3 | 6 | 0xf00));
    ended("flush high address", ept_invept(INVEPT_ONE, eptp | 3 << 3 | 6 | 1ul << 60));
    ended("flush wide vpid", ept_invvpid(INVVPID_ONE, 0x10001, 0));
    ended("flush address", ept_invvpid(INVVPID_ADDRESS, 1, 1ul << 63));
    ended("flush everything", ept_invept(INVEPT_ALL, 0));
    if (gt_under_nidus()) {
        gt_check(refusals(OF_INVEPT) == invepts + 5, "INVEPTs: %u", refusals(OF_INVEPT) - invepts);
        gt_check(refusals(OF_INVVPID) == invvpids + 2, "INVVPIDs: %u",
                 refusals(OF_INVVPID) - invvpids);
        gt_check(refusals(28) == sum + 7, "VMfail 28: %u", refusals(28) - sum);
    }
}

/* BitVisor (commit 544faea) gives INVEPT the bare address of its PML4, and takes no notice of the
 * VMfail: here as it drops all it has mapped, and maps a page anew when L2 wants it. */
static void as_bitvisor(void)
{
    u64 *pml4 = arena(PG_E_PML4);
    ept_world(L2_64, 0);
    use("bitvisor, mapped");
    u64 upper = pml4[0];
    SetMem(pml4, 4096, 0);
    ended("bitvisor, flush", ept_invept(INVEPT_ONE, ARENA_AT(PG_E_PML4)));
    gt_line("bitvisor, used: L2 runs");
    ept_touch(ACCESS_READ, AT_4K);
    pml4[0] = upper;
    while (l2_seen[VI_EXIT_REASON] == REASON_EPT_VIOLATION)
        ept_touch(ACCESS_READ, AT_4K);
    gt_line("bitvisor, used: %s", ept_result());
    ept_invept(INVEPT_ALL, 0);
}

/* ---- linear translations: L2 without EPT12, with a VPID -------------------------------------- */

enum { TAG = 7, PG_COPY = PG_EPT_FREE + 1, PG_STACK_COPY, PG_PT_COPY, PG_PML4_COPY, PG_PDPT_COPY };
enum { PG_PML4 = PG_L2_TABLES, PG_PDPT, PG_PD, PG_PT };
#define RWU 7ul

static u64 *pte(unsigned page)
{
    return (u64 *)arena(PG_PT) + (L2_AT(page) >> 12);
}

/* An L1 that does shadow paging: it sees each flush of L2's. */
static void linear_world(const char *code, size_t len, u32 proc)
{
    l2_world(L2_64);
    l2_code(code, len);
    l2.f[VI_PROC_CTL] |= PROC_SECONDARY | proc;
    l2.f[VI_PROC2_CTL] |= PROC2_VPID;
    l2.f[VI_VPID] = TAG;
    l2.f[VI_EXCEPTION_BITMAP] |= 1u << 14;
    l2.f[VI_CR0_MASK] = l2.f[VI_CR4_MASK] = ~0ul;
    CopyMem(arena(PG_COPY), arena(PG_L2 + P_CODE), 4096);
    CopyMem(arena(PG_STACK_COPY), arena(PG_L2 + P_STACK), 4096);
    ept_invvpid(INVVPID_ALL, 0, 0);
    l2_write();
    l2_enter(false);
}

static void runs_from(const char *name, u64 offset)
{
    l2_again(l2.f[VI_GUEST_RIP] + offset);
    gt_line("%s: exit %lu", name, l2_seen[VI_EXIT_REASON]);
}

static void runs(const char *name)
{
    runs_from(name, 0);
}

/* Page tables that show the same and one page besides. */
static u64 other_tables(void)
{
    CopyMem(arena(PG_PML4_COPY), arena(PG_PML4), 4096);
    CopyMem(arena(PG_PDPT_COPY), arena(PG_PDPT), 4096);
    CopyMem(arena(PG_PT_COPY), arena(PG_PT), 4096);
    u64 *pd = arena(PG_EPT_FREE);
    CopyMem(pd, arena(PG_PD), 4096);
    pd[0] = ARENA_AT(PG_PT_COPY) | RWU;
    ((u64 *)arena(PG_PML4_COPY))[0] = ARENA_AT(PG_PDPT_COPY) | RWU;
    ((u64 *)arena(PG_PDPT_COPY))[0] = ARENA_AT(PG_EPT_FREE) | RWU;
    return ARENA_AT(PG_PML4_COPY);
}

static void linear_entries(void)
{
    static const char push_pop[] = {0x50, 0x58};
    linear_world(push_pop, sizeof push_pop, PROC_CR3_LOAD | PROC_INVLPG);
    runs("linear");
    *pte(P_CODE) = ARENA_AT(PG_COPY) | RWU;
    ept_invvpid(INVVPID_ONE, TAG, 0);
    runs("linear with invvpid");
    *pte(P_CODE) = ARENA_AT(PG_L2 + P_CODE) | RWU;
    runs("linear without invvpid");
    runs("linear without invvpid again");
    *pte(P_CODE) |= 0xe00; /* bits of software's own, and flags */
    runs("linear flags");
    *pte(P_CODE) &= ~2ul;
    ended("linear invvpid of nothing", ept_invvpid(INVVPID_ONE, 0, 0));
    runs("linear fewer rights");
    *pte(P_CODE) |= 2;
    runs("linear more rights");
    *pte(P_STACK) = ARENA_AT(PG_STACK_COPY) | RWU;
    runs("linear stack");
    ept_invvpid(INVVPID_ALL, 0, 0);
}

static void linear_tables(void)
{
    linear_world("", 0, PROC_CR3_LOAD | PROC_INVLPG);
    u64 other = other_tables();
    runs("linear again");
    vmx_vmwrite(V_GUEST_CR3, other);
    runs("linear same by other tables");
    *pte(P_CODE) = ARENA_AT(PG_COPY) | RWU;
    vmx_vmwrite(V_GUEST_CR3, l2.f[VI_GUEST_CR3]);
    runs("linear other tables");
    ept_invvpid(INVVPID_ALL, 0, 0);
}

/* L2's own business: it may have flushed unseen, or flush later. */
static void linear_of_l2(void)
{
    /* VMCALL; mov qword [P_SPARE + 8 * P_CODE's number], PG_COPY | RWU; VMCALL follows */
    enum { AT_VMCALL, AT_MOV = 3, ADDRESS = 7, VALUE = 11 };
    char own[15] = {0x0f, 0x01, (char)0xc1, 0x48, (char)0xc7, 0x04, 0x25};
    u32 at = (u32)(L2_AT(P_SPARE) + (L2_AT(P_CODE) >> 12) * 8), entry = ARENA_AT(PG_COPY) | RWU;
    CopyMem(own + ADDRESS, &at, 4);
    CopyMem(own + VALUE, &entry, 4);
    linear_world("", 0, PROC_CR3_LOAD);
    *pte(P_CODE) = ARENA_AT(PG_COPY) | RWU;
    runs("linear unseen");
    linear_world("", 0, PROC_CR3_LOAD | PROC_INVLPG);
    l2_code(own, sizeof own);
    CopyMem(arena(PG_COPY), arena(PG_L2 + P_CODE), 4096);
    *pte(P_SPARE) = ARENA_AT(PG_PT) | RWU;
    ept_invvpid(INVVPID_ALL, 0, 0);
    runs_from("linear before its own", AT_VMCALL);
    runs_from("linear own", AT_MOV);
    runs_from("linear own again", AT_MOV);
    ept_invvpid(INVVPID_ALL, 0, 0);
}

TEST_MAIN(tell)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        gt_line("begin: an L1");
        entries();
        instructions();
        translations();
        flushes();
        as_bitvisor();
        if (vmx_has2(PROC2_VPID)) {
            linear_entries();
            linear_tables();
            linear_of_l2();
            l1_state_restore();
        }
    }
    vmx_end();
}
