/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From L2 to L1: what L1 finds in its VMCS12 (hv/vmcs12/sync.h), the MSR areas, and the host
 * state at which L1 goes on. SDM 3C 28 "VM Exits"
 */
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/crossing/private.h"
#include "hv/nested/images/images.h"
#include "hv/vmcs12/sync.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"

/* Loads L1's host state into vmcs01, then the MSRs of L1's exit MSR-load area. */
static void resume_l1(struct cpu *cpu, struct host_env *h)
{
    struct nested *n = cpu->nested;
    if (host_needs_pdptes(h->v12))
        gpa1_read_pdptes(cpu, h->v12->host_cr3, h->pdpte);
    enum vmx_abort abort = sync_host12(h, &n->image01);
    if (abort != ABORT_NONE) {
        vmx_abort(cpu, abort);
        return;
    }
    nested_run_l1(cpu);
    vmcs01_store_guest(cpu);
    if (nested_msr_load_exit(cpu) != 0)
        vmx_abort(cpu, ABORT_LOAD_MSR);
    else
        shadow01_push(cpu);
}

void nested_leave_l2(struct cpu *cpu, const struct vmexit *x)
{
    struct nested *n = cpu->nested;
    vmcs02_fetch_guest(cpu); /* before anything below reads image02 */
    n->entering = false;
    struct sync_env s = {&n->now->image02, x, &n->caps};
    struct host_env h = {.v12 = &n->now->vmcs12,
                         .left = &n->now->image02,
                         .reason = x->reason,
                         .intr_info = x->intr_info,
                         .maxphyaddr = cpu->vm->facts.phys_bits};
    nested_changed(n, sync_exit12(&s, &n->now->vmcs12));
    if (nested_msr_store(cpu) != 0)
        vmx_abort(cpu, ABORT_SAVE_MSR);
    else
        resume_l1(cpu, &h);
}

void nested_reflect(struct cpu *cpu)
{
    if (short_leave(cpu))
        return;
    exit_more(cpu, SNAP_TOLD);
    nested_leave_l2(cpu, &cpu->exit);
}

/* An entry that fails in its MSR-load area has already loaded the guest state. State that the exit
 * does not load keeps the guest's value. Elements of the area may have changed vmcs02. The next VM
 * entry writes only fields that differ from vmcs02's image, so the image is fetched.
 * SDM 3C 27.8 "VM-Entry Failures During or After Loading Guest State" */
void nested_entry_failed(struct cpu *cpu, u32 reason, u64 qualification)
{
    struct nested *n = cpu->nested;
    bool loaded = EXIT_REASON_BASIC(reason) == EXIT_REASON_ENTRY_MSR_LOADING;
    residence_home(cpu);
    if (cpu->in_l2)
        vmcs02_fetch_guest(cpu);
    if (n->entering && n->launching) /* the CPU, or a machine check, stopped a VMLAUNCH */
        n->now->vmcs12.launch_state = LAUNCH_CLEAR;
    n->entering = false;
    struct host_env h = {.v12 = &n->now->vmcs12,
                         .left = loaded ? &n->now->image02 : &n->image01,
                         .failed_entry = true,
                         .reason = reason,
                         .maxphyaddr = cpu->vm->facts.phys_bits};
    nested_run_l1(cpu);
    vmcs01_fetch_guest(cpu);
    h.before = n->image01.guest_interruptibility;
    sync_failed_entry12(&n->now->vmcs12, reason, qualification);
    resume_l1(cpu, &h);
}
