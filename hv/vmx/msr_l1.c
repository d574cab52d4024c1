/* The MSR policy of L1. An MSR without a row is L1's: inside the bitmap's ranges it does not
 * even exit, outside them the access is done in its name. */
#include "hv/vmx/msr_l1.h"
#include "hv/vmx/insn.h"
#include "hv/core/insn.h"
#include "hv/core/lib.h"

enum msr_access { ON_READ = 1, ON_WRITE = 2, ON_BOTH = 3 };

/* A row without a function answers #GP. */
struct msr_row {
    u32 first, last;
    enum msr_access on;
    bool (*read)(struct cpu *, u32 msr, u64 *v);
    bool (*write)(struct cpu *, u32 msr, u64 v);
};

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

/* Locked: with VMX on outside SMX, or with VMX off as some firmware leaves it. WRMSR of a locked
 * FEATURE_CONTROL is #GP. CAVEAT(nested-off) SDM 3C 24.7 "Enabling and Entering VMX Operation" */
static bool read_feature_control(struct cpu *cpu, u32 msr, u64 *v)
{
    (void)msr;
    *v = FEATURE_CONTROL_LOCKED | (cpu->vm->shown ? FEATURE_CONTROL_VMX_OUT_OF_SMX : 0);
    return true;
}

/* struct vmx_caps has the words in MSR order; those from PROCBASED_CTLS2 on exist only where
 * a capability says so, and are then not zero. */
static bool read_vmx(struct cpu *cpu, u32 msr, u64 *v)
{
    const struct vmx_caps *shown = cpu->vm->shown;
    u32 at = msr - MSR_IA32_VMX_BASIC;
    if (!shown || at >= sizeof *shown / sizeof(u64))
        return false;
    const u64 *words = &shown->basic;
    *v = words[at];
    return *v || msr < MSR_IA32_VMX_PROCBASED_CTLS2;
}

/* The local APIC's page must never cover L0's memory, which L0 itself would then not reach.
 * CAVEAT(apic-base-hole) */
static bool write_apic_base(struct cpu *cpu, u32 msr, u64 v)
{
    const struct vm *vm = cpu->vm;
    u64 base = v & ~(PAGE_SIZE - 1);
    if (base - vm->hole.a < vm->hole_size)
        return false;
    return wrmsr_safe(msr, v);
}

/* The CPU's MTRRs and EPT01's memory types change together. SDM 3C 29.3.7.2 "Memory Type Used
 * for Translated Guest-Physical Addresses" */
static bool write_mtrr(struct cpu *cpu, u32 msr, u64 v)
{
    struct vm *vm = cpu->vm;
    u64 *reg = mtrr_reg(&vm->mtrr, msr);
    if (reg && !mtrr_write_legal(&vm->mtrr, msr, v))
        return false;
    if (!wrmsr_safe(msr, v))
        return false;
    if (!reg || *reg == v) /* the row's range has numbers that are no MTRR */
        return true;
    *reg = v;
    ept01_rebuild(vm);
    ept01_invalidate(vm);
    return true;
}

/* Entry loads L1's value and exit loads 0, so that no counter runs, and no PEBS record is
 * written, in root; the exit does not save, so the field is the value: what the CPU kept of it,
 * as VM entry refuses reserved bits even where WRMSR drops them. */
static bool write_perf_global(struct cpu *cpu, u32 msr, u64 v)
{
    if (!wrmsr_safe(msr, v))
        return false;
    if (cpu->vm->facts.perf_global) {
        vmcs_write(ENC_guest_perf_global_ctrl, rdmsr(msr));
        wrmsr(msr, 0);
    }
    return true;
}

static bool read_perf_global(struct cpu *cpu, u32 msr, u64 *v)
{
    if (!rdmsr_safe(msr, v))
        return false;
    if (cpu->vm->facts.perf_global)
        *v = vmcs_read(ENC_guest_perf_global_ctrl);
    return true;
}

/* Without the control above, PEBS could write in root by L1's address. CAVEAT(pebs) */
static bool write_pebs_enable(struct cpu *cpu, u32 msr, u64 v)
{
    if (v && !cpu->vm->facts.perf_global)
        return false;
    return wrmsr_safe(msr, v);
}

#define ROW(first, last, on, rd, wr) {first, last, on, rd, wr}
static const struct msr_row rows[] = {
    ROW(MSR_IA32_APIC_BASE, MSR_IA32_APIC_BASE, ON_WRITE, NULL, write_apic_base),
    ROW(MSR_IA32_FEATURE_CONTROL, MSR_IA32_FEATURE_CONTROL, ON_BOTH, read_feature_control, NULL),
    ROW(MSR_IA32_BIOS_UPDT_TRIG, MSR_IA32_BIOS_UPDT_TRIG, ON_WRITE, NULL, write_ignored),
    ROW(MSR_IA32_SMM_MONITOR_CTL, MSR_IA32_SMM_MONITOR_CTL, ON_BOTH, read_zero, NULL),
    ROW(MSR_IA32_MTRR_PHYSBASE0, MSR_IA32_MTRR_FIX4K_F8000, ON_WRITE, NULL, write_mtrr),
    ROW(MSR_IA32_MTRR_DEF_TYPE, MSR_IA32_MTRR_DEF_TYPE, ON_WRITE, NULL, write_mtrr),
    ROW(MSR_IA32_PERF_GLOBAL_CTRL, MSR_IA32_PERF_GLOBAL_CTRL, ON_WRITE, read_perf_global, write_perf_global),
    ROW(MSR_IA32_PEBS_ENABLE, MSR_IA32_PEBS_ENABLE, ON_WRITE, NULL, write_pebs_enable),
    ROW(MSR_IA32_VMX_BASIC, MSR_IA32_VMX_EXIT_CTLS2, ON_BOTH, read_vmx, NULL),
    ROW(MSR_IA32_RTIT_OUTPUT_BASE, MSR_IA32_RTIT_ADDR3_B, ON_BOTH, NULL, NULL),
};

