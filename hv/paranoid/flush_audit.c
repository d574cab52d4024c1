/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stress=paranoid: when L0 takes a mapping away, or changes registers that linear translations
 * depend on, L0 must have the CPU drop its cached translations before the next entry. An emulator
 * that drops everything at each entry does not show a flush that L0 left out. So L0 counts its
 * flushes, and this file finds out whether one was due: it compares the guest's registers at the
 * exit with those at the next entry.
 * SDM 3C 29.4.3.1 "Operations that Invalidate Cached Mappings"
 */
#include "hv/paranoid/paranoid.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/core/privileged.h"
#include "hv/vmx/insn.h"

/* The bits of each register that a translation depends on. */
#define CR0_PAGING  (CR0_PG | CR0_WP)
#define CR4_PAGING  (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_LA57)
#define EFER_PAGING (EFER_NXE | EFER_LMA)

static void look(struct paging_seen *p)
{
    p->cr0 = vmcs_read(ENC_guest_cr0) & CR0_PAGING;
    p->cr3 = vmcs_read(ENC_guest_cr3);
    p->cr4 = vmcs_read(ENC_guest_cr4) & CR4_PAGING;
    p->efer = vmcs_read(ENC_guest_efer) & EFER_PAGING;
}

void flush_audit_exit(struct cpu *cpu)
{
    struct flush_audit *a = &cpu->audit;
    a->exit_tsc = rdtsc();
    look(&a->seen);
    a->crossings = cpu->crossings;
    a->vpid_flushes = cpu->percpu.vpid_flushes;
    a->ept_flushes = cpu->percpu.ept_flushes;
    a->generation = cpu->ept01->generation;
}

/* True when a flush of linear translations is due before this entry. If the same guest goes on,
 * its registers are those that the exit saved, unless L0 changed them. If L1 has entered L2 or
 * L2 has exited to L1, a flush is due for an L1 that runs L2 without VPID: such an L1 relies on
 * the flush that each of its transitions implies. L2 without VPID has no tag in vmcs02, and the
 * CPU flushes. */
static bool linear_flush_due(const struct cpu *cpu)
{
    const struct flush_audit *a = &cpu->audit;
    struct paging_seen now;
    if (a->crossings != cpu->crossings)
        return !cpu->in_l2 && !any(vmcs12_cpu2(&cpu->nested->now->vmcs12), CPU2_ENABLE_VPID);
    look(&now);
    return now.cr0 != a->seen.cr0 || now.cr3 != a->seen.cr3 || now.cr4 != a->seen.cr4 ||
           now.efer != a->seen.efer;
}

void flush_audit_entry(struct cpu *cpu)
{
    const struct flush_audit *a = &cpu->audit;
    bool vpid = any(vmcs_read(ENC_cpu2_ctl), CPU2_ENABLE_VPID);
    if (cpu->vm->facts.vpid && vpid && linear_flush_due(cpu) &&
        a->vpid_flushes == cpu->percpu.vpid_flushes)
        panic("bug: linear mappings of L%u changed and were not flushed", cpu->in_l2 ? 2u : 1u);
    if (a->generation != cpu->ept01->generation && a->ept_flushes == cpu->percpu.ept_flushes)
        panic("bug: EPT01 changed and was not flushed");
    if (cpu->in_l2 && ept02_flush_owed(cpu))
        panic("bug: EPT02 changed and was not flushed");
}
