/* SPDX-License-Identifier: BSD-2-Clause */
/* What the short path between L2 and L1 (hv/nested/crossing/short_path.c) knows of one VMCS12. */
#ifndef HV_NESTED_SHORT_PATH_H
#define HV_NESTED_SHORT_PATH_H

#include "hv/vmcs12/check.h"

/* What the short path has to do beside what it always does; 0 for most L1s. */
/* clang-format off */
enum short_extra {
    SHORT_EFER       = 1 << 0,  /* an entry does not load EFER: L2 starts with L1's */
    SHORT_PAT        = 1 << 1,  /* nor PAT */
    SHORT_PERF       = 1 << 2,  /* VMCS12 loads IA32_PERF_GLOBAL_CTRL */
    SHORT_DEBUG      = 1 << 3,  /* an entry does not load DR7 and DEBUGCTL */
    SHORT_LINK       = 1 << 4,  /* VMCS12 has a link pointer */
    SHORT_TPR        = 1 << 5,  /* the TPR threshold is judged */
    SHORT_CR4_HIDDEN = 1 << 6,  /* L0 masks bits of CR4 that VMCS12 does not */
    SHORT_CPU1       = 1 << 7,  /* "primary controls" of vmcs02 are not VMCS12's */
    SHORT_TIMER      = 1 << 8,  /* each entry starts the preemption timer anew */
    SHORT_NO_VPID    = 1 << 9,  /* each crossing flushes L1's tag */
    SHORT_EPT        = 1 << 10, /* EPT02 stands over an EPT12 */
    SHORT_HOST_EFER  = 1 << 11, /* an exit does not load EFER */
    SHORT_HOST_PAT   = 1 << 12, /* nor PAT */
    SHORT_WIDE       = 1 << 13, /* the CPU has wider linear addresses than L1's */
    SHORT_HALTS      = 1 << 14, /* L2 may stop in another activity state, or entered one */
    SHORT_NMIS       = 1 << 15, /* blocking by NMI passes from L2 to L1 */
    SHORT_IBPB       = 1 << 16, /* predictors do not tell L1 from L2 */
    SHORT_PERF_KEPT  = 1 << 17, /* IA32_PERF_GLOBAL_CTRL is L1's in L2, too */
    SHORT_MSRS       = 1 << 18, /* MSR_BITMAP02 is used */
    SHORT_GUEST      = 1 << 19, /* L1 has written L2's state: SHORT_GUEST_GROUPS must be judged */
    SHORT_DEEP       = 1 << 20, /* another Nidus is below: VMWRITE exits, and VMREAD hardly ever */
    SHORT_RELOADS    = 1 << 21, /* VMCS12 loads EFER, PAT or debug state, and does not save it */
};
/* clang-format on */
#define SHORT_GUEST_GROUPS (CHECK_SEGMENTS | CHECK_TABLES | CHECK_GUEST_MSRS)

/* L1's host state as vmcs01 gets it. */
struct host01 {
#define HOST01(name) u64 name;
#include "hv/vmcs12/host01.def"
};

/* What vmcs02 holds behind an exit on the short path, of registers with which L2 goes on only if L1
 * has the same in them: those that VMCS12 does not load. */
struct left02 {
    u64 efer; /* with L1's mode bits where an entry gives L2 its own */
    u64 pat, dr7, debugctl;
    bool reloads_fit; /* vmcs02 holds what the entry will load of VMCS12 (SHORT_RELOADS) */
};

/* The short path between L2 and L1 (hv/nested/crossing/short_path.c). Facts of the last VM entry on
 * the plain path, which hold while `ready`. */
struct short_path {
    bool ready;  /* vmcs02 is what merge makes of VMCS12, and VMCS12 allows the short path */
    bool open;   /* L1's next VMRESUME may be answered at the door */
    bool marked; /* vmcs02's region has the shadow-VMCS indicator and is not active */
    bool host_made;
    u32 extra;         /* enum short_extra */
    u32 cpu1;          /* VMCS12's "primary controls" as they were judged */
    u32 cpu1_extra;    /* bits of "primary controls" that vmcs02 has and VMCS12 has not */
    u32 cpu1_free;     /* bits that L1 may change between two entries on the short path */
    u32 blocking01;    /* L1's interruptibility at its last VMRESUME */
    u32 invvpid;       /* the type that flushes L1's tag */
    u64 prepared_at;   /* L1's VMRESUMEs at the last VM entry on the plain path */
    u32 wasted;        /* short exits in a row that were followed by a plain entry */
    u32 skipped;       /* plain exits because of those */
    u32 reflect_of[3]; /* pin-based, primary and secondary controls that `reflect` is of */
    u64 reflect;       /* BIT(basic reason): such an exit of L2 is L1's, by the controls alone */
    u64 efer_judged;   /* of EFER, must be as `lma` says: LMA, and what L1's processor lacks */
    u64 lma;           /* EFER_LMA when L2 is in IA-32e mode, else 0 */
    u64 host_mode;     /* EFER_LMA and EFER_LME when L1 is, else 0 */
    u64 cr4_hidden;    /* bits of L2's CR4 that only L0 masks */
    u64 cr4;           /* L2's CR4 as it was judged */
    u64 cr0, efer;     /* L2's, as the last exit on the short path found them */
    u64 perf02;        /* IA32_PERF_GLOBAL_CTRL with which the entry starts L2 */
    u64 perf01;        /* and the exit L1 */
    u64 host_cr0, host_cr4;       /* L1's read shadows of CR0 and CR4 behind an exit */
    const u64 *msr_bitmap12;      /* L1's page, or the page of ones */
    const u8 *vtpr12;             /* in L1's virtual-APIC page; NULL where no memory is */
    const u8 *shadow_bitmap12[2]; /* for L2's VMREAD and VMWRITE, if shadowed */
    struct vmcs_image *shadow12;  /* what they access */
    gpa1_t apic_page;             /* cpu->apic_page when addresses were translated */
    struct left02 left;
    struct host01 host;
};

#endif
