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

TEST_MAIN(tell)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        gt_line("begin: an L1");
        entries();
        instructions();
        translations();
    }
    vmx_end();
}
