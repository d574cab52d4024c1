/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT02's contexts: which root table stands for which EPTP12, and what INVEPT does to the tables
 * below it. Contract in ept02.h and tables.h.
 */
#include "hv/nested/ept02/tables.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/stress.h"

/* The EPTP follows from the root and from the flags of EPTP12. */
static void set_eptp(const struct cpu *cpu, struct ept02_context *c, u64 eptp12)
{
    const struct ept02 *e = cpu->nested->ept02;
    c->eptp12 = eptp12;
    c->eptp02 =
        mem_hpa(&cpu->vm->mem, entries_of(e, c->root)).a | EPTP_WALK_4 | MT_WB | (eptp12 & EPTP_AD);
}

void ept02_flush(const struct cpu *cpu, const struct ept02_context *c)
{
    ept_flush(cpu->vm, c->eptp02);
    cpu->nested->ept02->flush_owed = false;
}

bool ept02_flush_owed(const struct cpu *cpu)
{
    return cpu->nested->ept02->flush_owed;
}

static void drop_context(const struct cpu *cpu, struct ept02_context *c)
{
    if (c->root == NO_TABLE)
        return;
    ept02_free_tree(cpu, c->root);
    ept02_flush(cpu, c);
    c->root = NO_TABLE;
    c->eptp02 = 0;
}

static void drop_all(struct cpu *cpu)
{
    struct ept02 *e = cpu->nested->ept02;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        drop_context(cpu, &e->context[i]);
    e->generation01 = cpu->ept01->generation;
    e->apic_page = cpu->apic_page;
    e->leaf01.size = 0;
}

/* Looks among the contexts that have tables, except `but`. NULL: there is none. */
static struct ept02_context *least_recently_used(struct ept02 *e, const struct ept02_context *but)
{
    struct ept02_context *oldest = NULL;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++) {
        struct ept02_context *c = &e->context[i];
        if (c != but && c->root != NO_TABLE && (!oldest || c->used_at < oldest->used_at))
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
        if (e->context[i].root == NO_TABLE)
            return &e->context[i];
    struct ept02_context *oldest = least_recently_used(e, NULL);
    drop_context(cpu, oldest);
    return oldest;
}

/* The CPU tags what it caches with EPTP bits 51:12 alone, so EPTPs that differ only in their flags
 * share it. SDM 3C 29.4.2 "Creating and Using Cached Translation Information" */
static bool stands_for(const struct cpu *cpu, const struct ept02_context *c, u64 eptp12)
{
    u64 tag = cpu->nested->tlb.shares_by_address ? EPT_ADDR : ~0ull;
    return c->root != NO_TABLE && !any(c->eptp12 ^ eptp12, tag);
}

static struct ept02_context *find(const struct cpu *cpu, u64 eptp12)
{
    struct ept02 *e = cpu->nested->ept02;
    if (stands_for(cpu, e->last, eptp12))
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
    while ((root = ept02_take_table(cpu, ROOT_LEVEL, GPA1(eptp12 & EPT_ADDR))) == NO_TABLE)
        drop_context(cpu, least_recently_used(e, c));
    *c = (struct ept02_context){.root = root};
    set_eptp(cpu, c, eptp12);
    ept02_flush(cpu, c); /* the root page may have been another context's */
    return c;
}

struct ept02_context *ept02_context(struct cpu *cpu, u64 eptp12)
{
    struct ept02 *e = cpu->nested->ept02;
    if (!ept02_stands(cpu))
        drop_all(cpu);
    struct ept02_context *c = find(cpu, eptp12);
    if (!c)
        c = make(cpu, eptp12);
    if (UNLIKELY(c->eptp12 != eptp12)) {
        c->mixed_flags |= any(c->eptp12 ^ eptp12, EPTP_AD);
        set_eptp(cpu, c, eptp12);
    }
    c->used_at = ++e->clock;
    e->last = c;
    return c;
}

/* ---- INVEPT ----------------------------------------------------------------------------- */

/* Does what an INVEPT of L1's has left to do. The comparison happens at the VM entry and not at the
 * INVEPT. Nothing is cached for the EPTP12 between the two, so L1's changes in between must count
 * as well. The CPU's own cache is flushed whatever the comparison finds, because combined mappings
 * depend on L2's paging structures too. */
static void revalidate(const struct cpu *cpu, struct ept02_context *c)
{
    if (c->mixed_flags)
        ept02_drop_entries(cpu, c->root);
    else
        ept02_compare(cpu, c->root);
    ept02_flush(cpu, c);
    c->invalidated = c->mixed_flags = false;
}

u64 ept02_pointer(struct cpu *cpu, u64 eptp12)
{
    if (stressed(cpu, STRESS_EVICT) || cpu->nested->tlb.forgets)
        drop_all(cpu);
    struct ept02 *e = cpu->nested->ept02;
    struct ept02_context *c = ept02_context(cpu, eptp12);
    e->run++;
    if (c->invalidated)
        revalidate(cpu, c);
    if (e->awaiting != c)
        return c->eptp02;
    bool quick = cpu->vm->fast && cpu->vm->stress == 0;
    if (!quick || ept02_short(cpu, c->eptp02, e->awaited, false) == SHORT_UNKNOWN) {
        ept02_fill_awaited(cpu, c);
        c = ept02_context(cpu, eptp12);
    }
    e->awaiting = NULL;
    return c->eptp02;
}

bool ept02_goes_on(const struct cpu *cpu, const struct active *a)
{
    struct ept02 *e = cpu->nested->ept02;
    const struct ept02_context *c = e->last;
    if (c->eptp02 != a->image02.ept_pointer || c->eptp12 != a->vmcs12.ept_pointer ||
        c->invalidated || e->awaiting == c || !ept02_stands(cpu) || stressed(cpu, STRESS_EVICT))
        return false;
    e->run++;
    return true;
}

/* INVEPT names the tables by EPTP bits 51:12. Two contexts may differ in other bits alone. */
void ept02_invalidate(struct cpu *cpu, u64 eptp12)
{
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
        e->context[i].root = NO_TABLE;
    e->last = &e->context[0];
    return ept02_tables_init(cpu);
}
