/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding Nidus's memory: the memory map's 2 MiB aligned reserved block, bare a stand-in. */
#include "guest-tests/lib/gt_hole.h"

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
