/*
 * Filling EPT02: see ept02.h. Which leaf stands where, and whose fault a violation is, is decided
 * by the pure walk and composition of hv/ept; where the tables come from is tables.c's.
 */
#include "hv/nested/ept02/tables.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"

/* Where a walk of EPT12 begins, and the EPT02 table that stands over that of EPT12. */
struct start {
    u16 node;
    struct ept_from from;
};

static struct start from_root(const struct ept02_context *c)
{
    return (struct start){c->root, ept_from_root(c->eptp12)};
}

/* Whether the EPT12 entries above need not be read again. A processor may remember them until the
 * next INVEPT (its paging-structure caches), and tlb=strict does; else they count for the run of L2
 * in which they were read. SDM 3C 29.4.2 "Creating and Using Cached Translation Information" */
static bool remembered(const struct cpu *cpu, u16 node)
{
    const struct ept02 *e = cpu->nested->ept02;
    const struct ept02_node *n = &e->nodes[node];
    if (n->table12.a == NO_TABLE12)
        return false;
    return cpu->vm->tlb == BOOT_TLB_STRICT ? n->seen != 0 : n->seen == e->run;
}

static struct start from_remembered(const struct cpu *cpu, const struct ept02_context *c, gpa2_t gpa2)
{
    const struct ept02 *e = cpu->nested->ept02;
    struct start s = from_root(c);
    for (;;) {
        unsigned i = index_at(gpa2, s.from.level);
        u64 entry = table_of(e, s.node)[i], copy = copy_of(e, s.node)[i];
        if (!is_table(entry, s.from.level) || copy == NOT_AS_MADE)
            return s;
        u16 child = ept02_child(cpu, entry);
        if (!remembered(cpu, child))
            return s;
        s.node = child;
        s.from.table = e->nodes[child].table12;
        s.from.level = e->nodes[child].level;
        s.from.perm &= (u8)copy;
    }
}

/* ---- entries ---------------------------------------------------------------------------- */

static void mark_filled(struct ept02 *e, u16 node, unsigned i)
{
    e->nodes[node].filled |= BIT(i / EPT02_LINE);
}

/* Notes the EPT12 entry that entry i stands for. When L1 changed it without an INVEPT and the
 * table below stays, some of what is there was made from the old one: the next INVEPT has to
 * drop it, whatever EPT12 holds by then. Only flags that are set besides change nothing. */
static void note(struct ept02 *e, u16 node, unsigned i, u64 entry12, bool table_stays)
{
    u64 *copy = &copy_of(e, node)[i], flags = EPT_A | EPT_D;
    bool same = (*copy | flags) == (entry12 | flags) && !any(*copy, ~entry12);
    *copy = table_stays && !same ? NOT_AS_MADE : entry12;
    mark_filled(e, node, i);
}

/* A table over another one of EPT12 goes: but for tlb=strict, where a violation drops only what
 * would be used for its own address, as the SDM has it, and note() remembers the rest.
 * SDM 3C 29.4.3.1 "Operations that Invalidate Cached Mappings" */
static bool table_stays(const struct cpu *cpu, u16 node, unsigned i, gpa1_t table12)
{
    const struct ept02 *e = cpu->nested->ept02;
    u64 entry = table_of(e, node)[i];
    if (!is_table(entry, e->nodes[node].level))
        return false;
    return cpu->vm->tlb == BOOT_TLB_STRICT || e->nodes[ept02_child(cpu, entry)].table12.a == table12.a;
}

/* An empty table over `table12` in place of what entry i held. False: the pool is empty. */
static bool put_table(const struct cpu *cpu, u16 node, unsigned i, gpa1_t table12)
{
    struct ept02 *e = cpu->nested->ept02;
    u64 copy = copy_of(e, node)[i];
    u16 child = ept02_take(e, (u8)(e->nodes[node].level - 1), table12);
    if (child == NO_NODE)
        return false;
    ept02_drop_entry(cpu, node, i);
    copy_of(e, node)[i] = copy;
    table_of(e, node)[i] = mem_hpa(&cpu->vm->mem, table_of(e, child)).a | EPT_RWX;
    mark_filled(e, node, i);
    return true;
}

static void put_leaf(const struct cpu *cpu, u16 node, unsigned i, u64 leaf)
{
    struct ept02 *e = cpu->nested->ept02;
    u64 *entry = &table_of(e, node)[i];
    if (is_table(*entry, e->nodes[node].level)) {
        ept02_free_tree(cpu, ept02_child(cpu, *entry));
        e->owed = true;
    }
    *entry = leaf;
    mark_filled(e, node, i);
}

