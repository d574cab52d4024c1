/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contexts that a test runs until they trap, and page tables that let ring 3 run.
 * The trap itself is taken by gt_trap.c; how a context is loaded is in gt_trap.asm.
 */
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/gt_private.h"
#include "hv/arch/cpu.h"

enum { GIGABYTES = 4, ENTRIES = 512, STACK_SIZE = 4 * 4096 };
enum { PTE_USER_RW = 7, PTE_LARGE = 0x80 };

static u64 *pml4, *page_directories;

void gt_enter(const struct gt_frame *f)
{
    gt_exc.vector = GT_NONE;
    gt_armed.start = f->rip;
    gt_armed.resume = (u64)gt_enter_out;
    gt_enter_asm(f, &gt_armed.rsp, f->cs & 3 ? GT_UDATA | 3 : GT_DATA);
    gt_armed.start = 0;
}

struct gt_frame gt_context(const void *code, unsigned cpl, bool compat)
{
    static u64 stack;
    struct gt_frame f;

    if (stack == 0)
        stack = (u64)gt_pages(STACK_SIZE / 4096) + STACK_SIZE;
    SetMem(&f, sizeof f, 0);
    f.rip = (u64)code;
    f.rsp = stack - 64;
    f.rflags = RFLAGS_FIXED;
    f.cs = cpl == 0 ? (compat ? GT_CODE32 : GT_CODE64) : (compat ? GT_UCODE32 : GT_UCODE64) | 3;
    f.ss = cpl == 0 ? GT_DATA : GT_UDATA | 3;
    return f;
}

static void map_build(void)
{
    u64 *pdpt = gt_pages(1);

    pml4 = gt_pages(1);
    page_directories = gt_pages(GIGABYTES);
    pml4[0] = (u64)pdpt | PTE_USER_RW;
    for (u64 i = 0; i < GIGABYTES; i++)
        pdpt[i] = (u64)(page_directories + i * ENTRIES) | PTE_USER_RW;
    for (u64 i = 0; i < GIGABYTES * ENTRIES; i++)
        page_directories[i] = i << 21 | PTE_USER_RW | PTE_LARGE;
}

void gt_map_load(void)
{
    if (pml4 == NULL)
        map_build();
    gt_write_cr3((u64)pml4);
}

u64 *gt_map_page(u64 gla)
{
    u64 *pde = &page_directories[gla >> 21];
    u64 *table;

    if (*pde & PTE_LARGE) {
        table = gt_pages(1);
        for (u64 i = 0; i < ENTRIES; i++)
            table[i] = (gla >> 21 << 21) + i * 4096 + PTE_USER_RW;
        *pde = (u64)table | PTE_USER_RW;
    }
    table = (u64 *)(*pde & ~0xffful);
    return &table[gla >> 12 & (ENTRIES - 1)];
}

u64 *gt_map_directory(u64 gla)
{
    return &page_directories[gla >> 21];
}
