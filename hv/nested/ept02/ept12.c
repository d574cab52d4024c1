/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT12, L1's tables. An exit of L2 is answered by a walk through them in L1's memory, which marks
 * their entries accessed and dirty as the CPU does. The walk itself is pure (hv/ept). Contract in
 * ept02.h and tables.h.
 */
#include "hv/nested/ept02/tables.h"
#include "hv/arch/pagewalk.h"
#include "hv/vmx/guestmem.h"

static u64 fetch(void *ctx, gpa1_t at)
{
    const struct cpu *cpu = ctx;
    const volatile u64 *entry = gpa1_map(cpu, at);
    return entry ? *entry : ~0ull;
}

/* Stores accessed and dirty flags into EPT12. False: an entry changed meanwhile, and the walk must
 * be done again. An entry is aligned, as its table is a page and its index counts entries, so the
 * locked access is never split. CAVEAT(ept-flags-early) */
static bool store_flags(const struct cpu *cpu, const struct ept_walk *w)
{
    for (unsigned i = 0; i < w->steps; i++) {
        const struct ept_step *s = &w->step[i];
        u64 *entry = s->next != s->entry ? gpa1_map(cpu, s->at) : NULL;
        if (entry && !__sync_bool_compare_and_swap(entry, s->entry, s->next))
            return false;
    }
    return true;
}

void ept12_look(struct cpu *cpu, const struct ept_from *from, const struct ept12_access *a,
                struct ept_walk *w)
{
    struct nested *n = cpu->nested;
    struct ept_env env = {.eptp = n->now->vmcs12.ept_pointer,
                          .ept_vpid_cap = n->caps.ept_vpid,
                          .maxphyaddr = cpu->vm->facts.phys_bits,
                          .fetch = fetch,
                          .ctx = cpu};
    ept_walk_from(&env, from, a->gpa2, a->qual, w);
}

/* L1 cannot change an entry during the walk while L0 runs on its one CPU. A device may. */
bool ept12_walk(struct cpu *cpu, const struct ept_from *from, const struct ept12_access *a,
                struct ept_walk *w)
{
    for (u32 i = 0; i < WALK_TRIES; i++) {
        ept12_look(cpu, from, a, w);
        if (w->result != EPT_OK || store_flags(cpu, w))
            return true;
    }
    return false;
}

enum outcome ept12_refused(struct cpu *cpu, const struct ept_walk *w, bool by_cpu)
{
    ept02_forget(cpu, GPA2(cpu->exit.gpa), by_cpu);
    /* the CPU saw a violation of EPT02; a misconfiguration has no qualification */
    if (w->result == EPT_MISCONFIG) {
        cpu->exit.reason = EXIT_REASON_EPT_MISCONFIG;
        cpu->exit.qual = 0;
        return REFLECT;
    }
    cpu->exit.qual = w->qual;
    if (!w->suppress_ve && ve_delivered(cpu))
        return fault(cpu, VEC_VE, 0);
    return REFLECT;
}
