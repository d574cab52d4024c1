/*
 * L1 believes it has VMX: the nested state of one processor and the effects around the pure
 * model of hv/vmcs12. Nothing here is known to hv/vmx.
 *
 * Invariants, between two exits:
 *  - `current` is NO_VMCS or the address of the VMCS whose working copy is `vmcs12`;
 *    L1's page may be stale until VMCLEAR, as the SDM allows.
 *  - cpu->in_l2 implies vmxon, a current VMCS12, and vmcs02 current on the CPU.
 *  - not in_l2 implies vmcs01 current on the CPU.
 */
#ifndef HV_NESTED_NESTED_H
#define HV_NESTED_NESTED_H

#include "hv/arch/operand.h"
#include "hv/vmcs12/bitmap.h"
#include "hv/vmcs12/check.h"
#include "hv/vmcs12/vmcs12.h"
#include "hv/vmx/outcome.h"

/* Tags of the CPU: 0 has no VPID, 1 is L1's (VPID01), these are for L1's guests. */
#define VPID02_FIRST 2u
#define VPID02_COUNT 32u

/* What the cached translations of L2's processor are like (the option tlb=). The SDM allows each of these; a processor
 * does some. CAVEAT(tlb-strict). SDM 3C 29.4.1 "Information That May Be Cached" */
struct tlb_policy {
    bool forgets;           /* nothing outlives an exit to L1 */
    bool keeps_tables;      /* an EPT12 table that L1 replaced without INVEPT stays in use below what is cached of it */
    bool keeps_upper;       /* EPT12 entries above the last are read once until INVEPT, not once a run */
    bool shares_by_address; /* EPTPs that differ in their flags alone share what is cached */
};

struct ept02;
struct kvm_state;
struct tail;

struct nested {
    struct vmx_caps caps;       /* what L1 is shown */
    struct check_cpu check_cpu; /* the same, as the entry rules read it */
    bool vmxon;                 /* L1 is in VMX operation */
    bool launching;             /* the entry under way began with VMLAUNCH */
    bool entering;              /* L2 has not exited since that entry */
    gpa1_t vmxon_pointer;
    gpa1_t current; /* the current-VMCS pointer, NO_VMCS when there is none */
    struct vmcs_image vmcs12;
    u32 settled;    /* CHECK_* groups of entry rules that hold for it whatever memory says */

    struct vmcs vmcs02;
    struct vmcs_image image02; /* what vmcs02 holds: as stored, or as fetched after an exit */
    struct vmcs_image want02;  /* what the entry under way wants it to hold */
    struct vmcs_image base02;  /* L0's own side of vmcs02 */
    struct vmcs_image image01; /* vmcs01's guest area on its way in or out */
    u16 vpid12[VPID02_COUNT];  /* whose tag VPID02_FIRST + i is; 0: nobody's */
    u16 vpid_next;             /* the slot that is taken next */
    struct ept02 *ept02;       /* EPT12s of L1 over EPT01 (ept02.h) */
    struct tlb_policy tlb;
    u64 hw_gates;              /* BIT(enum vmcs_gate): fields that this processor has, ... */
    u64 shadow_gates;          /* ... and that L1 has as well */
    u64 *msr_bitmap02;         /* one page: L0's map with L1's over it (bitmap02.c) */
    struct msr_open msr_open02; /* the words of it that L2 uses */
    u64 *ones, *drop;          /* pages: all ones, read where nothing is; takes writes to nowhere */
    bool vapic_nowhere;        /* `drop` is the virtual-APIC page of the L2 that runs */
    struct vmcs shadow;        /* the shadow VMCS that L1 reads and writes without an exit, ... */
    struct vmcs_image shown;   /* ... and what it held when L0 last saw it */
    u8 *vmread_bitmap, *vmwrite_bitmap;
    bool can_shadow, shadow_on;
    bool nmi_held;             /* an NMI waits for L2's window, or for L2 to leave */
    bool init_blocked;         /* an INIT waits until L1 leaves root mode */
    struct vmcs_image base12;  /* scratch of nested_load */
    struct kvm_state *state;   /* scratch of nested_save and nested_load, ... */
    struct tail *tail;
    u8 *blob;                  /* ... NESTED_STATE_MAX bytes */
    u64 refused;               /* entries that our rules passed and the CPU did not */
    u64 exit_tsc;              /* the TSC when L2 last stopped */
};

/* A field of vmcs12 got another value: these groups of rules (check_groups_of) are open again. */
static inline void nested_changed(struct nested *n, u32 groups)
{
    n->settled &= ~groups;
}

#endif
