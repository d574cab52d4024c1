/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSR areas of L1's VMCS12, done in software. L0 reads each element once, judges it by the
 * rules, and makes the access as if L1 had (hv/vmx/msr_l1.h filters it). An MSR that lives in a
 * VMCS is that of the current VMCS: L2's for the entry and store areas, L1's for the exit-load
 * area. SDM 3C 27.4 "Loading MSRs", SDM 3C 28.4 "Saving MSRs", SDM 3C 28.6 "Loading MSRs"
 */
#include "hv/nested/crossing/private.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/msr_l1.h"

static struct msr_entry entry_at(const struct cpu *cpu, u64 area, u32 i)
{
    struct msr_entry e;
    gpa1_read_open(cpu, GPA1(area + i * sizeof e), &e, sizeof e);
    return e;
}

/* IA32_VMX_MISC recommends a maximum to software. A longer area has undefined results, "including a
 * machine check during the transition". Here the area fails at the first element beyond the
 * maximum. That bounds L0's work. CAVEAT(msr-area-bound) SDM 3D A.6 "Miscellaneous Data" */
static u32 area_limit(const struct cpu *cpu)
{
    return VMX_MISC_MSR_LIST_MAX(cpu->nested->caps.misc);
}

static u32 load(struct cpu *cpu, enum msr_area kind, u64 area, u32 count)
{
    u32 failed = 0, limit = area_limit(cpu);
    for (u32 i = 0; i < count && !failed; i++) {
        struct msr_entry e = entry_at(cpu, area, i);
        if (i >= limit || check_msr_entry(&e, kind) != R_NONE ||
            !msr_l1_write(cpu, e.index, e.value))
            failed = i + 1;
    }
    msr_l1_settle(cpu);
    ept02_follow(cpu); /* an MTRR in the entry's area changes L2's memory types */
    return failed;
}

/* A processor judges the rule about BS before it loads the area. Here L0 loads the area first, so
 * the CPU judges BS by the BTF that the area left. Where the rule holds (blocking by STI or MOV SS,
 * or HLT), L0 makes BS agree.
 * CAVEAT(pending-bs-btf-left) SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
static void fit_step(void)
{
    u64 pending = vmcs_read(ENC_guest_pending_dbg_exceptions);
    bool step = any(vmcs_read(ENC_guest_rflags), RFLAGS_TF) &&
                !any(vmcs_read(ENC_guest_debugctl), DEBUGCTL_BTF);
    if (any(vmcs_read(ENC_guest_interruptibility), BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) ||
        vmcs_read(ENC_guest_activity_state) == ACTIVITY_HLT)
        vmcs_write(ENC_guest_pending_dbg_exceptions,
                   step ? pending | PENDING_DBG_BS : pending & ~(u64)PENDING_DBG_BS);
}

u32 nested_msr_load_entry(struct cpu *cpu)
{
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    if (v->entry_msr_load_count == 0)
        return 0;
    u32 failed = load(cpu, MSR_AREA_ENTRY_LOAD, v->entry_msr_load_addr, v->entry_msr_load_count);
    if (!failed)
        fit_step();
    return failed;
}

u32 nested_msr_load_exit(struct cpu *cpu)
{
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    return v->exit_msr_load_count == 0
               ? 0
               : load(cpu, MSR_AREA_EXIT_LOAD, v->exit_msr_load_addr, v->exit_msr_load_count);
}

/* The time-stamp counter is stored as the exit found it, without L0's work since. */
static bool read_for_store(struct cpu *cpu, struct msr_entry *e)
{
    if (e->index != MSR_IA32_TSC)
        return msr_l1_read(cpu, e->index, &e->value);
    e->value = cpu->nested->exit_tsc;
    return true;
}

/* Writes bytes 15:8 of each element and no others. */
u32 nested_msr_store(struct cpu *cpu)
{
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    u32 count = v->exit_msr_store_count;
    for (u32 i = 0, limit = count == 0 ? 0 : area_limit(cpu); i < count; i++) {
        struct msr_entry e = entry_at(cpu, v->exit_msr_store_addr, i);
        if (i >= limit || check_msr_entry(&e, MSR_AREA_EXIT_STORE) != R_NONE ||
            !read_for_store(cpu, &e))
            return i + 1;
        u64 at = v->exit_msr_store_addr + i * sizeof e + offsetof(struct msr_entry, value);
        gpa1_write_open(cpu, GPA1(at), &e.value, sizeof e.value);
    }
    return 0;
}
