/*
 * Linear-address translation in every paging mode, as the processor does it for a data
 * access: rights, reserved bits, accessed and dirty flags. Pure: memory is reached through
 * the caller's functions, so the host tests walk tables that are plain arrays.
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

/* How memory at a guest-physical address is reached. `size` is 4 or 8 bytes, and gpa a multiple of
 * it: no entry crosses a cache line, so a locked access is never split. set_flags makes the entry
 * `old` into `new` if it still is `old` and says whether it did. */
struct walk_memory {
    void *ctx;
    u64 (*read)(void *ctx, u64 gpa, unsigned size);
    bool (*set_flags)(void *ctx, u64 gpa, unsigned size, u64 old, u64 new);
};

/* How often a walk begins anew because an entry changed under it; also EPT12's
 * (hv/nested/ept02/ept12.c). */
#define WALK_TRIES 16u

/* The access: PF_W and PF_I as in the page-fault error code; WALK_SYSTEM for the processor's
 * own access to a system structure (descriptor table, TSS), which is supervisor whatever
 * the CPL and never excused by RFLAGS.AC. */
#define WALK_SYSTEM BIT(32)

struct walk_result {
    bool ok;
    u64 gpa; /* when ok, and what all levels together allow: */
    bool user, write, fetch;
    u32 error_code; /* of the #PF, when not ok */
};

/* Translate one linear address (canonical already checked by the caller) for an access. */
struct walk_result pagewalk(const struct paging_state *p, const struct walk_memory *m, u64 gla,
                            u64 access);

#endif
