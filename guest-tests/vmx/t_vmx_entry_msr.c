/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VM entry that is refused in its MSR-load area leaves behind. Nothing of it may reach a
 * later entry: L2 runs with what its VMCS says (SDM 3C 27.3.2.1 "Loading Guest Control Registers,
 * Debug Registers, and MSRs"). And what the VM exit does not load stays as the entry had loaded it
 * (SDM 3C 27.8 "VM-Entry Failures During or After Loading Guest State", 28.5.1 "Loading Host
 * Control Registers, Debug Registers, MSRs").
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

/* MSRs that the VMCS holds too: the list changes them behind its back. */
struct held {
    const char *name;
    u32 msr;
    u8 field;
    u64 own, listed; /* the VMCS's value, the list's */
};
static const struct held held[] = {
    {"sysenter_cs", MSR_SYSENTER_CS, VI_GUEST_SYSENTER_CS, 0x11, 0x22},
    {"sysenter_esp", MSR_SYSENTER_ESP, VI_GUEST_SYSENTER_ESP, 0x11111111, 0x22222222},
    {"sysenter_eip", MSR_SYSENTER_EIP, VI_GUEST_SYSENTER_EIP, 0x33333333, 0x44444444},
    {"pat", MSR_PAT, VI_GUEST_PAT, 0x0007040600070406, 0x0001040600070406},
    {"efer", MSR_EFER64, VI_GUEST_EFER, 0xd01, 0xd00},
};

static void list_for(const struct held *h)
{
    u64 *list = arena(PG_ENTRY_LOAD);

    list[0] = h->msr;
    list[1] = h->listed;
    list[2] = MSR_FS_BASE; /* never allowed in this area */
    list[3] = 0;
}

static void begin(const struct held *h)
{
    l2_world(L2_64);
    SetMem(arena(PG_MSR_BITMAP), 4096, 0);
    l2_code("\x0f\x32", 2); /* RDMSR, then VMCALL */
    l2.gpr[RCX] = h->msr;
    l2.f[VI_PROC_CTL] |= PROC_MSR_BITMAPS;
    l2.f[h->field] = h->own;
    list_for(h);
    l2_write();
}

static void enter(u64 count, bool resume)
{
    vmx_vmwrite(V_ENTRY_MSR_LOAD_COUNT, count);
    vmx_vmwrite(V_GUEST_RIP, L2_BASE);
    l2_enter(resume);
}

static u64 read_back(void)
{
    return l2_seen_gpr[RDX] << 32 | (u32)l2_seen_gpr[RAX];
}

static void say(const char *name, const struct held *h)
{
    gt_line("%s.%s: reads %lx saved %lx", name, h->name, read_back(), l2_seen[h->field]);
    gt_check(read_back() == h->own, "%s.%s: L2 reads %lx, its VMCS says %lx", name, h->name,
             read_back(), h->own);
}

/* The next entry of the same VMCS, then one of another VMCS that never had a list. The refused
 * entry is exit reason 34 and names element 2. SDM 3C 27.4 "Loading MSRs" */
static void stale(const struct held *h)
{
    begin(h);
    enter(0, false);
    enter(2, true);
    gt_line("refused.%s: reason %lx entry %lx", h->name, l2_seen[VI_EXIT_REASON],
            l2_seen[VI_EXIT_QUALIFICATION]);
    enter(0, true);
    say("next", h);
    enter(2, true);
    *(u32 *)arena(PG_VMCS_B) = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    vmx_vmclear(ARENA_AT(PG_VMCS_B));
    vmx_vmptrld(ARENA_AT(PG_VMCS_B));
    l2_write_fields();
    l2_enter(false);
    say("other", h);
    vmx_vmclear(ARENA_AT(PG_VMCS_B));
}

static void unloaded(const char *name, u64 count)
{
    l2_world(L2_64);
    l2_code("", 0);
    ((u64 *)arena(PG_ENTRY_LOAD))[0] = MSR_FS_BASE;
    l2.f[VI_GUEST_PAT] = 0x0001040600070406;
    l2.f[VI_GUEST_EFER] = 0xd00;
    l2.f[VI_EXIT_CTL] &= ~(u64)(EXIT_LOAD_PAT | EXIT_LOAD_EFER);
    l2.f[VI_ENTRY_MSR_LOAD_COUNT] = count;
    gt_wrmsr(MSR_EFER64, gt_rdmsr(MSR_EFER64) | 1);
    l2_write();
    l2_enter(false);
    gt_line("%s: reason %lx L1's pat %lx sce %lx", name, l2_seen[VI_EXIT_REASON], l2_seen_l1.pat,
            l2_seen_l1.efer & 1);
    gt_check(l2_seen_l1.pat == 0x0001040600070406 && !(l2_seen_l1.efer & 1),
             "%s: what the exit does not load is not L2's", name);
}

TEST_MAIN(vmx_entry_msr)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        for (unsigned i = 0; i < sizeof held / sizeof *held; i++)
            stale(&held[i]);
        unloaded("exit", 0);
        unloaded("refused", 1);
    }
    vmx_end();
}