static const struct msr_row *find(u32 msr)
{
    for (u32 i = 0; i < ARRAY_LEN(rows); i++)
        if (msr - rows[i].first <= rows[i].last - rows[i].first)
            return &rows[i];
    return NULL;
}

/* SDM 3C 25.6.9 "MSR-Bitmap Address": four bitmaps of 1 KiB, for reads and writes of the low
 * and the high range. No row is in the high one. */
#define BITMAP_WRITE_LOW 2048u

bool msr_l1_init(struct vm *vm)
{
    u8 *bitmap = mem_pages(&vm->mem, 1);
    if (!bitmap)
        return false;
    for (u32 i = 0; i < ARRAY_LEN(rows); i++)
        for (u32 msr = rows[i].first; msr <= rows[i].last; msr++) {
            if (rows[i].on & ON_READ)
                bitmap[msr / 8] |= (u8)(1u << (msr % 8));
            if (rows[i].on & ON_WRITE)
                bitmap[BITMAP_WRITE_LOW + msr / 8] |= (u8)(1u << (msr % 8));
        }
    vm->msr.bitmap = bitmap;
    vm->msr.bitmap_hpa = mem_hpa(&vm->mem, bitmap);
    return true;
}

/* MSRs that a VM exit replaced with L0's: L1's value is in vmcs01. */
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
    case MSR_IA32_GS_BASE:
        return ENC_guest_gs_base;
    default:
        return 0;
    }
}

/* IA32_SPEC_CTRL while L0 has a value of its own in it: the CPU judges L1's, and the next entry loads it. */
static bool write_spec_ctrl(struct cpu *cpu, u64 v)
{
    bool ok = wrmsr_safe(MSR_IA32_SPEC_CTRL, v);
    wrmsr(MSR_IA32_SPEC_CTRL, SPEC_CTRL_IBRS);
    if (ok)
        cpu->percpu.guest_spec_ctrl = v;
    return ok;
}

bool msr_l1_read(struct cpu *cpu, u32 msr, u64 *v)
{
    const struct msr_row *row = find(msr);
    if (row && (row->read || row->on & ON_READ))
        return row->read && row->read(cpu, msr, v);
    if (msr == MSR_IA32_SPEC_CTRL && any(cpu->percpu.spec, SPEC_CTRL)) {
        *v = cpu->percpu.guest_spec_ctrl;
        return true;
    }
    u64 field = saved_in_vmcs(msr);
    if (!field)
        return rdmsr_safe(msr, v);
    *v = vmcs_read(field);
    return true;
}

/* The CPU judges the value first: what it would refuse, it refuses here, and L0's own value
 * comes back at once. */
static bool write_saved(u64 field, u32 msr, u64 v)
{
    u64 own = rdmsr(msr);
    if (!wrmsr_safe(msr, v))
        return false;
    wrmsr(msr, own);
    vmcs_write(field, v);
    return true;
}

/* EFER: L0's value cannot be lent, as LME and NXE carry L0 itself. LMA is read-only, LME cannot
 * change while paging is on. SDM 3A 2.2.1 "Extended Feature Enable Register" */
static bool write_efer(struct cpu *cpu, u64 v)
{
    u64 supported = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    u64 old = vmcs_read(ENC_guest_efer);
    exit_more(cpu, SNAP_MODE);
    if (any(v, ~supported) || (any(v ^ old, EFER_LME) && any(cpu->st.cr0, CR0_PG)))
        return false;
    cpu->st.efer = (v & ~EFER_LMA) | (old & EFER_LMA);
    vmcs_write(ENC_guest_efer, cpu->st.efer);
    return true;
}

bool msr_l1_write(struct cpu *cpu, u32 msr, u64 v)
{
    const struct msr_row *row = find(msr);
    if (row && (row->write || row->on & ON_WRITE))
        return row->write && row->write(cpu, msr, v);
    if (msr == MSR_IA32_EFER)
        return write_efer(cpu, v);
    if (msr == MSR_IA32_SPEC_CTRL && any(cpu->percpu.spec, SPEC_CTRL))
        return write_spec_ctrl(cpu, v);
    u64 field = saved_in_vmcs(msr);
    return field ? write_saved(field, msr, v) : wrmsr_safe(msr, v);
}
