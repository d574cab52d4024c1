/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lays out L0's region: the ring, the core's image, the pages of struct handoff, L0's stacks and
 * L0's page tables (tables.c). The rest is the core's pool. Contract in efi_memory.h.
 */
#include <efi.h>
#include <efilib.h>

#include "boot/efi_memory.h"

#include "boot/efi_vtd.h"
#include "boot/insn.h"
#include "hv/ring/ring.h"

extern const u8 core_blob[], core_blob_end[];
extern u8 handoff_end[], bridge_nmi[], bridge_mc[];
u64 handoff(struct handoff *h);

/* ---- the region -------------------------------------------------------------------------- */

u64 region_size(u32 cpus, bool trace, u64 vtd_pages)
{
    return REGION_SIZE(cpus, trace) + ALIGN_UP(vtd_pages * SIZE_4K, SIZE_2M);
}

/* Allocates 2 MiB more than the region needs and gives the unaligned ends back. */
static bool reserve(struct region *r, u64 size)
{
    EFI_PHYSICAL_ADDRESS at;
    u64 all = size + SIZE_2M;
    if (EFI_ERROR(uefi_call_wrapper(BS->AllocatePages, 4, AllocateAnyPages, EfiReservedMemoryType,
                                    all / SIZE_4K, &at)))
        return false;
    u64 base = ALIGN_UP(at, SIZE_2M);
    *r = (struct region){.base = base, .size = size, .next = base};
    if (r->base > at)
        uefi_call_wrapper(BS->FreePages, 2, at, (r->base - at) / SIZE_4K);
    u64 end = r->base + r->size;
    if (at + all > end)
        uefi_call_wrapper(BS->FreePages, 2, end, (at + all - end) / SIZE_4K);
    return true;
}

void memory_release(struct region *r)
{
    if (r->stays || (r->vtd && !vtd_release(r->vtd)))
        return;
    uefi_call_wrapper(BS->FreePages, 2, r->base, r->size / SIZE_4K);
}

/* ---- page tables ------------------------------------------------------------------------- */

static u32 largest_page(void)
{
    return cpuid(0x80000001).edx & (1u << 26) ? 3 : 2;
}

static bool build_tables(struct region *r, const struct core_header *core)
{
    struct shared_code code = {(u64)handoff & ~(SIZE_4K - 1), ALIGN_UP((u64)handoff_end, SIZE_4K)};
    return tables_build(r, r->handoff->info, core, code, largest_page());
}

/* ---- RAM, as the firmware's memory map tells it -------------------------------------------- */

static bool is_ram(UINT32 type)
{
    return (type >= EfiLoaderCode && type <= EfiConventionalMemory) ||
           type == EfiACPIReclaimMemory || type == EfiACPIMemoryNVS;
}

/* The end of the highest memory below `below` that does not end before `above`; 0 when there is
 * none. */
static u64 memory_end(u64 above, u64 below)
{
    UINTN count, key, size;
    UINT32 version;
    u64 top = 0;
    EFI_MEMORY_DESCRIPTOR *map = LibMemoryMap(&count, &key, &size, &version);
    for (UINTN i = 0; map && i < count; i++) {
        EFI_MEMORY_DESCRIPTOR *d = (void *)((u8 *)map + i * size);
        u64 end = d->PhysicalStart + d->NumberOfPages * SIZE_4K;
        if (is_ram(d->Type) && d->PhysicalStart < below && end > above && end > top)
            top = end;
    }
    if (map)
        FreePool(map);
    return top;
}

u64 memory_top(void)
{
    return memory_end(0, ~0ull);
}

bool memory_is_at(u64 base, u64 size)
{
    return memory_end(base, base + size) != 0;
}

/* Adds a range of RAM at its place in the order, and joins the range with its neighbours. Returns
 * false when there are too many ranges. */
