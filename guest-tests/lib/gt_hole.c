/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding Nidus's memory: the memory map's 2 MiB aligned reserved block, bare a stand-in. */
#include "guest-tests/lib/gt_hole.h"

#include "hv/arch/msr.h"

static void search(struct gt_hole *hole, const char *map, UINTN size, UINTN step)
{
    for (UINTN at = 0; at < size; at += step) {
        const EFI_MEMORY_DESCRIPTOR *d = (const void *)(map + at);
        u64 bytes = d->NumberOfPages * PAGE_SIZE;

        if (d->Type != EfiReservedMemoryType || d->PhysicalStart & (SIZE_2M - 1) ||
            bytes < SIZE_2M || bytes <= hole->size)
            continue;
        *hole = (struct gt_hole){d->PhysicalStart, bytes, true};
    }
}

void gt_hole_find(struct gt_hole *hole)
{
    enum { MAP_PAGES = 8 };
    UINTN size = MAP_PAGES * PAGE_SIZE, key, step;
    char *map = gt_pages(MAP_PAGES);
    UINT32 version;

    *hole = (struct gt_hole){0, 0, false};
    if (gt_under_nidus()) {
        gt_firmware_enter();
        if (BS->GetMemoryMap(&size, (void *)map, &key, &step, &version) == EFI_SUCCESS)
            search(hole, map, size, step);
        gt_firmware_leave();
        gt_check(hole->real, "hole: no reserved block under Nidus");
    }
    if (!hole->real)
        *hole = (struct gt_hole){(u64)gt_pages_aligned(512, SIZE_2M), SIZE_2M, false};
}

static u64
    was[2]; /* the last range of the MTRRs; gt_hole_untouch() has it when last_range is set */
static u32 last_range;

void gt_hole_untouch(void)
{
    enum { STATES = 16, GIB = 30 };
    u64 mask = (1ul << (gt_cpuid(0x80000008, 0).eax & 0xff)) - (1ul << GIB) + MTRR_PHYSMASK_VALID;

    if (!last_range) {
        last_range = (u32)(MSR_IA32_MTRR_PHYSBASE0 + 2 * (gt_rdmsr(MSR_IA32_MTRRCAP) & 0xff) - 2);
        was[0] = gt_rdmsr(last_range);
        was[1] = gt_rdmsr(last_range + 1);
    }
    for (u64 i = 0; i < STATES; i++) {
        gt_wrmsr(last_range, (32 + i) << GIB);
        gt_wrmsr(last_range + 1, mask);
    }
}

void gt_hole_untouched(void)
{
    gt_wrmsr(last_range + 1, was[1]);
    gt_wrmsr(last_range, was[0]);
    last_range = 0;
}
