/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1 believes it has VMX: the nested state of one processor and the effects around the pure
 * model of hv/vmcs12. Nothing here is known to hv/vmx.
 *
 * Invariants, between two exits:
 *  - `now` is the current VMCS with its working copy, or active[0]; L1's pages of active VMCSs may
 *    be stale until VMCLEAR, as the SDM allows.
 *  - cpu->in_l2 implies vmxon, a current VMCS12, and its vmcs02 current on the CPU.
 *  - not in_l2 implies vmcs01 current on the CPU.
 */
#ifndef HV_NESTED_NESTED_H
#define HV_NESTED_NESTED_H

#include "hv/arch/operand.h"
#include "hv/nested/short_path.h"
#include "hv/vmcs12/bitmap.h"
#include "hv/vmcs12/check.h"
#include "hv/vmcs12/vmcs12.h"
#include "hv/vmx/outcome.h"

/* Tags of the CPU: 0 is for guests without VPID, 1 is L1's (VPID01), these are for L1's guests. */
#define VPID02_FIRST 2u
#define VPID02_COUNT 32u

/* How L2's processor caches translations (the option tlb=). The SDM allows each of these habits,
 * and a processor has some of them.
 * CAVEAT(tlb-strict) SDM 3C 29.4.1 "Information That May Be Cached" */
struct tlb_policy {
    bool forgets;           /* nothing outlives an exit to L1 */
    bool keeps_tables;      /* an EPT12 table that L1 replaces stays in use until INVEPT */
    bool keeps_upper;       /* upper EPT12 entries are read once until INVEPT, not once a run */
    bool shares_by_address; /* EPTPs that differ only in flags share what is cached */
};

/* Where the state of the current VMCS12 is; hv/nested/images/residence.c explains. */
enum residence { AT_HOME, LENT, SHOWN };

/* What L1 reads and writes without an exit; hv/nested/images/shadow01.def explains. */
enum shadow_set { SET_PLAIN, SET_WIDE, SET_INNER, SHADOW_SETS };

/* Indices of nested.told beside the numbers of VM-instruction errors. 0 is VMfailInvalid. */
enum told {
    TOLD_INVEPT = 29,
    TOLD_INVVPID = 30,
    TOLD_FAILED_ENTRY = 31,
    TOLD_STALE = 32,
    TOLD_COUNT = 33
};

/* A VMCS of L1's that is active (hv/nested/instructions/active.c), with the vmcs02 that runs it. */
struct active {
    gpa1_t at;      /* L1's region, or NO_VMCS: the place is free */
    const u8 *page; /* the region; NULL when the place is free */
    u64 used_at;    /* by n->clock, for the least recently used */
    struct vmcs_image vmcs12;
    u32 settled;              /* CHECK_* groups of entry rules that vmcs12 is known to pass */
    enum residence residence; /* where vmcs12's state is */
    struct vmcs vmcs02;
    struct vmcs_image image02; /* what vmcs02 holds: as stored, or as fetched after an exit */
    struct vmcs shadow01;      /* the shadow VMCS in which L1 reads and writes vmcs12 AT_HOME */
    struct vmcs_image shown01; /* what it held when L0 last saw it */
    bool told;                 /* it has been given vmcs12 */
    struct short_path path;
    bool nowhere_written; /* the CPU writes to page_of_nowhere for this L2 */
    bool vapic_nowhere;   /* page_of_nowhere is the virtual-APIC page of this L2 */
    u32 wide;             /* entries for which L1 still writes L2's state without an exit */
    u32 wrote;            /* L1's VMWRITEs of it that exited, before this VMRESUME of L1's: */
    u64 wrote_at;
};

#define ACTIVE_VMCSS 8u

struct ept02;
struct kvm_state;
struct tail;

struct nested {
    struct vmx_caps caps;       /* the VMX that L1 is shown */
    struct check_cpu check_cpu; /* the processor that L1 is shown, for the entry rules */

    /* What L1 believes. */
    bool vmxon;     /* L1 is in VMX operation */
    bool launching; /* the VM entry under way, or the last one, began with VMLAUNCH */
    bool entering;  /* L2 has not exited since that entry */
    gpa1_t vmxon_pointer;
    struct active *now; /* the current VMCS; active[0], which is always free, when there is none */
    struct active active[1 + ACTIVE_VMCSS];
    u64 clock;
    u8 field_how[F_COUNT]; /* of each field, what residence.c knows of it */

    /* What a vmcs02 is made from. */
    struct vmcs_image want02;   /* what the entry under way wants it to hold */
    struct vmcs_image base02;   /* L0's own side of vmcs02 */
    struct vmcs_image image01;  /* vmcs01's guest area, on its way in or out */
    u64 hw_gates;               /* BIT(enum vmcs_gate): fields that this processor has */
    u64 *msr_bitmap02;          /* one page: L0's MSR bitmap with L1's over it */
    struct msr_open msr_open02; /* the words of that page which L2 uses */
    u64 *page_of_ones;          /* read where L1 names a page without memory */
    u64 *page_of_nowhere;       /* written where L1 names a page without memory */
    bool nmi_held;              /* an NMI waits for L2's window, or for L2 to leave */
    bool init_blocked;          /* an INIT waits until L1 leaves root mode */
    u64 refused;                /* VM entries that our rules passed and the CPU refused */
    u64 exit_tsc;               /* the TSC when L2 last stopped */
    u64 culprit;                /* what the VMX instruction that fails read from memory */
    u32 told[TOLD_COUNT];       /* failures of L1's: by error number, and enum told */
    u32 told_rule;              /* the entry rule that was broken last */

    /* Translations of L2. */
    struct tlb_policy tlb;
    struct ept02 *ept02;      /* hv/nested/ept02 */
    u16 vpid12[VPID02_COUNT]; /* [i]: L1's VPID with the tag VPID02_FIRST + i. 0: none */
    u16 vpid_next;            /* the slot that is taken next */

    /* The shadow VMCS that L1 reads and writes without an exit (hv/nested/images/shadow01.c). */
    u8 *shadow_bitmap[SHADOW_SETS][2]; /* for VMREAD and VMWRITE */
    enum shadow_set shadow_set;        /* whose bitmaps vmcs01 names */
    u64 shadow01_gates;                /* hw_gates that L1 has as well */
    bool can_shadow01;
    bool vmcs02_shows; /* vmcs02 itself is L1's shadow VMCS while VMCS12 is SHOWN */
    const struct vmcs
        *reached; /* what L1 reaches without an exit, by vmcs01's link pointer; or NULL */

    struct vmcs_image base12; /* scratch of the audits */

    /* Memory of hv/saved. NULL unless stress= asks for it. */
    struct kvm_state *state;
    struct tail *tail;
    u8 *blob; /* NESTED_STATE_MAX bytes */
};

/* A field of the current VMCS12 got another value. `groups`, from check_groups_of, are the groups
 * of entry rules that read the field: they must be judged again. */
static inline void nested_changed(struct nested *n, u32 groups)
{
    n->now->settled &= ~groups;
}

#endif
