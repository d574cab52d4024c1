/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filling EPT02 after an EPT violation of L2. The pure walk of hv/ept decides whose fault
 * the violation is, and the pure composition there decides what a leaf holds. Contract in
 * ept02.h and tables.h.
 */
#include "hv/nested/ept02/tables.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"

/* Where a walk of EPT12 begins, and the EPT02 table that stands over the EPT12 table there. */
struct start {
    u16 table;
    struct ept_from from;
};

static struct start from_root(const struct ept02_context *c)
{
    return (struct start){c->root, ept_from_root(c->eptp12)};
}

/* Whether the EPT12 entries above this table need not be read again. A processor may remember them
 * until the next INVEPT, in its paging-structure caches. SDM 3C 29.4.2 "Creating and Using Cached
 * Translation Information" */
static bool upper_is_known(const struct cpu *cpu, u16 table)
{
    const struct ept02 *e = cpu->nested->ept02;
    const struct table_record *r = &e->record[table];
    if (r->table12.a == NO_TABLE12)
        return false;
    return cpu->nested->tlb.keeps_upper ? r->walked_in_run != 0 : r->walked_in_run == e->run;
}

static struct start from_known(const struct cpu *cpu, const struct ept02_context *c, gpa2_t gpa2)
{
    const struct ept02 *e = cpu->nested->ept02;
    struct start s = from_root(c);
    for (;;) {
        unsigned i = index_at(gpa2, s.from.level);
        u64 entry = entries_of(e, s.table)[i], source = made_from(e, s.table)[i];
        if (!is_table(entry, s.from.level) || source == MADE_FROM_SEVERAL)
            return s;
        u16 child = ept02_child(cpu, entry);
        if (!upper_is_known(cpu, child))
            return s;
        s.table = child;
        s.from.table = e->record[child].table12;
        s.from.level = e->record[child].level;
        s.from.perm &= (u8)source;
    }
}

/* ---- entries ---------------------------------------------------------------------------- */

static void mark_filled(struct ept02 *e, u16 table, unsigned i)
{
    e->record[table].filled |= BIT(i / EPT02_LINE);
}

/* Remembers the EPT12 entry that entry i is made from. L1 may have changed the EPT12 entry without
 * an INVEPT. When the table below stays, some of its entries were made under the old EPT12 entry,
 * and the next INVEPT has to drop the table whatever EPT12 holds by then. An EPT12 entry that
 * differs only in accessed and dirty flags which are now set counts as unchanged. */
static void remember_source(struct ept02 *e, u16 table, unsigned i, u64 entry12, bool table_stays)
{
    u64 *source = &made_from(e, table)[i], flags = EPT_A | EPT_D;
    bool same = (*source | flags) == (entry12 | flags) && !any(*source, ~entry12);
    *source = table_stays && !same ? MADE_FROM_SEVERAL : entry12;
    mark_filled(e, table, i);
}

/* Whether the EPT02 table in entry i may be filled further, when EPT12 leads to `table12` there. A
 * table over table12 may. A table over another EPT12 table is dropped, unless tlb= keeps it: the
 * SDM lets a violation drop only the translation of its own address. remember_source marks a table
 * that is kept, so that the next INVEPT drops it.
 * SDM 3C 29.4.3.1 "Operations that Invalidate Cached Mappings" */
static bool table_stays(const struct cpu *cpu, u16 table, unsigned i, gpa1_t table12)
{
    const struct ept02 *e = cpu->nested->ept02;
    u64 entry = entries_of(e, table)[i];
    if (!is_table(entry, e->record[table].level))
        return false;
    return cpu->nested->tlb.keeps_tables ||
           e->record[ept02_child(cpu, entry)].table12.a == table12.a;
}

/* Puts an empty table over `table12` in place of what entry i held. False: the pool is empty. */
static bool put_table(const struct cpu *cpu, u16 table, unsigned i, gpa1_t table12)
{
    struct ept02 *e = cpu->nested->ept02;
    u16 child = ept02_take_table(cpu, (u8)(e->record[table].level - 1), table12);
    if (child == NO_TABLE)
        return false;
    ept02_drop_entry(cpu, table, i);
    entries_of(e, table)[i] = mem_hpa(&cpu->vm->mem, entries_of(e, child)).a | EPT_RWX;
    mark_filled(e, table, i);
    return true;
}

static void put_leaf(const struct cpu *cpu, u16 table, unsigned i, u64 leaf)
{
    struct ept02 *e = cpu->nested->ept02;
    u64 *entry = &entries_of(e, table)[i];
    if (is_table(*entry, e->record[table].level)) {
        ept02_free_tree(cpu, ept02_child(cpu, *entry));
        e->flush_owed = true;
    }
    *entry = leaf;
    mark_filled(e, table, i);
}

