/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in efi_ring.h. A ring in memory may be anything: nothing is believed before ring_is, and
 * the text may be damaged still. */
#include "boot/efi_ring.h"

#include <efi.h>
#include <efilib.h>

#include "boot/efi_console.h"
#include "boot/efi_facts.h"
#include "boot/insn.h"
#include "boot/stage.h"
#include "boot/tables.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/ring/ring.h"

#define RING_ALIGN 0x200000ull

static u8 cmos_byte(u32 at)
{
    u8 v;
    __asm__ volatile("outb %1, $0x70\n inb $0x71, %0" : "=a"(v) : "a"((u8)at));
    return v;
}

static void say_stage(void)
{
    struct line l;
    u8 bytes[4];
    for (u32 i = 0; i < sizeof bytes; i++)
        bytes[i] = cmos_byte(BOOT_CMOS_AT + i);
    line_clear(&l);
    if (stage_explain(bytes, &l))
        console_say_line(&l);
}

/* ---- printing -------------------------------------------------------------------------------- */

/* The first line may have lost its beginning. */
static void say_text(const struct ring *r)
{
    struct line l;
    line_clear(&l);
    for (u32 i = 0; i < ring_length(r); i++) {
        char c = ring_char(r, i);
        if (c != '\n')
            line_add_char(&l, c);
        if (c != '\n' && i + 1 != ring_length(r))
            continue;
        console_say_text("ring| ", l.text);
        line_clear(&l);
    }
}

static void say_exit(u64 cpu, const struct ring_exits *e, u32 n)
{
    struct line l;
    u32 at = (e->at + n) % RING_EXITS;
    if (!e->exit[at].reason && !e->exit[at].rip)
        return;
    line_clear(&l);
    line_add(&l, "cpu ");
    line_add_decimal(&l, cpu);
    line_add(&l, " exit reason ");
    line_add_decimal(&l, e->exit[at].reason & 0xffff);
    line_add(&l, " at rip ");
    line_add_hex(&l, e->exit[at].rip);
    console_say_text("ring| ", l.text);
}

static bool inside(u64 at, u64 size, u64 base, u64 end)
{
    return at >= base && at < end && size <= end - at;
}

static void say_ring(const struct ring *r, u64 base, u64 end)
{
    struct line l;
    line_clear(&l);
    line_add(&l, "ring at ");
    line_add_hex(&l, r->self);
    line_add(&l, ring_whole(r) ? ", whole, " : ", DAMAGED, ");
    line_add_decimal(&l, r->total);
    line_add(&l, " characters written");
    console_say_line(&l);
    say_text(r);
    for (u64 cpu = 0; cpu < r->cpus; cpu++)
        for (u32 n = 0; n < RING_EXITS; n++)
            if (inside(r->exits[cpu], sizeof(struct ring_exits), base, end) &&
                r->exits[cpu] % 8 == 0)
                say_exit(cpu, (const struct ring_exits *)r->exits[cpu], n);
}

/* ---- finding --------------------------------------------------------------------------------- */

/* Looks for rings in a range of memory that the firmware maps. */
static u32 search(u64 base, u64 end)
{
    u32 found = 0;
    base = base ? base : RING_ALIGN; /* a firmware may leave page 0 out, to find null pointers */
    for (u64 at = ALIGN_UP(base, RING_ALIGN); inside(at, sizeof(struct ring), base, end);
         at += RING_ALIGN)
        if (ring_is((const struct ring *)at, at)) {
            say_ring((const struct ring *)at, base, end);
            found++;
        }
    return found;
}

static u32 search_memory(void)
{
    UINTN entries, key, size;
    UINT32 version, found = 0;
    EFI_MEMORY_DESCRIPTOR *map = LibMemoryMap(&entries, &key, &size, &version);
    if (!map)
        return 0;
    for (UINTN i = 0; i < entries; i++) {
        const EFI_MEMORY_DESCRIPTOR *d = (const void *)((const u8 *)map + i * size);
        if (d->Type >= EfiLoaderCode && d->Type <= EfiConventionalMemory)
            found += search(d->PhysicalStart, d->PhysicalStart + d->NumberOfPages * SIZE_4K);
    }
    FreePool(map);
    return found;
}

/* Under Nidus the region is out of reach, and CPUID tells. */
static u32 copy_by_cpuid(struct ring *r)
{
    struct cpuid head = cpuid_sub(LEAF_NIDUS_LOG, 0);
    if (head.eax != RING_TEXT)
        return 0;
    for (u32 n = 0; n < RING_TEXT / 16; n++) {
        struct cpuid w = cpuid_sub(LEAF_NIDUS_LOG, n + 1);
        CopyMem(&r->text[n * 16], &w, 16);
    }
    r->total = (u64)head.edx << 32 | head.ecx;
    return 1;
}

static u32 report_under_nidus(void)
{
    struct ring *r = AllocateZeroPool(sizeof *r);
    u32 found = r ? copy_by_cpuid(r) : 0;
    if (found)
        say_text(r);
    if (r)
        FreePool(r);
    return found;
}

unsigned long long ring_report(void)
{
    struct nidus_cpuid n;
    say_stage();
    u32 found = facts_inside_nidus(&n) ? report_under_nidus() : search_memory();
    if (found)
        return EFI_SUCCESS;
    console_say("no ring of Nidus is in memory");
    return EFI_NOT_FOUND;
}
