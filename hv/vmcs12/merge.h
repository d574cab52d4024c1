/*
 * vmcs02 as a value: what L1 asked for in vmcs12, L0's own host side and needs, and L1's state
 * where a VM entry leaves it alone. merge never reads memory and never translates an address:
 * the caller brings hpas for what vmcs12 names.
 *
 * Which field crosses how is column TO02 of fields.def. COPY, HOSTOWN and NEVER rows are copied
 * by inclusion; each MERGE and TRANSLATE row has one line in merge.def (the build counts).
 */
#ifndef HV_VMCS12_MERGE_H
#define HV_VMCS12_MERGE_H

#include "hv/vmcs12/vmcs12.h"

/* What L0 must have in vmcs02 whatever vmcs12 says. Zero means no need. merge adds by itself
 * what its own values need: debug controls, PAT and EFER loaded on entry and saved on exit,
 * PAT and EFER of L0 and 64-bit mode on exit, and the preemption timer's rest saved. EPT is L0's
 * need (cpu2); unrestricted guest is on exactly when vmcs12 or cpu2 says so: L2 then meets the
 * CR0 rules that L1 chose. Never put EXIT_ACK_INTR_ON_EXIT here: it is vmcs12's. */
struct merge_l0 {
    u32 cpu1, cpu2, exit, entry; /* controls that must be on */
    u64 cr4_mask; /* bits of CR4 that L0 owns, all clear in L2's: the rules see to that */
    u16 vpid02;   /* 0: no VPID */
};

/* L1's registers at its VMLAUNCH or VMRESUME, for what VM entry leaves alone.
 * SDM 3C 27.3.2.1 "Loading Guest Control Registers, Debug Registers, and MSRs" */
struct merge_l1 {
    u64 cr0; /* CD, NW, ET and the reserved bits are never loaded */
    u64 dr7, debugctl;
    u64 efer, pat, perf_global_ctrl;
};

/* Addresses of vmcs12 as L0 must give them to the CPU; looked at only when the control that
 * uses the address is on in vmcs12 (ept_pointer always: EPTP01 when vmcs12 has no EPT).
 * msr_bitmap is L0's page that holds at least every intercept of L1's and of L0's. */
struct merge_addr {
    hpa_t io_bitmap_a, io_bitmap_b, msr_bitmap;
    hpa_t virtual_apic, apic_access, posted_intr_desc;
    /* no memory of L1's is there: `virtual_apic` is a page of L0's, all ones */
    bool virtual_apic_nowhere;
    u64 ept_pointer; /* a whole EPTP, with its memory type, walk length and A/D bits */
};

struct merge_env {
    const struct vmcs_image *v12;  /* passed the entry checks */
    const struct vmcs_image *base; /* L0's own image: host area; link pointer all ones; MSR
                                      lists, VM-function controls as L0 wants them */
    const struct vmx_caps *hw;     /* the processor's capabilities, not L1's */
    struct merge_l0 l0;
    struct merge_l1 l1;
    struct merge_addr addr;
    u64 pdpte[4]; /* used when merge_needs_pdptes */
};

/* True when vmcs02 needs PDPTEs that vmcs12 does not hold: L2 starts with PAE paging and
 * without EPT12, so the CPU would read them at the gpa1 in vmcs12's guest CR3. The caller
 * reads them there; a malformed one fails the entry before merge is called. */
bool merge_needs_pdptes(const struct vmcs_image *v12);

/* Fill *v02: every control, guest and host field. Exit information and the header are not
 * touched. Preconditions: vmcs12 passed its checks; base and hw belong to this processor. */
void merge_vmcs02(const struct merge_env *env, struct vmcs_image *v02);

#endif
