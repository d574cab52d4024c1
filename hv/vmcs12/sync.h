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
    const struct vmcs_image *v02; /* its guest area fetched after the exit */
    const struct vmexit *x;       /* members that the reason does not define are 0 */
    const struct vmx_caps *vcaps; /* shown to L1: VMX_MISC[5] */
    u32 preemption_timer;         /* what is left of it (0 at its own exit) */
};

/* A true exit: guest area, exit information, and the entry fields that an exit changes. Returns the
 * groups of entry rules (hv/vmcs12/check.h) that read a field which has another value now.
 * SDM 3C 28.2 "Recording VM-Exit Information and Updating VM-Entry Control Fields",
 * SDM 3C 28.3 "Saving Guest State" */
u32 sync_exit12(const struct sync_env *env, struct vmcs_image *v12);

/* A failed entry: only exit reason (bit 31 set here) and qualification change.
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
    /* Where the state is that an exit leaves alone: vmcs02 as fetched, after a true exit and after
     * an entry that failed once it had loaded the guest state; vmcs01 (the same object as the
     * output is fine) after an entry that failed before. */
    const struct vmcs_image *left;
    bool failed_entry; /* NMI blocking is then as before the entry: */
    u32 before;        /* L1's interruptibility at its VMLAUNCH or VMRESUME */
    u32 reason;        /* exit reason and interruption information: an NMI exit blocks NMIs */
    u32 intr_info;
    u64 pdpte[4];   /* used when host_needs_pdptes */
    u32 maxphyaddr; /* of L1's processor */
};

/* True when L1's host state uses PAE paging: the caller reads the four PDPTEs at the gpa1
 * in vmcs12's host CR3 first. */
bool host_needs_pdptes(const struct vmcs_image *v12);

/* Write the state L1 resumes with into vmcs01's guest area, with the entry controls and CR0
 * and CR4 read shadows that belong to it; nothing else of vmcs01 changes. guest_cr0 and
 * guest_cr4 hold L1's own values: what L0 needs beyond them is the caller's. Exit MSR-load
 * lists come after. An abort leaves v01 unwritten. SDM 3C 28.5 "Loading Host State" */
enum vmx_abort sync_host12(const struct host_env *env, struct vmcs_image *v01) MUST_CHECK;

/* What is left of a preemption timer that was at `value` when the TSC was `then`: it counts
 * down once per 2^shift ticks, by the bit of the TSC at that place, and stops at 0.
 * SDM 3C 26.5.1 "VMX-Preemption Timer" */
u32 preemption_timer_left(u32 value, u64 then, u64 now, unsigned shift);

#endif
