/* SPDX-License-Identifier: BSD-2-Clause */
/* What L0 does for the rules of hv/arch/msr_policy.def. */
#include "hv/vmx/msr_l1.h"
#include "hv/arch/msr_policy.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"
#include "hv/core/lib.h"

static bool read_zero(struct cpu *cpu, u32 msr, u64 *v)
{
    (void)cpu, (void)msr;
    *v = 0;
    return true;
}

static bool write_ignored(struct cpu *cpu, u32 msr, u64 v)
{
    (void)cpu, (void)msr, (void)v;
    return true;
}

/* The CPU's IA32_FEATURE_CONTROL is locked for L0's VMXON. L1 has what the firmware left there, and
 * writes it until L1 locks it too. SDM 3C 24.7 "Enabling and Entering VMX Operation" */
static bool read_feature_control(struct cpu *cpu, u32 msr, u64 *v)
{
    (void)msr;
    *v = cpu->feature_control;
    return true;
}

/* L1 may set what the CPU lets it set, so that firmware can. Of that, it reads back what belongs to
 * features that L1 is shown. CAVEAT(feature-control) */
static bool write_feature_control(struct cpu *cpu, u32 msr, u64 v)
{
    (void)msr;
    if (any(cpu->feature_control, FEATURE_CONTROL_LOCKED) || any(v, ~cpu->feature_legal))
        return false;
    cpu->feature_control = v & FEATURE_CONTROL_ALLOW_VMX;
    return true;
}

/* struct vmx_caps holds the MSRs in the order of their numbers. The MSRs from PROCBASED_CTLS2 on
 * exist only where a capability says so. One that exists is not zero. */
static bool read_vmx(struct cpu *cpu, u32 msr, u64 *v)
{
    const struct vmx_caps *shown = cpu->vm->shown;
    u32 at = msr - MSR_IA32_VMX_BASIC;
    if (!shown || at >= sizeof *shown / sizeof(u64))
        return false;
    const u64 *words = &shown->basic;
    at &= (u32)index_mask(at, sizeof *shown / sizeof(u64));
    *v = words[at];
    return *v || msr < MSR_IA32_VMX_PROCBASED_CTLS2;
}