/* Puts the leaf in its place below `table`, where the walk began, and remembers each EPT12 entry on
 * the way. Returns the table that holds the leaf, or NO_TABLE when the pool is empty. */
static u16 map(const struct cpu *cpu, u16 table, const struct ept_walk *w,
               const struct ept02_leaf *leaf)
{
    struct ept02 *e = cpu->nested->ept02;
    for (u8 step = 0;; step++) {
        u8 level = e->record[table].level;
        unsigned i = index_at(leaf->base, level);
        bool here = leaf->size == level_size(level), deeper = step + 1u < w->steps;
        gpa1_t below = GPA1(deeper ? w->step[step + 1].at.a & ~(PAGE_SIZE - 1) : NO_TABLE12);
        bool stays = !here && table_stays(cpu, table, i, below);
        if (!here && !stays && !put_table(cpu, table, i, below))
            return NO_TABLE;
        if (step < w->steps)
            remember_source(e, table, i, w->step[step].next, stays);
        if (here) {
            put_leaf(cpu, table, i, leaf->entry);
            return table;
        }
        table = ept02_child(cpu, entries_of(e, table)[i]);
        e->record[table].walked_in_run = e->run;
    }
}

/* Each saves an exit. The SDM lets a processor cache what no access asked for, and the accessed and
 * dirty flags of such leaves have been set by earlier accesses. */
void ept02_fill_line(struct ept02 *e, u64 at, const volatile u64 *table12, u64 entry12)
{
    u64 leaf = e->entries[at], line = at & ~(u64)(EPT02_LINE - 1);
    u64 *entry = e->entries + line, *source = e->made_from + line;
    const struct ept01_leaf in = e->leaf01;
    table12 += line % EPT02_ENTRIES;
    for (unsigned i = 0; i < EPT02_LINE; i++) {
        u64 other12 = table12[i]; /* once: a device may write there */
        if (!ept_leaves_alike(entry12, other12, &in) || source[i] != 0 || entry[i] != EPT02_EMPTY)
            continue;
        entry[i] = ept_compose_alike(leaf, other12, &in);
        source[i] = other12;
    }
}

/* The EPT02 table stands over the EPT12 table in which the walk ended, and the leaf maps something:
 * the line may be filled. */
static void fill_line(struct cpu *cpu, u16 table, const struct ept_walk *w,
                      const struct ept02_leaf *leaf)
{
    struct ept02 *e = cpu->nested->ept02;
    const struct ept_step *last = &w->step[w->steps - 1];
    gpa1_t table12 = GPA1(last->at.a & ~(PAGE_SIZE - 1));
    if (w->leaf.size != PAGE_SIZE || !any(leaf->entry, EPT_RWX) ||
        e->record[table].table12.a != table12.a)
        return;
    const volatile u64 *page12 = gpa1_map(cpu, table12);
    if (page12)
        ept02_fill_line(e, (u64)table * EPT02_ENTRIES + index_at(leaf->base, 1), page12,
                        last->next);
}

/* ---- the violation ---------------------------------------------------------------------- */

void ept02_leaf01(struct cpu *cpu, gpa1_t gpa1)
{
    struct ept02 *e = cpu->nested->ept02;
    u64 size = PAGE_SIZE, entry = ept01_leaf(cpu, gpa1, &size);
    if (entry == 0 && ept01_fill(cpu, gpa1))
        entry = ept01_leaf(cpu, gpa1, &size);
    e->leaf01 =
        (struct ept01_leaf){HPA(entry & EPT_ADDR & ~(size - 1)), size, (u8)(entry & EPT_RWX)};
    e->gpa01 = GPA1(gpa1.a & ~(size - 1));
}

static u64 largest_leaf(const struct cpu_facts *f)
{
    return f->ept_1g ? SIZE_1G : f->ept_2m ? SIZE_2M : PAGE_SIZE;
}

/* The largest leaf that fits below the tables that are there. For a tlb= that keeps
 * those tables. */
static u64 largest_below_tables(const struct cpu *cpu, u16 table, gpa2_t gpa2)
{
    const struct ept02 *e = cpu->nested->ept02;
    u8 level = e->record[table].level;
    u64 entry = entries_of(e, table)[index_at(gpa2, level)];
    if (!is_table(entry, level))
        return level_size(level);
    return largest_below_tables(cpu, ept02_child(cpu, entry), gpa2);
}

/* Fills EPT02 for one access that EPT12 allows. When the pool is empty, makes room and fills
 * nothing. When EPT01 was built anew on the way, fills nothing either. L2 then repeats the access
 * and meets the violation again. */
