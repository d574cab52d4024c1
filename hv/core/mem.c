/* SPDX-License-Identifier: BSD-2-Clause */
/* The page allocator of bring-up. It only counts upward. Contract in mem.h. */
#include "hv/core/mem.h"
#include "hv/core/lib.h"

void *mem_pages(struct mem *mem, u64 count)
{
    if (count > (mem->end - mem->next) / PAGE_SIZE)
        return NULL;
    void *va = mem_va(mem, HPA(mem->next));
    mem->next += count * PAGE_SIZE;
    return memset(va, 0, count * PAGE_SIZE);
}