/* The page where the local APIC answers instead of memory. base: IA32_APIC_BASE. */
static gpa1_t apic_page(u64 base)
{
    bool mapped = (base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == APIC_BASE_ENABLE;
    return GPA1(mapped ? base & ~(PAGE_SIZE - 1) : NO_APIC_PAGE);
}

/* The local APIC's page must never cover L0's memory, because L0 would then reach the APIC instead.
 * CAVEAT(apic-base-hole) SDM 3A 11.4.4 "Local APIC Status and Location" */
static bool write_apic_base(struct cpu *cpu, u32 msr, u64 v)
{
    struct vm *vm = cpu->vm;
    u64 base = v & ~(PAGE_SIZE - 1);
    if (any(v, vm->facts.msr.apic_base_reserved) || base - vm->hole.a < vm->hole_size)
        return false;
    if (!wrmsr_safe(msr, v))
        return false;
    cpu->apic_page = apic_page(rdmsr(msr));
    memset(cpu->walk, 0, sizeof cpu->walk); /* one may have gone through that page */
    return true;
}

static bool read_mtrr(struct cpu *cpu, u32 msr, u64 *v)
{
    const u64 *reg = mtrr_reg(&cpu->mtrr, msr);
    if (!reg)
        return false;
    *v = *reg;
    return true;
}

/* L1's MTRRs take effect as EPT01's memory types. The CPU's own MTRRs, which decide the type of
 * L0's memory, stay as they were.
 * SDM 3C 29.3.7.2 "Memory Type Used for Translated Guest-Physical Addresses" */
static bool write_mtrr(struct cpu *cpu, u32 msr, u64 v)
{
    u64 *reg = mtrr_reg(&cpu->mtrr, msr);
    if (!reg || !mtrr_write_legal(&cpu->mtrr, msr, v))
        return false;
    *reg = v;
    cpu->mtrr_written = true;
    return true;
}

void msr_l1_settle(struct cpu *cpu)
{
    if (!cpu->mtrr_written)
        return;
    cpu->mtrr_written = false;
    ept01_follow(cpu);
}

/* A VM entry loads the guest's value and a VM exit loads 0, so that no counter runs in root. A
 * VM exit does not save the MSR, and the guest cannot write it without an exit, so the VMCS
 * field always holds the guest's value. CAVEAT(bochs-perf-global) */
static bool write_perf_global(struct cpu *cpu, u32 msr, u64 v)
{
    u64 reserved = cpu->vm->facts.msr.perf_global_reserved;
    (void)msr;
    if (reserved == ~0ull || any(v, reserved))
        return false;
    vmcs_write(ENC_guest_perf_global_ctrl, v);
    return true;
}

static bool read_perf_global(struct cpu *cpu, u32 msr, u64 *v)
{
    (void)msr;
    if (cpu->vm->facts.msr.perf_global_reserved == ~0ull)
        return false;
    *v = vmcs_read(ENC_guest_perf_global_ctrl);
    return true;
}

/* Three MSRs list features. L1 is shown no bit of a feature that is hidden from L1, or that no rule
 * here knows. CAVEAT(cpuid-known) */
#define MCG_CAP_LMCE         BIT(27)
#define PERF_CAP_LBR_FORMAT  0x3full /* all ones: architectural LBR */
#define PERF_CAP_KNOWN       (PERF_CAP_LBR_FORMAT | BIT(12) | BIT(13) | BIT(15))
#define ARCH_CAPS_KNOWN      0x1f1af1ffull /* no bit of an MSR without a row; no FB_CLEAR_CTRL */
#define MCU_OPT_FB_CLEAR_DIS BIT(3)

static bool read_known(struct cpu *cpu, u32 msr, u64 *v)
{
    u64 known = ~MCG_CAP_LMCE;
    (void)cpu;
    if (!rdmsr_safe(msr, v))
        return false;
    if (msr == MSR_IA32_ARCH_CAPABILITIES)
        known = ARCH_CAPS_KNOWN;
    if (msr == MSR_IA32_PERF_CAPABILITIES)
        known = PERF_CAP_KNOWN & ~(all(*v, PERF_CAP_LBR_FORMAT) ? PERF_CAP_LBR_FORMAT : 0);
    *v &= known;
    return true;
}

/* FB_CLEAR_DIS would stop the VERW before an entry (spec=verw) from clearing the fill buffers.
 * L1 is not shown that the bit exists, so a write that sets the bit is refused. */
static bool write_mcu_opt(struct cpu *cpu, u32 msr, u64 v)
{
    (void)cpu;
    return !any(v, MCU_OPT_FB_CLEAR_DIS) && wrmsr_safe(msr, v);
}

/* L1's writes to four bits of IA32_MISC_ENABLE are dropped. XD-disable would make the XD bit of
 * L0's own page tables reserved. The CPUID limit would hide leaves that L0 reads. The other two
 * say that the CPU has neither BTS nor PEBS, and L1 reads both as 1. CAVEAT(misc-enable)
 * CAVEAT(pebs) */
#define MISC_NO_BTS      BIT(11)
#define MISC_NO_PEBS     BIT(12)
#define MISC_CPUID_LIMIT BIT(22)
#define MISC_XD_DISABLE  BIT(34)
#define MISC_OURS        (MISC_NO_BTS | MISC_NO_PEBS | MISC_CPUID_LIMIT | MISC_XD_DISABLE)

static bool read_misc_enable(struct cpu *cpu, u32 msr, u64 *v)
{
    (void)cpu;
    if (!rdmsr_safe(msr, v))
        return false;
    *v |= MISC_NO_BTS | MISC_NO_PEBS;
    return true;
}

static bool write_misc_enable(struct cpu *cpu, u32 msr, u64 v)
{
    u64 own;
    (void)cpu;
    return rdmsr_safe(msr, &own) && wrmsr_safe(msr, (v & ~MISC_OURS) | (own & MISC_OURS));
}

/* CAVEAT(bochs-xss) */
static bool write_xss(struct cpu *cpu, u32 msr, u64 v)
{
    return !any(v, ~cpu->vm->facts.xss) && wrmsr_safe(msr, v);
}

/* A VM exit has replaced the guest's values of these MSRs with L0's. Returns the field of the
 * current VMCS that holds the guest's value. */
static u64 saved_in_vmcs(u32 msr)
{
    switch (msr) {
    case MSR_IA32_EFER:
        return ENC_guest_efer;
    case MSR_IA32_PAT:
        return ENC_guest_pat;
    case MSR_IA32_DEBUGCTL:
        return ENC_guest_debugctl;
    case MSR_IA32_SYSENTER_CS:
        return ENC_guest_sysenter_cs;
    case MSR_IA32_SYSENTER_ESP:
        return ENC_guest_sysenter_esp;
    case MSR_IA32_SYSENTER_EIP:
        return ENC_guest_sysenter_eip;
    case MSR_IA32_FS_BASE:
        return ENC_guest_fs_base;
    default:
        return ENC_guest_gs_base;
    }
}

/* IA32_SPEC_CTRL holds a value of L0's own. L0 writes the guest's value for a moment, so that
 * the CPU judges it. The next entry loads the guest's value. */
static bool write_spec_ctrl(struct cpu *cpu, u64 v)
{
    bool ok = wrmsr_safe(MSR_IA32_SPEC_CTRL, v);
    wrmsr(MSR_IA32_SPEC_CTRL, SPEC_CTRL_IBRS);
    if (ok)
        cpu->percpu.guest_spec_ctrl = v;
    return ok;
}

static bool read_saved(struct cpu *cpu, u32 msr, u64 *v)
{
    (void)cpu;
    *v = vmcs_read(saved_in_vmcs(msr));
    return true;
}

/* LMA is read-only. LME cannot change while paging is on. Puts what the field takes into *v.
 * SDM 3A 2.2.1 "Extended Feature Enable Register" */
static bool efer_takes(struct cpu *cpu, u64 *v)
{
    u64 old = vmcs_read(ENC_guest_efer);
    exit_more(cpu, SNAP_MODE);
    if (any(*v ^ old, EFER_LME) && any(cpu->st.cr0, CR0_PG))
        return false;
    *v = (*v & ~EFER_LMA) | (old & EFER_LMA);
    cpu->st.efer = *v;
    return true;
}

static bool write_saved(struct cpu *cpu, u32 msr, u64 v)
{
    if (!msr_vmcs_legal(&cpu->vm->facts.msr, msr, v))
        return false;
    if (msr == MSR_IA32_EFER && !efer_takes(cpu, &v))
        return false;
    vmcs_write(saved_in_vmcs(msr), v);
    return true;
}

/* Where a rule has no function, the CPU's own register is read or written. */
/* clang-format off */
static const struct {
    bool (*read)(struct cpu *, u32 msr, u64 *v);
    bool (*write)(struct cpu *, u32 msr, u64 v);
} rules[MSR_RULE_COUNT] = {
    [MSR_RULE_apic_base]       = {NULL, write_apic_base},
    [MSR_RULE_feature_control] = {read_feature_control, write_feature_control},
    [MSR_RULE_ignored]         = {NULL, write_ignored},
    [MSR_RULE_known]           = {read_known, NULL},
    [MSR_RULE_mcu_opt]         = {NULL, write_mcu_opt},
    [MSR_RULE_misc_enable]     = {read_misc_enable, write_misc_enable},
    [MSR_RULE_mtrr]            = {read_mtrr, write_mtrr},
    [MSR_RULE_perf_global]     = {read_perf_global, write_perf_global},
    [MSR_RULE_vmcs]            = {read_saved, write_saved},
    [MSR_RULE_vmx]             = {read_vmx, NULL},
    [MSR_RULE_xss]             = {NULL, write_xss},
    [MSR_RULE_zero]            = {read_zero, NULL},
};
/* clang-format on */

/* L1 is shown counters only if a VM exit can stop them: they must not count in root. */
static u32 hidden_rules(const struct vm *vm)
{
    return vm->facts.perf_global ? 0 : (u32)(BIT(MSR_RULE_pmu) | BIT(MSR_RULE_perf_global));
}

bool msr_l1_reserve(struct vm *vm)
{
    u8 *bitmap = mem_pages(&vm->mem, 1);
    if (!bitmap)
        return false;
    vm->msr_bitmap = bitmap;
    vm->msr_bitmap_hpa = mem_hpa(&vm->mem, bitmap);
    return true;
}

void msr_l1_fill_bitmap(const struct vm *vm)
{
    msr_policy_bitmap(vm->msr_bitmap, hidden_rules(vm));
}

void msr_l1_init(struct cpu *cpu)
{
    cpu->apic_page = apic_page(rdmsr(MSR_IA32_APIC_BASE));
}

/* Logs each refused number once, and no more numbers than cpu->msr_told has
 * room for.
 * CAVEAT(msr-unlisted) */
static void tell_refused(struct cpu *cpu, u32 msr)
{
    if (!cpu->vm->log.verbose || cpu->msr_told_count == ARRAY_LEN(cpu->msr_told))
        return;
    for (u32 i = 0; i < cpu->msr_told_count; i++)
        if (cpu->msr_told[i] == msr)
            return;
    cpu->msr_told[cpu->msr_told_count++] = msr;
    log_rare(LOG_MSR, "MSR %x has no row in the policy: #GP(0)", msr);
}

static const struct msr_row *find(struct cpu *cpu, u32 msr)
{
    const struct msr_row *row = msr_policy_row(msr);
    if (!row)
        tell_refused(cpu, msr);
    return row && !any(hidden_rules(cpu->vm), BIT(row->rule)) ? row : NULL;
}

bool msr_l1_read(struct cpu *cpu, u32 msr, u64 *v)
{
    const struct msr_row *row = find(cpu, msr);
    if (!row || row->read == MSR_HIDE)
        return false;
    if (msr == MSR_IA32_SPEC_CTRL && any(cpu->percpu.spec, SPEC_CTRL)) {
        *v = cpu->percpu.guest_spec_ctrl;
        return true;
    }
    return rules[row->rule].read ? rules[row->rule].read(cpu, msr, v) : rdmsr_safe(msr, v);
}

bool msr_l1_write(struct cpu *cpu, u32 msr, u64 v)
{
    const struct msr_row *row = find(cpu, msr);
    if (!row || row->write == MSR_HIDE)
        return false;
    if (msr == MSR_IA32_SPEC_CTRL && any(cpu->percpu.spec, SPEC_CTRL))
        return write_spec_ctrl(cpu, v);
    return rules[row->rule].write ? rules[row->rule].write(cpu, msr, v) : wrmsr_safe(msr, v);
}