static void fill(struct cpu *cpu, struct ept02_context *c, u16 table, const struct ept_walk *w,
                 gpa2_t gpa2)
{
    struct ept02 *e = cpu->nested->ept02;
    struct compose_env env = {.ad = any(c->eptp12, EPTP_AD),
                              .max_size = largest_leaf(&cpu->vm->facts)};
    ept02_leaf01(cpu, GPA1(w->leaf.base.a + (gpa2.a & (w->leaf.size - 1))));
    if (e->generation01 != cpu->ept01->generation)
        return;
    if (cpu->nested->tlb.keeps_tables) {
        u64 size = largest_below_tables(cpu, table, gpa2);
        env.max_size = size < env.max_size ? size : env.max_size;
    }
    struct ept02_leaf leaf = ept_compose(&env, gpa2, &w->leaf, &e->leaf01);
    u16 in = map(cpu, table, w, &leaf);
    /* at once: a dropped table's page may soon be another table, of another context */
    if (e->flush_owed)
        ept02_flush(cpu, c);
    if (in == NO_TABLE)
        ept02_reclaim(cpu, c);
    else
        fill_line(cpu, in, w, &leaf);
}

/* A processor may cache a translation that L2 has not used. Whether it did so must not show in
 * EPT12: this fills only what sets no flag there. */
void ept02_fill_awaited(struct cpu *cpu, struct ept02_context *c)
{
    struct ept02 *e = cpu->nested->ept02;
    struct start start = from_root(c);
    struct ept_walk w;
    ept12_look(cpu, &start.from, &e->awaited, &w);
    if (w.result != EPT_OK)
        return;
    for (u8 i = 0; i < w.steps; i++)
        if (w.step[i].next != w.step[i].entry)
            return;
    fill(cpu, c, start.table, &w, e->awaited.gpa2);
}

/* vmcs02 gets the EPTP of the context in use, which is another one after EPT01 was built anew. */
static void tell_vmcs02(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    u64 eptp02 = ept02_context(cpu, n->now->vmcs12.ept_pointer)->eptp02;
    if (n->now->image02.ept_pointer == eptp02)
        return;
    vmcs_write(ENC_ept_pointer, eptp02);
    n->now->image02.ept_pointer = eptp02;
}

void ept02_follow(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (!cpu->in_l2)
        return;
    if (!any(vmcs12_cpu2(&n->now->vmcs12), CPU2_ENABLE_EPT))
        n->now->image02.ept_pointer = cpu->ept01->eptp; /* ept01_follow wrote vmcs02 itself */
    else if (!ept02_stands(cpu))
        tell_vmcs02(cpu);
}

void ept02_start_over(struct cpu *cpu)
{
    cpu->nested->ept02->generation01 = cpu->ept01->generation - 1; /* as if EPT01 had changed */
    tell_vmcs02(cpu);
}

void ept02_forget(struct cpu *cpu, gpa2_t gpa2, bool by_cpu)
{
    struct ept02 *e = cpu->nested->ept02;
    struct ept02_context *c = ept02_context(cpu, cpu->nested->now->vmcs12.ept_pointer);
    u16 table = c->root;
    for (u64 entry;; table = ept02_child(cpu, entry)) {
        e->record[table].walked_in_run = 0;
        entry = entries_of(e, table)[index_at(gpa2, e->record[table].level)];
        if (!is_table(entry, e->record[table].level))
            break;
    }
    ept02_drop_entry(cpu, table, index_at(gpa2, e->record[table].level));
    if (by_cpu)
        e->flush_owed = false;
    else if (e->flush_owed)
        ept02_flush(cpu, c);
}

enum outcome ept02_violation(struct cpu *cpu)
{
    struct ept12_access a = {GPA2(cpu->exit.gpa), cpu->exit.qual};
    struct ept02_context *c = ept02_context(cpu, cpu->nested->now->vmcs12.ept_pointer);
    struct start start = from_known(cpu, c, a.gpa2);
    struct ept_walk w;
    bool steady = ept12_walk(cpu, &start.from, &a, &w);
    /* EPT12 itself decides, not what was remembered of it */
    if (w.result != EPT_OK && start.table != c->root) {
        start = from_root(c);
        steady = ept12_walk(cpu, &start.from, &a, &w);
    }
    if (w.result == EPT_OK) {
        if (steady) {
            fill(cpu, c, start.table, &w, a.gpa2);
            tell_vmcs02(cpu);
        }
        exit_retry(cpu);
        return RESUME;
    }
    cpu->nested->ept02->awaited = a;
    cpu->nested->ept02->awaiting = c;
    return ept12_refused(cpu, &w, true);
}