/* Puts the leaf in its place below `node`, where the walk began, and notes each EPT12 entry on the
 * way. Returns the table that it is in, or NO_NODE when the pool is empty. */
static u16 map(const struct cpu *cpu, u16 node, const struct ept_walk *w, const struct ept02_leaf *leaf)
{
    struct ept02 *e = cpu->nested->ept02;
    for (u8 step = 0;; step++) {
        u8 level = e->nodes[node].level;
        unsigned i = index_at(leaf->base, level);
        bool here = leaf->size == level_size(level), deeper = step + 1u < w->steps;
        gpa1_t below = GPA1(deeper ? w->step[step + 1].at.a & ~(PAGE_SIZE - 1) : NO_TABLE12);
        bool stays = !here && table_stays(cpu, node, i, below);
        if (step < w->steps)
            note(e, node, i, w->step[step].next, stays);
        if (here) {
            put_leaf(cpu, node, i, leaf->entry);
            return node;
        }
        if (!stays && !put_table(cpu, node, i, below))
            return NO_NODE;
        node = ept02_child(cpu, table_of(e, node)[i]);
        e->nodes[node].seen = e->run;
    }
}

/* The other leaves in the cache line of EPT12 that was just read, when they need no more than their
 * address put in: each saves an exit. The SDM lets a processor cache what no access asked for; leaves
 * alike in all flags have had theirs set by earlier accesses. */
static void fill_line(const struct cpu *cpu, u16 node, const struct ept_walk *w, const struct ept02_leaf *leaf,
                      const struct ept01_leaf *leaf01)
{
    struct ept02 *e = cpu->nested->ept02;
    gpa1_t at = w->step[w->steps - 1].at;
    u64 entry12 = w->step[w->steps - 1].next;
    const volatile u64 *line12 = gpa1_map(cpu->vm, GPA1(at.a & ~(EPT02_LINE * sizeof(u64) - 1)));
    unsigned line = index_at(leaf->base, 1) & ~(EPT02_LINE - 1);
    u64 *table = table_of(e, node) + line, *copy = copy_of(e, node) + line;
    for (unsigned i = 0; line12 && i < EPT02_LINE; i++) {
        u64 other12 = line12[i]; /* once: a device may write there */
        if (!ept_leaves_alike(entry12, other12, leaf01) || copy[i] != 0 || table[i] != EPT02_EMPTY)
            continue;
        table[i] = ept_compose_alike(leaf->entry, other12, leaf01);
        copy[i] = other12;
    }
}

/* The table is made from the one that the walk ended in, and the leaf maps something. */
static bool line_fillable(const struct ept02 *e, u16 node, const struct ept_walk *w, u64 leaf)
{
    gpa1_t at = w->step[w->steps - 1].at;
    return w->leaf.size == PAGE_SIZE && any(leaf, EPT_RWX) &&
           e->nodes[node].table12.a == (at.a & ~(PAGE_SIZE - 1));
}

/* ---- the violation ---------------------------------------------------------------------- */

static struct ept01_leaf leaf01_at(struct cpu *cpu, gpa1_t gpa1)
{
    struct ept01_leaf leaf = {.size = PAGE_SIZE};
    u64 entry = ept01_leaf(cpu->vm, gpa1, &leaf.size);
    if (entry == 0 && ept01_fill(cpu->vm, gpa1))
        entry = ept01_leaf(cpu->vm, gpa1, &leaf.size);
    leaf.base = HPA(entry & EPT_ADDR & ~(leaf.size - 1));
    leaf.perm = (u8)(entry & EPT_RWX);
    return leaf;
}

static u64 largest_leaf(const struct cpu_facts *f)
{
    return f->ept_1g ? SIZE_1G : f->ept_2m ? SIZE_2M : PAGE_SIZE;
}

/* tlb=strict: no larger than the tables allow that are there, as those stay. */
static u64 largest_strict(const struct cpu *cpu, u16 node, gpa2_t gpa2)
{
    const struct ept02 *e = cpu->nested->ept02;
    u8 level = e->nodes[node].level;
    u64 entry = table_of(e, node)[index_at(gpa2, level)];
    if (!is_table(entry, level))
        return level_size(level);
    return largest_strict(cpu, ept02_child(cpu, entry), gpa2);
}

/* When there is no room, or EPT01 had to start over, this makes it and fills nothing: L2 repeats its
 * access and comes again. */
