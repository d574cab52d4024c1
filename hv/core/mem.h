/* SPDX-License-Identifier: BSD-2-Clause */
/* L0's own memory. Pages are handed out during bring-up and never given back. Code that needs pages
 * later takes a bounded pool of pages during bring-up. */
#ifndef HV_CORE_MEM_H
#define HV_CORE_MEM_H

#include "hv/arch/types.h"

struct mem {
    u64 physmap_va; /* va = physmap_va + hpa, for RAM only */
    u64 next, end;  /* the free pages, hpa */
};

/* The address of `count` zeroed, contiguous pages, or NULL when the region has not as many left. */
void *mem_pages(struct mem *mem, u64 count) MUST_CHECK;

static inline void *mem_va(const struct mem *mem, hpa_t hpa)
{
    return (void *)(mem->physmap_va + hpa.a);
}

static inline hpa_t mem_hpa(const struct mem *mem, const void *va)
{
    return HPA((u64)va - mem->physmap_va);
}

#endif
