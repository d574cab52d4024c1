/*
 * The pool of EPT02's tables, and the comparison of a tree with the EPT12 that it was made from.
 * Contract in tables.h; what is put into the tables is fill.c's.
 */
#include "hv/nested/ept02/tables.h"
#include "hv/core/lib.h"
#include "hv/vmx/guestmem.h"

u16 ept02_child(const struct cpu *cpu, u64 entry)
{
    const struct ept02 *e = cpu->nested->ept02;
    return (u16)(((entry & EPT_ADDR) - mem_hpa(&cpu->vm->mem, e->tables).a) >> PAGE_SHIFT);
}

u16 ept02_take(struct ept02 *e, u8 level, gpa1_t table12)
{
    u16 node = e->free;
    if (node == NO_NODE)
        return node;
    e->free = e->nodes[node].next_free;
    e->nodes[node].level = level;
    e->nodes[node].table12 = table12;
    e->nodes[node].seen = 0;
    return node;
}

static void give_back(struct ept02 *e, u16 node)
{
    e->nodes[node].next_free = e->free;
    e->free = node;
}

void ept02_drop_entry(const struct cpu *cpu, u16 node, unsigned i)
{
    struct ept02 *e = cpu->nested->ept02;
    u64 *entry = &table_of(e, node)[i];
    if (is_table(*entry, e->nodes[node].level))
        ept02_free_tree(cpu, ept02_child(cpu, *entry));
    e->owed |= any(*entry, EPT_RWX);
    *entry = EPT02_EMPTY;
    copy_of(e, node)[i] = 0;
}

void ept02_drop_entries(const struct cpu *cpu, u16 node)
{
    struct ept02_node *n = &cpu->nested->ept02->nodes[node];
    for (u64 left = n->filled; left != 0; left &= left - 1) {
        unsigned line = (unsigned)__builtin_ctzll(left) * EPT02_LINE;
        for (unsigned i = line; i < line + EPT02_LINE; i++)
            ept02_drop_entry(cpu, node, i);
    }
    n->filled = 0;
}

void ept02_free_tree(const struct cpu *cpu, u16 node)
{
    ept02_drop_entries(cpu, node);
    give_back(cpu->nested->ept02, node);
}

static u32 count_tree(const struct cpu *cpu, u16 node)
{
    const struct ept02 *e = cpu->nested->ept02;
    u32 count = 1;
    for (u64 left = e->nodes[node].filled; left != 0; left &= left - 1) {
        unsigned line = (unsigned)__builtin_ctzll(left) * EPT02_LINE;
        for (unsigned i = line; i < line + EPT02_LINE; i++)
            if (is_table(table_of(e, node)[i], e->nodes[node].level))
                count += count_tree(cpu, ept02_child(cpu, table_of(e, node)[i]));
    }
    return count;
}

/* Bounded also when the list runs in a circle: then there are too many. */
u32 ept02_count_nodes(const struct cpu *cpu)
{
    const struct ept02 *e = cpu->nested->ept02;
    u32 count = 0;
    for (u16 node = e->free; node != NO_NODE && count <= EPT02_NODES; node = e->nodes[node].next_free)
        count++;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        if (e->context[i].root != NO_NODE)
            count += count_tree(cpu, e->context[i].root);
    return count;
}

/* ---- comparison ------------------------------------------------------------------------- */

/* Entries that map nothing have no copy, and agree with an EPT12 entry that is 0 as well. */
static bool same_line(const u64 *a, const u64 *b)
{
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
            (a[5] ^ b[5]) | (a[6] ^ b[6]) | (a[7] ^ b[7])) == 0;
}

/* now: the EPT12 entry; all ones, which no copy is, where nothing can be read. */
static void compare_entry(const struct cpu *cpu, u16 node, unsigned i, u64 now)
{
    const struct ept02 *e = cpu->nested->ept02;
    u64 entry = table_of(e, node)[i], copy = copy_of(e, node)[i];
    if (copy == 0 && entry == EPT02_EMPTY)
        return;
    if (copy == NOT_AS_MADE || copy != now)
        ept02_drop_entry(cpu, node, i);
    else if (is_table(entry, e->nodes[node].level))
        ept02_compare(cpu, ept02_child(cpu, entry));
}

/* Page tables are nearly all there is to compare: a line at a time, as most are unchanged. */
void ept02_compare(const struct cpu *cpu, u16 node)
{
    const struct ept02 *e = cpu->nested->ept02;
    const struct ept02_node *n = &e->nodes[node];
    if (n->table12.a == NO_TABLE12)
        return;
    const u64 *now = gpa1_map(cpu->vm, n->table12), *copy = copy_of(e, node);
    for (u64 left = n->filled; left != 0; left &= left - 1) {
        unsigned line = (unsigned)__builtin_ctzll(left) * EPT02_LINE;
        if (n->level == 1 && now && same_line(now + line, copy + line))
            continue;
        for (unsigned i = line; i < line + EPT02_LINE; i++)
            compare_entry(cpu, node, i, now ? now[i] : ~0ull);
    }
}

/* ---- bring-up --------------------------------------------------------------------------- */

bool ept02_tables_init(struct cpu *cpu)
{
    struct mem *mem = &cpu->vm->mem;
    struct ept02 *e = cpu->nested->ept02;
    u64 nodes = (EPT02_NODES * sizeof(struct ept02_node) + PAGE_SIZE - 1) / PAGE_SIZE;
    e->nodes = mem_pages(mem, nodes);
    e->tables = mem_pages(mem, EPT02_NODES);
    e->copies = mem_pages(mem, EPT02_NODES);
    if (!e->nodes || !e->tables || !e->copies)
        return false;
    for (u64 i = 0; i < (u64)EPT02_NODES * EPT02_ENTRIES; i++)
        e->tables[i] = EPT02_EMPTY;
    e->free = NO_NODE;
    for (u16 node = 0; node < EPT02_NODES; node++)
        give_back(e, node);
    return true;
}
