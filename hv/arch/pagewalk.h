/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation of a guest's linear addresses in every paging mode, as the processor does it for a
 * data access: rights, reserved bits, accessed and dirty flags. Pure: the caller's functions reach
 * memory, so the host tests walk tables that are plain arrays.
 *
 * SDM 3A 4.6 "Access Rights", SDM 3A 4.7 "Page-Fault Exceptions",
 * SDM 3A 4.8 "Accessed and Dirty Flags"
 */
#ifndef HV_ARCH_PAGEWALK_H
#define HV_ARCH_PAGEWALK_H

#include "hv/arch/cpu.h"
#include "hv/arch/paging.h"

/* The registers that decide a translation. */
struct paging_state {
    u64 cr0, cr3, cr4, efer;
    u64 pdpte[4]; /* PAE paging: the PDPTE registers, not memory */
    u32 pkru;
    bool ac;      /* RFLAGS.AC */
    bool page_1g; /* CPUID.80000001H:EDX.Page1GB */
    u8 cpl;
    u8 maxphyaddr;
};

/* The caller's access to paging-structure entries. gpa: the entry's guest-physical address. size: 4
 * or 8 bytes; gpa is a multiple of size, so no entry crosses a cache line and no locked access is
 * split. read returns the entry. set_flags stores `new` if the entry still is `old`, and returns
 * whether it stored. */
struct walk_memory {
    void *ctx;
    u64 (*read)(void *ctx, u64 gpa, unsigned size);
    bool (*set_flags)(void *ctx, u64 gpa, unsigned size, u64 old, u64 new);
};

/* How many times a walk is tried when another processor or a device changes an entry under the
 * walk. Walks of EPT12 (hv/nested/ept02/ept12.c) have the same limit. */
#define WALK_TRIES 16u

/* An access is a set of PF_W and PF_I, as in the page-fault error code, and WALK_SYSTEM.
 * WALK_SYSTEM is the processor's own access to a descriptor table or TSS. Such an access is a
 * supervisor access at every CPL, and SMAP applies to it even when RFLAGS.AC is 1. */
#define WALK_SYSTEM BIT(32)

struct walk_result {
    bool ok;
    u64 gpa;                 /* guest-physical address, when ok */
    bool user, write, fetch; /* the accesses that all levels together allow, when ok */
    u32 error_code;          /* of the #PF, when not ok */
};

/* Translates the linear address gla for an access. @pre gla is canonical in 64-bit mode. An entry
 * that changes under each of WALK_TRIES walks gives a #PF (CAVEAT(walk-tries)). */
struct walk_result pagewalk(const struct paging_state *p, const struct walk_memory *m, u64 gla,
                            u64 access);

/* A walk of 4-level paging as nearly all are: supervisor code reaches a page whose entries are all
 * present and accessed, and no right depends on more than them. It holds as long as the entries
 * that it read have the values that it read; so whoever remembers it compares those. */
struct plain_walk {
    struct walk_key {
        u64 cr3, cr4, efer, page;
    } key;                     /* with what it began. page: the linear address >> PAGE_SHIFT */
    const volatile u64 *at[4]; /* entries on the way; the last one stands for those that lack */
    u64 entry[4];
    u64 gpa;       /* where the page begins */
    void *va;      /* and where L0 reaches it. NULL: no memory is there */
    bool writable; /* at every level, and the page is dirty */
};

#endif
