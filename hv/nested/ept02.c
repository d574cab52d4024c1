/*
 * The tables of EPT02: see ept02.h. Which leaf stands where, and whose fault a violation is, is
 * decided by the pure walk and composition of hv/ept.
 */
#include "hv/nested/ept02.h"
#include "hv/core/lib.h"
#include "hv/ept/ept.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"

#define ENTRIES 512u
#define ROOT_LEVEL 4u

/* Instead of a copy: what stands below was made from more than one value of the EPT12 entry. */
#define NOT_AS_MADE (~0ull)

/* ---- nodes ------------------------------------------------------------------------------ */

static u64 *table_of(const struct ept02 *e, u16 node)
{
    return e->tables + (u64)node * ENTRIES;
}

static u64 *copy_of(const struct ept02 *e, u16 node)
{
    return e->copies + (u64)node * ENTRIES;
}

static bool is_table(u64 entry, u8 level)
{
    return level > 1 && any(entry, EPT_RWX) && !any(entry, EPT_PS);
}

static u16 child_of(const struct cpu *cpu, u64 entry)
{
    const struct ept02 *e = cpu->nested->ept02;
    return (u16)(((entry & EPT_ADDR) - mem_hpa(&cpu->vm->mem, e->tables).a) >> PAGE_SHIFT);
}

static unsigned index_at(u64 gpa2, u8 level)
{
    return (unsigned)(gpa2 >> (PAGE_SHIFT + 9u * (level - 1u))) & (ENTRIES - 1);
}

/* NO_NODE when the pool is empty. */
static u16 take_node(struct ept02 *e, u8 level, gpa1_t table12)
{
    u16 node = e->free;
    if (node == NO_NODE)
        return node;
    e->free = e->nodes[node].next_free;
    e->nodes[node].level = level;
    e->nodes[node].table12 = table12;
    for (unsigned i = 0; i < ENTRIES; i++)
        table_of(e, node)[i] = EPT02_EMPTY;
    memset(copy_of(e, node), 0, PAGE_SIZE);
    return node;
}

/* Gives back a node and all below it. At most four levels deep. */
static void free_tree(const struct cpu *cpu, u16 node)
{
    struct ept02 *e = cpu->nested->ept02;
    u8 level = e->nodes[node].level;
    for (unsigned i = 0; level > 1 && i < ENTRIES; i++)
        if (is_table(table_of(e, node)[i], level))
            free_tree(cpu, child_of(cpu, table_of(e, node)[i]));
    e->nodes[node].next_free = e->free;
    e->free = node;
    e->freed = true;
}

static void drop_entry(const struct cpu *cpu, u16 node, unsigned i)
{
    struct ept02 *e = cpu->nested->ept02;
    u64 *entry = &table_of(e, node)[i];
    if (is_table(*entry, e->nodes[node].level))
        free_tree(cpu, child_of(cpu, *entry));
    *entry = EPT02_EMPTY;
    copy_of(e, node)[i] = 0;
    e->drops++;
}

/* ---- contexts --------------------------------------------------------------------------- */

static u64 eptp02_of(const struct cpu *cpu, const struct ept02_context *c)
{
    const struct ept02 *e = cpu->nested->ept02;
    return mem_hpa(&cpu->vm->mem, table_of(e, c->root)).a | EPTP_WALK_4 | MT_WB | (c->eptp12 & EPTP_AD);
}

static void flush(const struct cpu *cpu, const struct ept02_context *c)
{
    if (invept(INVEPT_SINGLE, eptp02_of(cpu, c)) != VMX_OK)
        panic("bug: INVEPT of EPTP02 %lx was refused", eptp02_of(cpu, c));
}

static void drop_context(const struct cpu *cpu, struct ept02_context *c)
{
    if (c->root == NO_NODE)
        return;
    flush(cpu, c);
    free_tree(cpu, c->root);
    c->root = NO_NODE;
}

void ept02_drop_all(struct cpu *cpu)
{
    struct ept02 *e = cpu->nested->ept02;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        drop_context(cpu, &e->context[i]);
    e->generation01 = cpu->vm->ept01.generation;
}

