/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All of VT-d that is firmware's work. The units are programmed once, on the bootstrap processor,
 * before any processor is launched. Contract in efi_vtd.h. dmar.c reads the table, vtd_unit.c
 * programs a unit, vtd_tables.c builds its tables.
 */
#include "boot/efi_vtd.h"

#include "boot/efi_console.h"
#include "boot/efi_memory.h"
#include "boot/efi_tables.h"
#include "hv/vtd/fault.h"
#include "hv/vtd/regs.h"

#define TABLE_PAGES_MAX 2048u /* 8 MiB: leaves of 2 MiB for 2 TiB of memory */

/* ---- registers and caches ------------------------------------------------------------- */

static u64 read_register(u64 at, u32 bytes)
{
    return bytes == 8 ? *(volatile u64 *)at : *(volatile u32 *)at;
}

static void write_register(u64 at, u32 bytes, u64 value)
{
    if (bytes == 8)
        *(volatile u64 *)at = value;
    else
        *(volatile u32 *)at = (u32)value;
}

/* Done for units whose walks are coherent, too: it is a matter of microseconds, once. */
static void flush(u64 at, u64 bytes)
{
    for (u64 line = at; line < at + bytes; line += 64)
        __asm__ volatile("clflush %0" : "+m"(*(volatile u8 *)line));
    __asm__ volatile("mfence" : : : "memory");
}

#define CR4_LA57 (1ull << 12)

/* True when the firmware maps the page, as it does for what it knows of. A walk of its tables. */
static bool is_mapped(u64 va)
{
    u64 table, cr4;
    __asm__ volatile("mov %%cr3, %0\n mov %%cr4, %1" : "=r"(table), "=r"(cr4));
    for (u32 level = cr4 & CR4_LA57 ? 5 : 4;; level--) {
        u64 entry = ((const u64 *)(table & PTE_ADDRESS))[va >> (3 + 9 * level) & 511];
        if (!(entry & PTE_PRESENT))
            return false;
        if (level == 1 || (level < 4 && entry & PTE_LARGE))
            return true;
        table = entry;
    }
}

/* ---- finding the units ---------------------------------------------------------------- */

static void note_table(u8 *table, u32 size, void *arg)
{
    struct vtd *v = arg;
    if (!dmar_is_dmar(table))
        return;
    for (u32 i = 0; i < v->table_count; i++)
        if (v->table[i] == table)
            return;
    if (v->table_count < VTD_MAX_TABLES)
        v->table_size[v->table_count] = size;
    if (v->table_count < VTD_MAX_TABLES)
        v->table[v->table_count++] = table;
}

/* Nothing guards: all units or none. */
static void give_up(struct vtd *v, const char *who, u64 base, const char *why)
{
    v->count = 0;
    line_clear(&v->why);
    line_add(&v->why, who);
    if (base)
        line_add_hex(&v->why, base);
    line_add(&v->why, base ? ": " : "");
    line_add(&v->why, why);
}

/* How large the tables are that all units share, which all of memory must fit into. */
static bool plan_tables(struct vtd *v)
{
    u64 top = memory_top();
    bool any_tables = false;
    v->shape.leaf_1g = true;
    for (u32 i = 0; i < v->count; i++) {
        const struct vtd_unit *u = &v->unit[i];
        if (u->by_ranges)
            continue;
        any_tables = true;
        v->shape.leaf_1g &= vtd_unit_leaf_1g(u);
        if (vtd_unit_reach(u) < top) {
            give_up(v, "unit ", u->regs.base, "its tables do not reach all memory");
            return false;
        }
    }
    v->shape.top = vtd_tables_top(top, v->shape.leaf_1g);
    v->pages = any_tables ? v->count * VTD_UNIT_PAGES + vtd_tables_pages(&v->shape) : 0;
    if (v->pages <= TABLE_PAGES_MAX)
        return true;
    give_up(v, "", 0, "tables for all memory would take too much of it");
    return false;
}

static const char *look(struct vtd_unit *u, const struct vtd_io *io, const struct boot_range *regs)
{
    if (!is_mapped(regs->base))
        return "the firmware does not map its registers";
    const char *why = vtd_unit_look(u, io, regs);
    if (!why && memory_is_at(u->regs.base, u->regs.size))
        why = "its registers lie in memory";
    for (u64 at = regs->base; !why && at < regs->base + u->regs.size; at += PAGE_SIZE)
        if (!is_mapped(at))
            why = "the firmware does not map all of its registers";
    return why;
}

static void look_at_units(struct vtd *v, const struct dmar *d)
{
    for (u32 i = 0; i < d->count; i++) {
        const char *why = look(&v->unit[i], &v->io, &d->unit[i]);
        if (why) {
            give_up(v, "unit ", d->unit[i].base, why);
            return;
        }
    }
    v->count = d->count;
    if (!plan_tables(v))
        v->pages = 0;
}

void vtd_find(struct vtd *v)
{
    static struct dmar d;
    *v = (struct vtd){.io = {read_register, write_register, flush}};
    d.count = 0;
    tables_each(note_table, v);
    for (u32 i = 0; i < v->table_count; i++) {
        const char *why = dmar_read(v->table[i], v->table_size[i], &d);
        if (why) {
            give_up(v, "", 0, why);
            return;
        }
    }
    look_at_units(v, &d);
}