static void fill(struct cpu *cpu, struct ept02_context *c, u16 node, const struct ept_walk *w, gpa2_t gpa2)
{
    struct ept02 *e = cpu->nested->ept02;
    struct compose_env env = {.ad = any(c->eptp12, EPTP_AD), .max_size = largest_leaf(&cpu->vm->facts)};
    struct ept01_leaf leaf01 = leaf01_at(cpu, GPA1(w->leaf.base.a + (gpa2.a & (w->leaf.size - 1))));
    if (e->generation01 != cpu->vm->ept01.generation)
        return;
    if (cpu->vm->tlb == BOOT_TLB_STRICT) {
        u64 size = largest_strict(cpu, node, gpa2);
        env.max_size = size < env.max_size ? size : env.max_size;
    }
    struct ept02_leaf leaf = ept_compose(&env, gpa2, &w->leaf, &leaf01);
    u16 in = map(cpu, node, w, &leaf);
    if (e->owed) /* what was a table may soon be another; before another context's flush settles it */
        ept02_flush(cpu, c);
    if (in == NO_NODE)
        ept02_reclaim(cpu, c);
    else if (line_fillable(e, in, w, leaf.entry))
        fill_line(cpu, in, w, &leaf, &leaf01);
}

/* A processor may cache what L2 has not accessed; but whether it did must not show in EPT12. */
void ept02_fill_asked(struct cpu *cpu, struct ept02_context *c)
{
    struct ept02 *e = cpu->nested->ept02;
    struct start start = from_root(c);
    struct ept_walk w;
    e->asking = NULL;
    ept12_look(cpu, &start.from, &e->asked, &w);
    if (w.result != EPT_OK)
        return;
    for (u8 i = 0; i < w.steps; i++)
        if (w.step[i].next != w.step[i].entry)
            return;
    fill(cpu, c, start.node, &w, e->asked.gpa2);
}

/* EPT01 may have been built anew, and the context with it. */
static void tell_vmcs02(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    u64 eptp02 = ept02_eptp(cpu, ept02_context(cpu, n->vmcs12.ept_pointer));
    if (n->image02.ept_pointer == eptp02)
        return;
    vmcs_write(ENC_ept_pointer, eptp02);
    n->image02.ept_pointer = eptp02;
}

void ept02_follow(struct cpu *cpu)
{
    bool changed = cpu->nested->ept02->generation01 != cpu->vm->ept01.generation;
    if (cpu->in_l2 && changed && any(vmcs12_cpu2(&cpu->nested->vmcs12), CPU2_ENABLE_EPT))
        tell_vmcs02(cpu);
}

void ept02_start_over(struct cpu *cpu)
{
    cpu->nested->ept02->generation01 = cpu->vm->ept01.generation - 1; /* as if EPT01 had changed */
    tell_vmcs02(cpu);
}

void ept02_forget(struct cpu *cpu, gpa2_t gpa2, bool by_cpu)
{
    struct ept02 *e = cpu->nested->ept02;
    struct ept02_context *c = ept02_context(cpu, cpu->nested->vmcs12.ept_pointer);
    u16 node = c->root;
    for (u64 entry;; node = ept02_child(cpu, entry)) {
        e->nodes[node].seen = 0;
        entry = table_of(e, node)[index_at(gpa2, e->nodes[node].level)];
        if (!is_table(entry, e->nodes[node].level))
            break;
    }
    ept02_drop_entry(cpu, node, index_at(gpa2, e->nodes[node].level));
    if (by_cpu)
        e->owed = false;
    else if (e->owed)
        ept02_flush(cpu, c);
}

enum outcome ept02_violation(struct cpu *cpu)
{
    struct ept12_access a = {GPA2(cpu->exit.gpa), cpu->exit.qual};
    struct ept02_context *c = ept02_context(cpu, cpu->nested->vmcs12.ept_pointer);
    struct start start = from_remembered(cpu, c, a.gpa2);
    struct ept_walk w;
    bool steady = ept12_walk(cpu, &start.from, &a, &w);
    if (w.result != EPT_OK && start.node != c->root) { /* by what EPT12 holds now? */
        start = from_root(c);
        steady = ept12_walk(cpu, &start.from, &a, &w);
    }
    if (w.result == EPT_OK) {
        if (steady) {
            fill(cpu, c, start.node, &w, a.gpa2);
            tell_vmcs02(cpu);
        }
        exit_retry(cpu);
        return RESUME;
    }
    cpu->nested->ept02->asked = a;
    cpu->nested->ept02->asking = c;
    return ept12_refused(cpu, &w, true);
}
