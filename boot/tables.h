/*
 * L0's page tables, and the region that they lie in. L0 maps three things: the core at its fixed
 * address with each section's own rights; RAM at PHYSMAP_VA, never executable, without the
 * core's image and without the page below each stack; and the pages of the hand-off at their
 * physical address. Nothing is a user page. Pure: memory is plain memory, so the host tests
 * build tables and walk them.
 */
#ifndef BOOT_TABLES_H
#define BOOT_TABLES_H

#include "hv/core/boot_info.h"

#define PHYSMAP_VA 0xffff800000000000ull
#define SIZE_4K    4096ull
/* clang-format off */
#define ALIGN_UP(v, a) (((v) + (a) - 1) & ~((a) - 1))
/* clang-format on */

#define PTE_PRESENT  1ull
#define PTE_WRITABLE 2ull
#define PTE_LARGE    0x80ull
#define PTE_NO_EXEC  (1ull << 63)
#define PTE_ADDRESS  0x000ffffffffff000ull

/* What the region holds, and how much of it is used so far. */
struct region {
    u64 base, size, next;
    struct handoff *handoff; /* a page of the region, mapped alike on both sides */
};

/* Zeroed pages of the region, or 0 when it is used up. */
u64 region_take(struct region *r, u64 bytes);

/* Code that both sides map alike, whole pages. */
struct shared_code {
    u64 base, end;
};

/* Builds the tables at info->cr3_hpa, an empty page. `top` is the level of the largest leaf: 3 with
 * 1 GiB pages, else 2. False: the region is used up. @pre info tells core, stacks and ranges;
 * memory is mapped at its physical address */
MUST_CHECK bool tables_build(struct region *r, const struct boot_info *info,
                             const struct core_header *c, struct shared_code code, u32 top);

#endif
