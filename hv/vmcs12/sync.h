/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * After L2 stopped: what L1 finds in vmcs12, and the state in which L1 goes on. Column TO12 of
 * fields.def says which fields come back. Each SYNTH row has one line in sync.def. merge.h goes
 * the other way.
 */
#ifndef HV_VMCS12_SYNC_H
#define HV_VMCS12_SYNC_H

#include "hv/arch/exit.h"
#include "hv/vmcs12/vmcs12.h"

struct sync_env {
    const struct vmcs_image *v02; /* vmcs02, with the guest area fetched after the exit */
    const struct vmexit *x;       /* the exit; members that the reason does not define are 0 */
    const struct vmx_caps *vcaps; /* as shown to L1; bit 5 of IA32_VMX_MISC is looked at */
};

/* Writes a true exit into *v12: the guest area, the exit information, and the entry controls that
 * an exit changes. Returns the groups of entry rules (enum check_group) that read a changed field.
 * SDM 3C 28.2 "Recording VM-Exit Information and Updating VM-Entry Control Fields",
 * SDM 3C 28.3 "Saving Guest State" */
u32 sync_exit12(const struct sync_env *env, struct vmcs_image *v12);

/* Writes a failed entry into *v12. Only exit reason and qualification change. reason: the exit
 * reason; the function itself sets bit 31.
 * SDM 3C 27.8 "VM-Entry Failures During or After Loading Guest State" */
void sync_failed_entry12(struct vmcs_image *v12, u32 reason, u64 qualification);

/* VMX-abort indicators. SDM 3C 28.7 "VMX Aborts" */
enum vmx_abort {
    ABORT_NONE = 0,
    ABORT_SAVE_MSR = 1,
    ABORT_HOST_PDPTE = 2,
    ABORT_VMCS_CORRUPTED = 3,
    ABORT_LOAD_MSR = 4,
    ABORT_MACHINE_CHECK = 5,
    ABORT_HOST_NOT_64BIT = 6,
};

struct host_env {
    const struct vmcs_image *v12;
    /* The image with the state that an exit leaves alone. After a true exit this is vmcs02 as
     * fetched, and also after an entry that failed when it had loaded the guest state. After an
     * entry that failed earlier it is vmcs01, and may be the object that sync_host12 writes. */
    const struct vmcs_image *left;
    bool failed_entry; /* the entry failed: blocking by NMI returns to what it was before */
    u32 before;        /* L1's interruptibility at its VMLAUNCH or VMRESUME */
    u32 reason;        /* exit reason and interruption information; an exit by an NMI blocks NMIs */
    u32 intr_info;
    u64 pdpte[4];   /* used when host_needs_pdptes is true */
    u32 maxphyaddr; /* of the processor that L1 is shown, in bits */
};

/* True when L1's host state uses PAE paging. The caller then reads the four PDPTEs at the gpa1 in
 * vmcs12's host CR3 before it calls sync_host12. */
bool host_needs_pdptes(const struct vmcs_image *v12);

/* Writes the state in which L1 goes on into *v01: the guest area, "IA-32e mode guest", and the read
 * shadows of CR0 and CR4. Nothing else of *v01 changes. guest_cr0 and guest_cr4 become L1's own
 * values; the caller adds the bits that L0 needs. The caller loads the VM-exit MSR-load area
 * afterwards. Returns ABORT_NONE, or the VMX abort that L1's processor would make; *v01 is then
 * unchanged. SDM 3C 28.5 "Loading Host State" */
enum vmx_abort sync_host12(const struct host_env *env, struct vmcs_image *v01) MUST_CHECK;

/* 0 for 1, with which an L2 may never exit (erratum ADL020); else
 * the value, at TSC `now`, of a preemption timer that had `value` at TSC `then`. The timer counts
 * down by 1 each time bit `shift` of the TSC changes, and stops at 0.
 * SDM 3C 26.5.1 "VMX-Preemption Timer" */
u32 preemption_timer_left(u32 value, u64 then, u64 now, unsigned shift);

#endif