/* Of those that have tables, `but` excepted; NULL when there is none. */
static struct ept02_context *least_recently_used(struct ept02 *e, const struct ept02_context *but)
{
    struct ept02_context *oldest = NULL;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++) {
        struct ept02_context *c = &e->context[i];
        if (c != but && c->root != NO_NODE && (!oldest || c->used_at < oldest->used_at))
            oldest = c;
    }
    return oldest;
}

/* Makes room in the pool: another context's tables, else those of the one at work. */
static void reclaim(const struct cpu *cpu, struct ept02_context *at_work)
{
    struct ept02 *e = cpu->nested->ept02;
    struct ept02_context *victim = least_recently_used(e, at_work);
    if (victim) {
        drop_context(cpu, victim);
        return;
    }
    for (unsigned i = 0; i < ENTRIES; i++)
        drop_entry(cpu, at_work->root, i);
    flush(cpu, at_work);
}

static struct ept02_context *unused(const struct cpu *cpu)
{
    struct ept02 *e = cpu->nested->ept02;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        if (e->context[i].root == NO_NODE)
            return &e->context[i];
    struct ept02_context *oldest = least_recently_used(e, NULL);
    drop_context(cpu, oldest);
    return oldest;
}

static struct ept02_context *find(struct ept02 *e, u64 eptp12)
{
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        if (e->context[i].root != NO_NODE && e->context[i].eptp12 == eptp12)
            return &e->context[i];
    return NULL;
}

static struct ept02_context *find_or_make(struct cpu *cpu, u64 eptp12)
{
    struct ept02 *e = cpu->nested->ept02;
    struct ept02_context *c = find(e, eptp12);
    if (!c) {
        c = unused(cpu);
        while ((c->root = take_node(e, ROOT_LEVEL, GPA1(eptp12 & EPT_ADDR))) == NO_NODE)
            drop_context(cpu, least_recently_used(e, c));
        c->eptp12 = eptp12;
        flush(cpu, c); /* the root page may have been another context's */
    }
    c->used_at = ++e->clock;
    return c;
}

u64 ept02_pointer(struct cpu *cpu, u64 eptp12)
{
    struct ept02 *e = cpu->nested->ept02;
    if (e->generation01 != cpu->vm->ept01.generation || any(cpu->vm->stress, STRESS_EVICT) ||
        cpu->vm->tlb == BOOT_TLB_EAGER)
        ept02_drop_all(cpu);
    return eptp02_of(cpu, find_or_make(cpu, eptp12));
}

/* ---- filling ---------------------------------------------------------------------------- */

/* Notes the EPT12 entry that entry i stands for. When L1 changed it without an INVEPT and the
 * table below stays, some of what is there was made from the old one: the next INVEPT has to
 * drop it, whatever EPT12 holds by then. Only flags that are set besides change nothing. */
static void note(struct ept02 *e, u16 node, unsigned i, u64 entry12, bool table_stays)
{
    u64 *copy = &copy_of(e, node)[i], flags = EPT_A | EPT_D;
    bool same = (*copy | flags) == (entry12 | flags) && !any(*copy, ~entry12);
    *copy = table_stays && !same ? NOT_AS_MADE : entry12;
}

static bool table_stays(const struct cpu *cpu, u16 node, unsigned i, gpa1_t table12)
{
    const struct ept02 *e = cpu->nested->ept02;
    u64 entry = table_of(e, node)[i];
    return is_table(entry, e->nodes[node].level) &&
           e->nodes[child_of(cpu, entry)].table12.a == table12.a;
}

/* An empty table over `table12` in place of what entry i held. False: the pool is empty. */
static bool put_table(const struct cpu *cpu, u16 node, unsigned i, gpa1_t table12)
{
    struct ept02 *e = cpu->nested->ept02;
    u64 copy = copy_of(e, node)[i];
    u16 child = take_node(e, (u8)(e->nodes[node].level - 1), table12);
    if (child == NO_NODE)
        return false;
    drop_entry(cpu, node, i);
    copy_of(e, node)[i] = copy;
    table_of(e, node)[i] = mem_hpa(&cpu->vm->mem, table_of(e, child)).a | EPT_RWX;
    return true;
}

