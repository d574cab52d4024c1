/*
 * EPT02's contexts: which tables stand for which EPTP12, and what INVEPT does to them. What the
 * tlb= option means for EPT is decided here and in fill.c. Contract in ept02.h and tables.h.
 * CAVEAT(tlb-strict)
 */
#include "hv/nested/ept02/tables.h"
#include "hv/vmx/insn.h"

u64 ept02_eptp(const struct cpu *cpu, const struct ept02_context *c)
{
    const struct ept02 *e = cpu->nested->ept02;
    return mem_hpa(&cpu->vm->mem, table_of(e, c->root)).a | EPTP_WALK_4 | MT_WB | (c->eptp12 & EPTP_AD);
}

void ept02_flush(const struct cpu *cpu, const struct ept02_context *c)
{
    ept_flush(cpu->vm, ept02_eptp(cpu, c));
    cpu->nested->ept02->owed = false;
}

bool ept02_flush_owed(const struct cpu *cpu)
{
    return cpu->nested->ept02->owed;
}

static void drop_context(const struct cpu *cpu, struct ept02_context *c)
{
    if (c->root == NO_NODE)
        return;
    ept02_free_tree(cpu, c->root);
    ept02_flush(cpu, c);
    c->root = NO_NODE;
}

static void drop_all(struct cpu *cpu)
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

void ept02_reclaim(const struct cpu *cpu, struct ept02_context *at_work)
{
    struct ept02_context *victim = least_recently_used(cpu->nested->ept02, at_work);
    if (victim) {
        drop_context(cpu, victim);
        return;
    }
    ept02_drop_entries(cpu, at_work->root);
    ept02_flush(cpu, at_work);
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

/* The CPU tags what it caches with EPTP bits 51:12 alone, so that EPTPs which differ in their flags
 * share it; only tlb=strict does that to L1. SDM 3C 29.4.2 "Creating and Using Cached Translation
 * Information" */
static bool stands_for(const struct cpu *cpu, const struct ept02_context *c, u64 eptp12)
{
    u64 tag = cpu->vm->tlb == BOOT_TLB_STRICT ? EPT_ADDR : ~0ull;
    return c->root != NO_NODE && !any(c->eptp12 ^ eptp12, tag);
}

static struct ept02_context *find(const struct cpu *cpu, u64 eptp12)
{
    struct ept02 *e = cpu->nested->ept02;
    if (e->last && stands_for(cpu, e->last, eptp12))
        return e->last;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        if (stands_for(cpu, &e->context[i], eptp12))
            return &e->context[i];
    return NULL;
}

static struct ept02_context *make(const struct cpu *cpu, u64 eptp12)
{
    struct ept02 *e = cpu->nested->ept02;
    struct ept02_context *c = unused(cpu);
    u16 root;
    while ((root = ept02_take(e, ROOT_LEVEL, GPA1(eptp12 & EPT_ADDR))) == NO_NODE)
        drop_context(cpu, least_recently_used(e, c));
    *c = (struct ept02_context){.eptp12 = eptp12, .root = root};
    ept02_flush(cpu, c); /* the root page may have been another context's */
    return c;
}

struct ept02_context *ept02_context(struct cpu *cpu, u64 eptp12)
{
    struct ept02 *e = cpu->nested->ept02;
    if (e->generation01 != cpu->vm->ept01.generation)
        drop_all(cpu);
    struct ept02_context *c = find(cpu, eptp12);
    if (!c)
        c = make(cpu, eptp12);
    c->mixed |= any(c->eptp12 ^ eptp12, EPTP_AD);
    c->eptp12 = eptp12;
    c->used_at = ++e->clock;
    e->last = c;
    return c;
}

/* ---- INVEPT ----------------------------------------------------------------------------- */

/* Compares now, not when L1 executed INVEPT: between that and this entry nothing may be cached for
 * the EPTP12, so what L1 changed since then without another INVEPT holds too. The CPU's own cache
 * goes whatever was found: combined mappings depend on L2's paging structures as well. */
static void revalidate(const struct cpu *cpu, struct ept02_context *c)
{
    if (c->mixed)
        ept02_drop_entries(cpu, c->root);
    else
        ept02_compare(cpu, c->root);
    ept02_flush(cpu, c);
    c->invalidated = c->mixed = false;
}

u64 ept02_pointer(struct cpu *cpu, u64 eptp12)
{
    if (any(cpu->vm->stress, STRESS_EVICT) || cpu->vm->tlb == BOOT_TLB_EAGER)
        drop_all(cpu);
    struct ept02_context *c = ept02_context(cpu, eptp12);
    cpu->nested->ept02->run++;
    if (c->invalidated)
        revalidate(cpu, c);
    if (cpu->nested->ept02->asking == c) {
        ept02_fill_asked(cpu, c);
        c = ept02_context(cpu, eptp12);
    }
    return ept02_eptp(cpu, c);
}

void ept02_invalidate(struct cpu *cpu, u64 eptp12)
{
    /* INVEPT names the tables by EPTP bits 51:12; two EPTPs may share them. */
    struct ept02 *e = cpu->nested->ept02;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        if (!any(e->context[i].eptp12 ^ eptp12, EPT_ADDR))
            e->context[i].invalidated = true;
}

void ept02_invalidate_all(struct cpu *cpu)
{
    struct ept02 *e = cpu->nested->ept02;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        e->context[i].invalidated = true;
}

bool ept02_init(struct cpu *cpu)
{
    struct ept02 *e = mem_pages(&cpu->vm->mem, (sizeof *e + PAGE_SIZE - 1) / PAGE_SIZE);
    cpu->nested->ept02 = e;
    if (!e)
        return false;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        e->context[i].root = NO_NODE;
    return ept02_tables_init(cpu);
}