static bool add_range(struct boot_info *info, u64 base, u64 size)
{
    struct boot_range *range = info->range;
    u32 at = 0;
    while (at < info->range_count && range[at].base < base)
        at++;
    bool joins_left = at && range[at - 1].base + range[at - 1].size == base;
    bool joins_right = at < info->range_count && base + size == range[at].base;
    if (joins_left) {
        range[at - 1].size += size + (joins_right ? range[at].size : 0);
        if (joins_right)
            CopyMem(&range[at], &range[at + 1], (--info->range_count - at) * sizeof *range);
        return true;
    }
    if (joins_right) {
        range[at].base = base;
        range[at].size += size;
        return true;
    }
    if (info->range_count == BOOT_MAX_RANGES)
        return false;
    CopyMem(&range[at + 1], &range[at], (info->range_count++ - at) * sizeof *range);
    range[at] = (struct boot_range){base, size};
    return true;
}

/* Collects the ranges of RAM from the memory map. The map calls the region reserved by now, so the
 * region is added by itself. Returns NULL, or why it failed. */
static const char *collect_ranges(struct boot_info *info)
{
    UINTN count, key, size;
    UINT32 version;
    EFI_MEMORY_DESCRIPTOR *map = LibMemoryMap(&count, &key, &size, &version);
    bool ok = map && add_range(info, info->region_hpa, info->region_size);
    for (UINTN i = 0; ok && i < count; i++) {
        EFI_MEMORY_DESCRIPTOR *d = (void *)((u8 *)map + i * size);
        if (is_ram(d->Type))
            ok = add_range(info, d->PhysicalStart, d->NumberOfPages * SIZE_4K);
    }
    if (map)
        FreePool(map);
    return ok ? NULL : "the memory map has too many ranges";
}

/* ---- the captured segments ----------------------------------------------------------------- */

#define AR_UNUSABLE        0x10000u
#define SEG_LIMIT_GRANULAR 0x8000u

/* Fills in *s from the descriptor of the selector. If the selector is outside the GDT, the
 * segment's descriptor is gone, and the segment becomes unusable. */
static void parse_descriptor(struct segment *s, const struct handoff_dtr *gdtr, u16 selector,
                             bool is_system)
{
    s->selector = selector;
    s->ar = AR_UNUSABLE;
    u32 last = (selector & ~7u) + (is_system ? 15 : 7);
    if (!(selector & ~3u) || last > gdtr->limit)
        return;
    const u64 *d = (const u64 *)(gdtr->base + (selector & ~7u));
    s->ar = (u32)(d[0] >> 40) & 0xf0ff;
    s->limit = (u32)(d[0] & 0xffff) | (u32)(d[0] >> 32 & 0xf0000);
    if (s->ar & SEG_LIMIT_GRANULAR)
        s->limit = s->limit << 12 | 0xfff;
    s->base = (d[0] >> 16 & 0xffffff) | (d[0] >> 56) << 24;
    if (is_system)
        s->base |= d[1] << 32;
}

/* True when VM entry accepts the segment as TR: a busy TSS with a canonical base. A program that
 * loaded TR and ended may have left other bytes at the place of its descriptor.
 * SDM 3C 27.3.1.2 "Checks on Guest Segment Registers" */
static bool is_busy_tss(const struct segment *s)
{
    u64 top = s->base >> 47;
    return (s->ar & 0x9f) == 0x8b && (top == 0 || top == 0x1ffff);
}

static void capture_segments(struct handoff *h, const struct handoff_dtr *gdtr)
{
    u16 sel[SEG_COUNT];
    __asm__ volatile("mov %%es, %0\n mov %%cs, %1\n mov %%ss, %2\n mov %%ds, %3\n mov %%fs, %4\n"
                     "mov %%gs, %5\n sldt %6\n str %7"
                     : "=m"(sel[SEG_ES]), "=m"(sel[SEG_CS]), "=m"(sel[SEG_SS]), "=m"(sel[SEG_DS]),
                       "=m"(sel[SEG_FS]), "=m"(sel[SEG_GS]), "=m"(sel[SEG_LDTR]),
                       "=m"(sel[SEG_TR]));
    for (u32 i = 0; i < SEG_COUNT; i++)
        parse_descriptor(&h->seg[i], gdtr, sel[i], i >= SEG_LDTR);
    if (!is_busy_tss(&h->seg[SEG_TR]))
        h->seg[SEG_TR] = (struct segment){.ar = AR_UNUSABLE};
}

