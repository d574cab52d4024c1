/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmcs02 as a value, made of what L1 asked for in vmcs12, of L0's own host state and needs, and of
 * those registers of L1 that a VM entry leaves alone. merge never reads memory and never translates
 * an address: the caller brings the hpas for the addresses in vmcs12.
 *
 * Column TO02 of fields.def says how each field crosses. merge.c copies the COPY, HOSTOWN and NEVER
 * rows by inclusion. Each MERGE and TRANSLATE row has one line in merge.def; the build counts them.
 */
#ifndef HV_VMCS12_MERGE_H
#define HV_VMCS12_MERGE_H

#include "hv/vmcs12/vmcs12.h"

/* What L0 needs in vmcs02, whatever vmcs12 says. Zero means no need. merge itself adds what its own
 * values need: an entry loads debug controls, PAT and EFER; an exit saves them and the value of the
 * preemption timer, loads L0's PAT and EFER, and enters 64-bit mode. EPT is a need of L0's (cpu2).
 * "Unrestricted guest" is on exactly when vmcs12 or cpu2 asks for it; otherwise the stricter rules
 * for CR0 hold, which L1 chose for L2. EXIT_ACK_INTR_ON_EXIT must not be here: vmcs12 decides. */
struct merge_l0 {
    u32 cpu1, cpu2, exit, entry; /* controls that must be on */
    u64 cr4_mask; /* bits of CR4 that L0 owns. The entry rules ensure that they are 0 in vmcs12's
                     guest CR4 */
    u16 vpid02;   /* 0: no VPID */
};

/* L1's registers at its VMLAUNCH or VMRESUME. L2 starts with those that the VM entry does not load.
 * SDM 3C 27.3.2.1 "Loading Guest Control Registers, Debug Registers, and MSRs" */
struct merge_l1 {
    u64 cr0; /* CD, NW, ET and the reserved bits are never loaded */
    u64 dr7, debugctl;
    u64 efer, pat, perf_global_ctrl;
};

/* The addresses that L0 gives to the CPU for the addresses in vmcs12. merge uses an address only
 * when the control for it is on in vmcs02. merge always uses ept_pointer, which is EPTP01 when
 * vmcs12 has no EPT. msr_bitmap is a page of L0's with at least all intercepts of L1 and of L0. */
struct merge_addr {
    hpa_t io_bitmap_a, io_bitmap_b, msr_bitmap;
    hpa_t virtual_apic, apic_access, posted_intr_desc;
    /* The gpa1 of the virtual-APIC page has no memory; virtual_apic is a page of L0's, all ones. */
    bool virtual_apic_nowhere;
    u64 ept_pointer; /* a whole EPTP, with its memory type, walk length and A/D bits */
};

struct merge_env {
    const struct vmcs_image *v12;  /* vmcs12, which has passed the entry checks */
    const struct vmcs_image *base; /* L0's own image: the host area, a link pointer of all ones, and
                                      the MSR areas and VM-function controls that L0 wants */
    const struct vmx_caps *hw;     /* the processor's capabilities, not L1's */
    struct merge_l0 l0;
    struct merge_l1 l1;
    struct merge_addr addr;
    u64 pdpte[4]; /* used when merge_needs_pdptes */
};

/* True when vmcs02 needs PDPTEs that vmcs12 does not hold: L2 starts with PAE paging and without
 * EPT12. A CPU would read the PDPTEs at the gpa1 in vmcs12's guest CR3, so the caller reads them
 * there. A malformed PDPTE fails the entry before the caller calls merge_vmcs02. */
bool merge_needs_pdptes(const struct vmcs_image *v12);

/* Fills in every control, guest and host field of *v02. Exit information and the header stay as
 * they are. @pre vmcs12 has passed the entry checks; base and hw belong to this processor.
 * SDM 3C 27.3.2.1 "Loading Guest Control Registers, Debug Registers, and MSRs" */
void merge_vmcs02(const struct merge_env *env, struct vmcs_image *v02);

#endif
