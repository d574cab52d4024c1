/* SPDX-License-Identifier: BSD-2-Clause */
/* L0's page tables. Contract in tables.h. */
#include "boot/tables.h"

u64 region_take(struct region *r, u64 bytes)
{
    u64 at = r->next;
    r->next += ALIGN_UP(bytes, SIZE_4K);
    if (r->next > r->base + r->size)
        return 0;
    for (u64 *word = (u64 *)at; (u64)word < r->next; word++)
        *word = 0;
    return at;
}

/* The entry for va at the given level; level 1 maps 4 KiB. Makes the tables above the entry as
 * needed. Returns NULL when the region is used up. */
static u64 *entry_at(struct region *r, u64 cr3, u64 va, u32 level)
{
    u64 *table = (u64 *)cr3;
    for (u32 l = 4;; l--) {
        u64 *entry = &table[va >> (3 + 9 * l) & 511];
        if (l == level)
            return entry;
        if (!*entry) {
            u64 below = region_take(r, SIZE_4K);
            if (!below)
                return NULL;
            *entry = below | PTE_PRESENT | PTE_WRITABLE;
        }
        table = (u64 *)(*entry & PTE_ADDRESS);
    }
}

static u64 level_size(u32 level)
{
    return SIZE_4K << (9 * (level - 1));
}

/* Maps [pa, pa + size) at va in the largest pages that the alignment and top_level allow. Returns
 * false when the region is used up. */
static bool map(struct region *r, u64 cr3, u64 va, u64 pa, u64 size, u64 flags, u32 top_level)
{
    while (size) {
        u32 level = top_level;
        while (level > 1 && ((va | pa) & (level_size(level) - 1) || size < level_size(level)))
            level--;
        u64 *entry = entry_at(r, cr3, va, level);
        if (!entry)
            return false;
        *entry = pa | flags | PTE_PRESENT | (level > 1 ? PTE_LARGE : 0);
        va += level_size(level);
        pa += level_size(level);
        size -= level_size(level);
    }
    return true;
}

/* Number n of the ranges that the physmap leaves out, from low to high. The first is the core's
 * image, because its text must have no second, writable address. The others are the guard pages
 * below the stacks. */
#define GUARDS (BOOT_IST_STACKS + 1u)
static struct boot_range left_out(const struct boot_info *info, u32 n)
{
    if (n == 0)
        return (struct boot_range){info->core_hpa, info->core_size};
    u32 cpu = (n - 1) / GUARDS, guard = (n - 1) % GUARDS;
    u64 at = info->stacks_hpa + cpu * BOOT_STACKS_SIZE + guard * BOOT_IST_STRIDE;
    return (struct boot_range){at, SIZE_4K};
}

static bool map_ram(struct region *r, const struct boot_info *info, u32 top)
{
    u64 flags = PTE_WRITABLE | PTE_NO_EXEC;
    for (u32 i = 0; i < info->range_count; i++) {
        u64 at = info->range[i].base, end = at + info->range[i].size;
        for (u32 n = 0; n < 1 + GUARDS * info->cpu_count; n++) {
            struct boot_range out = left_out(info, n);
            if (out.base < at || out.base + out.size > end)
                continue;
            if (!map(r, info->cr3_hpa, PHYSMAP_VA + at, at, out.base - at, flags, top))
                return false;
            at = out.base + out.size;
        }
        if (!map(r, info->cr3_hpa, PHYSMAP_VA + at, at, end - at, flags, top))
            return false;
    }
    return true;
}

static bool map_core(struct region *r, const struct boot_info *info, const struct core_header *c)
{
    u64 cr3 = info->cr3_hpa, pa = info->core_hpa, va = c->base_va;
    return map(r, cr3, va, pa, c->text_end, 0, 1) &&
           map(r, cr3, va + c->text_end, pa + c->text_end, c->rodata_end - c->text_end, PTE_NO_EXEC,
               1) &&
           map(r, cr3, va + c->rodata_end, pa + c->rodata_end, c->end - c->rodata_end,
               PTE_NO_EXEC | PTE_WRITABLE, 1);
}

/* Maps the code of handoff.asm and the pages of struct handoff at their physical address. */
static bool map_handoff(struct region *r, u64 cr3, struct shared_code code)
{
    const struct boot_info *info = r->handoff->info;
    u64 data = (u64)r->handoff, size = ALIGN_UP(info->cpu_count * sizeof *r->handoff, SIZE_4K);
    return map(r, cr3, code.base, code.base, code.end - code.base, 0, 1) &&
           map(r, cr3, data, data, size, PTE_WRITABLE | PTE_NO_EXEC, 1) &&
           map(r, cr3, (u64)info, (u64)info, ALIGN_UP(sizeof *info, SIZE_4K), PTE_NO_EXEC, 1);
}

static bool map_screen(struct region *r, const struct boot_info *info)
{
    const struct screen *s = &info->screen;
    if (!s->pixels)
        return true;
    u64 base = s->hpa & ~(SIZE_4K - 1), end = s->hpa + 4ull * s->stride * s->height;
    return map(r, info->cr3_hpa, (u64)s->pixels & ~(SIZE_4K - 1), base,
               ALIGN_UP(end, SIZE_4K) - base, PTE_WRITABLE | PTE_NO_EXEC | PTE_UC_MINUS, 1);
}

/* The registers of the VT-d units, uncached: PAT entry 3 of hv/vmx/vmx.h's HOST_PAT. */
static bool map_units(struct region *r, const struct boot_info *info)
{
    u64 flags = PTE_WRITABLE | PTE_NO_EXEC | PTE_UNCACHED;
    for (u32 i = 0; i < info->unit_count; i++)
        if (!map(r, info->cr3_hpa, PHYSMAP_VA + info->unit[i].base, info->unit[i].base,
                 info->unit[i].size, flags, 1))
            return false;
    return true;
}

/* Each processor has a root of its own, so that it can drop the lower half when it has switched. */
static void copy_roots(const struct boot_info *info)
{
    const u64 *first = (const u64 *)info->cr3_hpa;
    for (u32 cpu = 1; cpu < info->cpu_count; cpu++)
        for (u32 i = 0; i < 512; i++)
            ((u64 *)(info->cr3_hpa + cpu * SIZE_4K))[i] = first[i];
}

bool tables_build(struct region *r, const struct boot_info *info, const struct core_header *c,
                  struct shared_code code, u32 top)
{
    bool ok = map_core(r, info, c) && map_handoff(r, info->cr3_hpa, code) &&
              map_ram(r, info, top) && map_screen(r, info) && map_units(r, info);
    if (ok)
        copy_roots(info);
    return ok;
}