void vtd_list(const struct vtd *v, struct boot_info *info)
{
    info->unit_count = v->count;
    for (u32 i = 0; i < v->count; i++)
        info->unit[i] = v->unit[i].regs;
}

/* ---- on and off ----------------------------------------------------------------------- */

static const char *guard_all(struct vtd *v, const struct boot_range *region, u64 pages)
{
    u64 roots = v->count * VTD_UNIT_PAGES * PAGE_SIZE;
    struct vtd_tables tables = {0};
    if (v->pages)
        tables = vtd_tables_build(pages + roots, &v->shape, region->base, region->size);
    while (v->guarding < v->count) {
        u32 i = v->guarding++;
        u64 root = pages + i * VTD_UNIT_PAGES * PAGE_SIZE;
        const char *why = vtd_unit_guard(&v->unit[i], region, root, &tables);
        if (why)
            return why;
    }
    return NULL;
}

static bool is_reserved(const struct vtd *v, const struct boot_range *region)
{
    for (u32 i = 0; i < v->table_count; i++)
        if (dmar_reserves(v->table[i], v->table_size[i], region->base, region->size))
            return true;
    return false;
}

/* What was recorded before has nothing to do with the region. */
static void forget_faults(const struct vtd_unit *u)
{
    struct vtd_fault f;
    u32 left = VTD_CAP_NFR(u->cap);
    while (left && vtd_take_fault(u->regs.base, &f))
        left--;
}

bool vtd_guard(struct vtd *v, struct region *r)
{
    struct boot_range region = {r->base, r->size};
    r->vtd = v;
    const char *why = is_reserved(v, &region) ? "the DMAR reserves L0's memory for a device"
                                              : guard_all(v, &region, r->vtd_pages);
    if (why) {
        u64 base = v->guarding ? v->unit[v->guarding - 1].regs.base : 0;
        r->stays |= !vtd_release(v);
        r->vtd = NULL;
        ((struct boot_info *)r->handoff->info)->unit_count = 0;
        give_up(v, base ? "unit " : "", base, why);
        return false;
    }
    for (u32 i = 0; i < v->count; i++)
        forget_faults(&v->unit[i]);
    for (u32 i = 0; i < v->table_count; i++)
        dmar_hide(v->table[i]);
    v->hidden = true;
    return true;
}

bool vtd_release(struct vtd *v)
{
    bool off = true;
    for (; v->guarding; v->guarding--)
        off &= vtd_unit_release(&v->unit[v->guarding - 1]);
    for (u32 i = 0; v->hidden && i < v->table_count; i++)
        dmar_show(v->table[i]);
    v->hidden = false;
    if (!off)
        console_say("warning: a VT-d unit goes on by L0's tables: reset this machine");
    return off;
}

/* ---- words ---------------------------------------------------------------------------- */

void vtd_describe(const struct vtd *v, struct line *l)
{
    u32 by_ranges = 0;
    for (u32 i = 0; i < v->count; i++)
        by_ranges += v->unit[i].by_ranges;
    if (!v->count) {
        line_add(l, v->why.len ? v->why.text : "no VT-d unit");
        return;
    }
    line_add_decimal(l, v->count);
    line_add(l, v->count == 1 ? " unit" : " units");
    if (by_ranges) {
        line_add(l, ", ");
        line_add_decimal(l, by_ranges);
        line_add(l, " by protected ranges");
    }
    if (by_ranges < v->count) {
        line_add(l, ", ");
        line_add_decimal(l, v->count - by_ranges);
        line_add(l, v->shape.leaf_1g ? " by tables" : " by tables of 2 MiB leaves");
    }
}

void vtd_say(const struct vtd *v)
{
    struct line l;
    line_clear(&l);
    if (v->count) {
        line_add(&l, "VT-d keeps devices out of L0's memory: ");
        vtd_describe(v, &l);
    } else {
        line_add(&l, "warning: no VT-d protection: devices that do DMA can reach L0's memory");
        line_add(&l, v->why.len ? " (" : "");
        line_add(&l, v->why.text);
        line_add(&l, v->why.len ? ")" : "");
    }
    console_say_line(&l);
}

static void say_fault(const struct vtd_unit *u, const struct vtd_fault *f)
{
    struct line l;
    line_clear(&l);
    line_add(&l, "VT-d unit ");
    line_add_hex(&l, u->regs.base);
    line_add(&l, " refused device ");
    line_add_decimal(&l, f->source >> 8);
    line_add_char(&l, ':');
    line_add_decimal(&l, f->source >> 3 & 31);
    line_add_char(&l, '.');
    line_add_decimal(&l, f->source & 7);
    line_add(&l, f->read ? " a read at " : " a write at ");
    line_add_hex(&l, f->address);
    line_add(&l, ", reason ");
    line_add_decimal(&l, f->reason);
    console_say_line(&l);
}

void vtd_say_faults(const struct vtd *v)
{
    struct vtd_fault f;
    for (u32 i = 0; i < v->guarding; i++)
        for (u32 n = 0; n < VTD_FAULTS_MAX; n++) {
            if (!vtd_take_fault(v->unit[i].regs.base, &f))
                break;
            say_fault(&v->unit[i], &f);
        }
}
