/* SPDX-License-Identifier: BSD-2-Clause */
/* The pool of EPT02's tables, and the comparison of a tree with the EPT12 that it was made from.
 * Contract in tables.h. */
#include "hv/nested/ept02/tables.h"
#include "hv/core/lib.h"
#include "hv/vmx/guestmem.h"

u16 ept02_child(const struct cpu *cpu, u64 entry)
{
    const struct ept02 *e = cpu->nested->ept02;
    return (u16)(((entry & EPT_ADDR) - mem_hpa(&cpu->vm->mem, e->entries).a) >> PAGE_SHIFT);
}

u16 ept02_take_table(const struct cpu *cpu, u8 level, gpa1_t table12)
{
    const struct nested *n = cpu->nested;
    struct ept02 *e = n->ept02;
    u16 table = e->free;
    if (table == NO_TABLE)
        return table;
    u64 *page12 = n->tlb.keeps_tables ? NULL : gpa1_map(cpu, table12);
    e->page12[table] = page12 ? page12 : n->page_of_ones;
    e->free = e->record[table].next_free;
    e->record[table].level = level;
    e->record[table].table12 = table12;
    e->record[table].walked_in_run = 0;
    return table;
}

static void give_back(struct ept02 *e, u16 table)
{
    e->record[table].next_free = e->free;
    e->free = table;
}

void ept02_drop_entry(const struct cpu *cpu, u16 table, unsigned i)
{
    struct ept02 *e = cpu->nested->ept02;
    u64 *entry = &entries_of(e, table)[i];
    if (is_table(*entry, e->record[table].level))
        ept02_free_tree(cpu, ept02_child(cpu, *entry));
    e->flush_owed |= any(*entry, EPT_RWX);
    *entry = EPT02_EMPTY;
    made_from(e, table)[i] = 0;
}

void ept02_drop_entries(const struct cpu *cpu, u16 table)
{
    struct table_record *r = &cpu->nested->ept02->record[table];
    for (u64 left = r->filled; left != 0; left &= left - 1) {
        unsigned line = (unsigned)__builtin_ctzll(left) * EPT02_LINE;
        for (unsigned i = line; i < line + EPT02_LINE; i++)
            ept02_drop_entry(cpu, table, i);
    }
    r->filled = 0;
}

void ept02_free_tree(const struct cpu *cpu, u16 table)
{
    ept02_drop_entries(cpu, table);
    give_back(cpu->nested->ept02, table);
}

static u32 count_tables(const struct cpu *cpu, u16 table)
{
    const struct ept02 *e = cpu->nested->ept02;
    u32 count = 1;
    for (u64 left = e->record[table].filled; left != 0; left &= left - 1) {
        unsigned line = (unsigned)__builtin_ctzll(left) * EPT02_LINE;
        for (unsigned i = line; i < line + EPT02_LINE; i++)
            if (is_table(entries_of(e, table)[i], e->record[table].level))
                count += count_tables(cpu, ept02_child(cpu, entries_of(e, table)[i]));
    }
    return count;
}

/* A broken free list may run in a circle. The count then ends as well, and is too large. */
u32 ept02_count_tables(const struct cpu *cpu)
{
    const struct ept02 *e = cpu->nested->ept02;
    u32 count = 0;
    for (u16 table = e->free; table != NO_TABLE && count <= EPT02_TABLES;
         table = e->record[table].next_free)
        count++;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        if (e->context[i].root != NO_TABLE)
            count += count_tables(cpu, e->context[i].root);
    return count;
}

/* ---- comparison ------------------------------------------------------------------------- */

/* An entry that maps nothing has the source 0, and agrees with an EPT12 entry that is 0 as well. */
static bool same_line(const u64 *a, const u64 *b)
{
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
            (a[5] ^ b[5]) | (a[6] ^ b[6]) | (a[7] ^ b[7])) == 0;
}

/* `now` is what EPT12 holds now, or all ones where no memory is. No entry is made from all ones. */
static void compare_entry(const struct cpu *cpu, u16 table, unsigned i, u64 now)
{
    const struct ept02 *e = cpu->nested->ept02;
    u64 entry = entries_of(e, table)[i], source = made_from(e, table)[i];
    if (source == 0 && entry == EPT02_EMPTY)
        return;
    if (source == MADE_FROM_SEVERAL || source != now)
        ept02_drop_entry(cpu, table, i);
    else if (is_table(entry, e->record[table].level))
        ept02_compare(cpu, ept02_child(cpu, entry));
}

/* Nearly all tables are at level 1, and most lines of those are unchanged. So their lines are
 * compared whole first. */
void ept02_compare(const struct cpu *cpu, u16 table)
{
    const struct ept02 *e = cpu->nested->ept02;
    const struct table_record *r = &e->record[table];
    if (r->table12.a == NO_TABLE12)
        return;
    const u64 *now = gpa1_map(cpu, r->table12), *source = made_from(e, table);
    for (u64 left = r->filled; left != 0; left &= left - 1) {
        unsigned line = (unsigned)__builtin_ctzll(left) * EPT02_LINE;
        if (r->level == 1 && now && same_line(now + line, source + line))
            continue;
        for (unsigned i = line; i < line + EPT02_LINE; i++)
            compare_entry(cpu, table, i, now ? now[i] : ~0ull);
    }
}

/* ---- bring-up --------------------------------------------------------------------------- */

bool ept02_tables_init(struct cpu *cpu)
{
    struct mem *mem = &cpu->vm->mem;
    struct ept02 *e = cpu->nested->ept02;
    u64 pages = (EPT02_TABLES * sizeof(struct table_record) + PAGE_SIZE - 1) / PAGE_SIZE;
    e->record = mem_pages(mem, pages);
    e->entries = mem_pages(mem, EPT02_TABLES);
    e->made_from = mem_pages(mem, EPT02_TABLES);
    if (!e->record || !e->entries || !e->made_from)
        return false;
    for (u64 i = 0; i < (u64)EPT02_TABLES * EPT02_ENTRIES; i++)
        e->entries[i] = EPT02_EMPTY;
    e->free = NO_TABLE;
    for (u16 table = 0; table < EPT02_TABLES; table++)
        give_back(e, table);
    return true;
}
