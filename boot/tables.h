/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L0's page tables, and the region that they lie in. L0 maps four things. The core is at its fixed
 * address, and each section has its own rights. RAM is at PHYSMAP_VA and never executable; the
 * core's image and the page below each stack are left out there. The pages of the hand-off are at
 * their physical address. The framebuffer, where there is one, is at SCREEN_VA. The registers of
 * VT-d's units are at PHYSMAP_VA, uncached. No page is a user page. Pure: page tables are plain
 * memory, so the host tests build tables and walk them.
 */
#ifndef BOOT_TABLES_H
#define BOOT_TABLES_H

#include "hv/core/boot_info.h"

#define PHYSMAP_VA 0xffff800000000000ull
#define SCREEN_VA  0xfffff00000000000ull
#define SIZE_4K    4096ull
/* clang-format off */
#define ALIGN_UP(v, a) (((v) + (a) - 1) & ~((a) - 1))
/* clang-format on */

#define PTE_PRESENT  1ull
#define PTE_WRITABLE 2ull
#define PTE_UC_MINUS 0x10ull /* PCD: UC-, which an MTRR may make write-combining */
#define PTE_UNCACHED 0x18ull
#define PTE_LARGE    0x80ull
#define PTE_NO_EXEC  (1ull << 63)
#define PTE_ADDRESS  0x000ffffffffff000ull

struct vtd;

/* L0's region. base: its physical address; size: in bytes; next: the address of the first free
 * page. */
struct region {
    u64 base, size, next;
    bool stays;              /* a processor may run in it: it is never given back */
    bool locked;             /* a processor's FEATURE_CONTROL, which was not */
    u64 vtd_pages;           /* VT-d's tables, in the region */
    struct vtd *vtd;         /* what guards the region; NULL when nothing does */
    struct handoff *handoff; /* one for each processor, in pages that both sides map alike */
};

/* Takes `bytes`, rounded up to pages, from the region. Returns the physical address of the zeroed
 * pages, or 0 when the region is used up. */
u64 region_take(struct region *r, u64 bytes);

/* The pages of code that both sides map at the same address: physical addresses of whole pages. */
struct shared_code {
    u64 base, end;
};

/* Builds L0's page tables. The root is the empty page at info->cr3_hpa. top: the level of the
 * largest leaf, 3 on a processor with 1 GiB pages, else 2. Returns false when the region is used
 * up. @pre info has core, stacks and ranges; the caller's memory is mapped at its physical
 * address */
MUST_CHECK bool tables_build(struct region *r, const struct boot_info *info,
                             const struct core_header *c, struct shared_code code, u32 top);

#endif