static void put_leaf(const struct cpu *cpu, u16 node, unsigned i, u64 leaf)
{
    struct ept02 *e = cpu->nested->ept02;
    u64 *entry = &table_of(e, node)[i];
    if (is_table(*entry, e->nodes[node].level))
        free_tree(cpu, child_of(cpu, *entry));
    *entry = leaf;
    e->fills++;
}

/* Puts the leaf in its place and notes each EPT12 entry on the way. False: the pool is empty. */
static bool map(const struct cpu *cpu, const struct ept02_context *c, const struct ept_walk *w,
                const struct ept02_leaf *leaf)
{
    struct ept02 *e = cpu->nested->ept02;
    u16 node = c->root;
    for (u8 step = 0;; step++) {
        u8 level = e->nodes[node].level;
        unsigned i = index_at(leaf->base.a, level);
        bool here = leaf->size == PAGE_SIZE << (9u * (level - 1u)), deeper = step + 1u < w->steps;
        gpa1_t below = GPA1(deeper ? w->step[step + 1].at.a & ~(PAGE_SIZE - 1) : NO_TABLE12);
        bool stays = !here && table_stays(cpu, node, i, below);
        if (step < w->steps)
            note(e, node, i, w->step[step].next, stays);
        if (here) {
            put_leaf(cpu, node, i, leaf->entry);
            return true;
        }
        if (!stays && !put_table(cpu, node, i, below))
            return false;
        node = child_of(cpu, table_of(e, node)[i]);
    }
}

static struct ept01_leaf leaf01_at(struct cpu *cpu, gpa1_t gpa1)
{
    struct ept01_leaf leaf = {.size = PAGE_SIZE};
    u64 entry = ept01_leaf(cpu->vm, gpa1, &leaf.size);
    if (entry == 0 && ept01_fill(cpu->vm, gpa1))
        entry = ept01_leaf(cpu->vm, gpa1, &leaf.size);
    leaf.base = HPA(entry & EPT_ADDR & ~(leaf.size - 1));
    leaf.perm = (u8)(entry & EPT_RWX);
    leaf.memtype = (u8)bits(entry, 5, 3);
    return leaf;
}

static u64 largest_leaf(const struct cpu_facts *f)
{
    return f->ept_1g ? SIZE_1G : f->ept_2m ? SIZE_2M : PAGE_SIZE;
}

/* Maps, makes room until it can, and leaves vmcs02 with the context's EPTP. */
static void put(struct cpu *cpu, struct ept02_context *c, const struct ept_walk *w,
                const struct ept02_leaf *leaf)
{
    struct nested *n = cpu->nested;
    n->ept02->freed = false;
    while (!map(cpu, c, w, leaf))
        reclaim(cpu, c);
    if (n->ept02->freed)
        flush(cpu, c);
    u64 eptp02 = eptp02_of(cpu, c);
    if (n->image02.ept_pointer != eptp02) {
        vmcs_write(ENC_ept_pointer, eptp02);
        n->image02.ept_pointer = eptp02;
    }
}

static void fill(struct cpu *cpu, const struct ept_walk *w, gpa2_t gpa2)
{
    struct nested *n = cpu->nested;
    u64 eptp12 = n->vmcs12.ept_pointer;
    struct compose_env env = {.ad = any(eptp12, EPTP_AD), .max_size = largest_leaf(&cpu->vm->facts)};
    gpa1_t gpa1 = GPA1(w->leaf.base.a + (gpa2.a & (w->leaf.size - 1)));
    struct ept01_leaf leaf01 = leaf01_at(cpu, gpa1);
    struct ept02_leaf leaf = ept_compose(&env, gpa2, &w->leaf, &leaf01);
    if (n->ept02->generation01 != cpu->vm->ept01.generation)
        ept02_drop_all(cpu); /* EPT01 was built anew to make room for this leaf */
    put(cpu, find_or_make(cpu, eptp12), w, &leaf);
}

