/*
 * What boot/ tells the core, fixed-width integers only. boot/ fills it in pages that both
 * sides map alike; the core copies what it keeps. Physical addresses are hpa.
 */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include "hv/arch/types.h"

#define BOOT_INFO_MAGIC 0x6f666e496469644eull /* "NdidInfo" */
#define BOOT_MAX_RANGES 128
#define BOOT_MAX_CPUS   64

enum boot_log { BOOT_LOG_NONE = 0, BOOT_LOG_E9 = 1, BOOT_LOG_COM1 = 2, BOOT_LOG_COM2 = 3 };
enum boot_profile {
    PROFILE_BROADWELL = 0, /* the i7-5600U */
    PROFILE_E5_2683V4 = 1,
    PROFILE_D1540 = 2,
    PROFILE_HOST = 3,
};

/* Stress switches, chosen at run time: stress=remerge|restore|paranoid|... */
#define STRESS_REMERGE  (1u << 0)
#define STRESS_RESTORE  (1u << 1)
#define STRESS_PARANOID (1u << 2)
#define STRESS_FLUSH    (1u << 3)
#define STRESS_EVICT    (1u << 4)

enum boot_tlb { BOOT_TLB_DEFAULT = 0, BOOT_TLB_STRICT = 1, BOOT_TLB_EAGER = 2 };

/* One range of RAM (every UEFI memory type that is backed by memory), page aligned. */
struct boot_range {
    u64 base, size;
};

struct boot_info {
    u64 magic;
    u64 region_hpa, region_size; /* L0's own memory: the hole; 2 MiB aligned */
    u64 core_hpa, core_size;     /* the core's image with bss, inside the region */
    u64 pool_hpa, pool_size;     /* free pages for the core, inside the region */
    u64 cr3_hpa;                 /* L0's page tables, built by boot/ */
    u64 physmap_va;              /* where L0 maps RAM: va = physmap_va + hpa */
    u32 log;                     /* enum boot_log */
    u32 verbose;                 /* 0..2 */
    u32 nested;                  /* 0: L1 sees no VMX */
    u32 profile;                 /* enum boot_profile */
    u32 shadow;                  /* VMCS shadowing used for L1 when the CPU has it */
    u32 stress;                  /* STRESS_* */
    u32 tlb;                     /* enum boot_tlb */
    u32 cpu_count;               /* processors that are brought under Nidus */
    u32 range_count;
    u32 reserved;
    struct boot_range range[BOOT_MAX_RANGES];
};

#endif