#define GATE_PRESENT_INTERRUPT 0x8e00ull

static void bridge_gate(struct handoff *h, u32 vector, const u8 *handler)
{
    u64 at = (u64)handler, cs = h->seg[SEG_CS].selector;
    h->bridge_idt[2 * vector] =
        (at & 0xffff) | cs << 16 | GATE_PRESENT_INTERRUPT << 32 | (at >> 16 & 0xffff) << 48;
    h->bridge_idt[2 * vector + 1] = at >> 32;
}

/* See struct handoff. */
static void build_bridge(struct handoff *h, const struct handoff_dtr *gdtr)
{
    u32 bytes = gdtr->limit + 1u;
    bytes = bytes < sizeof h->bridge_gdt ? bytes : (u32)sizeof h->bridge_gdt;
    CopyMem(h->bridge_gdt, (const void *)gdtr->base, bytes);
    h->bridge_gdtr = (struct handoff_dtr){(u16)(bytes - 1), (u64)h->bridge_gdt, {0}};
    h->bridge_idtr = (struct handoff_dtr){sizeof h->bridge_idt - 1, (u64)h->bridge_idt, {0}};
    bridge_gate(h, 2, bridge_nmi);
    bridge_gate(h, 18, bridge_mc);
}

/* The firmware has one GDT on each processor, at an address that it maps, and no LDT. */
void memory_capture(struct handoff *h)
{
    struct handoff_dtr gdtr;
    __asm__ volatile("sgdt %0" : "=m"(gdtr));
    capture_segments(h, &gdtr);
    build_bridge(h, &gdtr);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void fill_handoffs(struct region *r, const struct core_header *core)
{
    const struct boot_info *info = r->handoff->info;
    for (u32 i = 0; i < info->cpu_count; i++) {
        struct handoff *h = &r->handoff[i];
        h->cpu = i;
        h->info = info;
        h->l0_cr3 = info->cr3_hpa + i * SIZE_4K;
        h->l0_stack = PHYSMAP_VA + info->stacks_hpa + (i + 1) * BOOT_STACKS_SIZE;
        h->l0_entry = core->entry_va;
    }
}

static const char *fill(struct region *r, const struct boot_info *options, u64 vtd_pages)
{
    const struct core_header *core = (const void *)core_blob;
    u32 cpus = options->cpu_count;
    u64 ring = region_take(r, sizeof(struct ring)); /* first: where a reader looks */
    u64 image = region_take(r, core->end);
    r->handoff = (struct handoff *)region_take(r, cpus * sizeof *r->handoff);
    struct boot_info *info = (struct boot_info *)region_take(r, sizeof *info);
    u64 stacks = region_take(r, cpus * BOOT_STACKS_SIZE);
    u64 cr3 = region_take(r, cpus * SIZE_4K);
    r->vtd_pages = region_take(r, vtd_pages * SIZE_4K);
    if (!ring || !r->vtd_pages || !image || !r->handoff || !info || !stacks || !cr3)
        return "not enough memory";
    CopyMem((void *)image, core_blob, (UINTN)(core_blob_end - core_blob));

    *info = *options;
    info->magic = BOOT_INFO_MAGIC;
    info->region_hpa = r->base;
    info->region_size = r->size;
    info->ring_hpa = ring;
    info->core_hpa = image;
    info->core_size = ALIGN_UP(core->end, SIZE_4K);
    info->cr3_hpa = cr3;
    info->stacks_hpa = stacks;
    info->physmap_va = PHYSMAP_VA;
    const char *why = collect_ranges(info);
    if (why)
        return why;
    r->handoff->info = info;
    if (!build_tables(r, core))
        return "not enough memory for page tables";
    info->pool_hpa = r->next;
    info->pool_size = r->base + r->size - r->next;
    fill_handoffs(r, core);
    return NULL;
}

const char *memory_prepare(struct region *r, const struct boot_info *options, u64 vtd_pages)
{
    if (!reserve(r, region_size(options->cpu_count, options->trace, vtd_pages)))
        return "not enough memory";
    const char *why = fill(r, options, vtd_pages);
    if (why)
        memory_release(r);
    return why;
}