enum outcome ept02_violation(struct cpu *cpu)
{
    struct ept_walk w;
    if (cpu->nested->ept02->generation01 != cpu->vm->ept01.generation)
        ept02_drop_all(cpu);
    ept12_walk(cpu, &w);
    if (w.result == EPT_OK) {
        fill(cpu, &w, GPA2(cpu->exit.gpa));
        exit_retry(cpu);
        return RESUME;
    }
    if (w.result == EPT_MISCONFIG) { /* not the violation that the hardware saw: no qualification */
        cpu->exit.reason = EXIT_REASON_EPT_MISCONFIG;
        cpu->exit.qual = 0;
        return nested_reflect(cpu);
    }
    cpu->exit.qual = w.qual;
    if (!w.suppress_ve && nested_ve_delivered(cpu))
        return fault(cpu, VEC_VE, 0);
    return nested_reflect(cpu);
}

/* ---- INVEPT ----------------------------------------------------------------------------- */

/* Drops every entry whose EPT12 entry is no longer what it was made from. */
static void revalidate(const struct cpu *cpu, u16 node)
{
    struct ept02 *e = cpu->nested->ept02;
    gpa1_t table12 = e->nodes[node].table12;
    u8 level = e->nodes[node].level;
    u64 *table = table_of(e, node), *copy = copy_of(e, node);
    const u64 *now = table12.a == NO_TABLE12 ? NULL : gpa1_map(cpu->vm, table12);
    bool leaves = level == 1 && now;
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (leaves && now[i] == copy[i] && copy[i] != NOT_AS_MADE)
            continue; /* most entries, most of the time */
        if (copy[i] == 0 && table[i] == EPT02_EMPTY)
            continue;
        bool made_from = copy[i] != NOT_AS_MADE && copy[i] == (now ? now[i] : ~0ull);
        if (table12.a != NO_TABLE12 && !made_from)
            drop_entry(cpu, node, i);
        else if (is_table(table[i], level))
            revalidate(cpu, child_of(cpu, table[i]));
    }
}

static void invalidate(struct cpu *cpu, struct ept02_context *c)
{
    if (c->root == NO_NODE)
        return;
    if (cpu->vm->tlb == BOOT_TLB_EAGER) {
        drop_context(cpu, c);
        return;
    }
    revalidate(cpu, c->root);
    flush(cpu, c);
}

void ept02_invalidate(struct cpu *cpu, u64 eptp12)
{
    /* INVEPT names the tables by EPTP bits 51:12; two EPTPs may share them. */
    struct ept02 *e = cpu->nested->ept02;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        if (((e->context[i].eptp12 ^ eptp12) & EPT_ADDR) == 0)
            invalidate(cpu, &e->context[i]);
}

void ept02_invalidate_all(struct cpu *cpu)
{
    struct ept02 *e = cpu->nested->ept02;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        invalidate(cpu, &e->context[i]);
}

bool ept02_init(struct cpu *cpu)
{
    struct mem *mem = &cpu->vm->mem;
    struct ept02 *e = mem_pages(mem, (sizeof *e + PAGE_SIZE - 1) / PAGE_SIZE);
    u64 nodes = (EPT02_NODES * sizeof(struct ept02_node) + PAGE_SIZE - 1) / PAGE_SIZE;
    cpu->nested->ept02 = e;
    if (!e)
        return false;
    e->nodes = mem_pages(mem, nodes);
    e->tables = mem_pages(mem, EPT02_NODES);
    e->copies = mem_pages(mem, EPT02_NODES);
    if (!e->nodes || !e->tables || !e->copies)
        return false;
    e->free = NO_NODE;
    for (u16 node = 0; node < EPT02_NODES; node++) {
        e->nodes[node].next_free = e->free;
        e->free = node;
    }
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        e->context[i].root = NO_NODE;
    return true;
}
