/* SPDX-License-Identifier: BSD-2-Clause */
/* stress=paranoid: EPT02's invariants, a part of them at each call. */
#include "hv/paranoid/audits.h"
#include "hv/nested/ept02/tables.h"

/* The audit must not double the time that the tests take. */
#define ENTRIES_AT_ONCE 64u
#define CALLS_A_COUNT   32u

/* Checks a part of one table. A table that is not in use is empty. */
static void check_entries(const struct cpu *cpu, u64 turn)
{
    const struct ept02 *e = cpu->nested->ept02;
    u16 table = (u16)(turn % EPT02_TABLES);
    u32 first = (u32)(turn / EPT02_TABLES * ENTRIES_AT_ONCE % EPT02_ENTRIES);
    u8 level = e->record[table].level;
    u64 size = level ? level_size(level) : PAGE_SIZE;
    for (u32 i = 0; i < ENTRIES_AT_ONCE; i++) {
        u64 entry = entries_of(e, table)[first + i];
        if (!is_table(entry, level) && !ept_leaf_harmless(cpu->vm, entry, size))
            panic("bug: EPT02 maps L0's memory: %lx at level %u", entry, level);
    }
}

/* Where EPT02 has the leaf over an address, or would have it. */
static u64 leaf_at(const struct cpu *cpu, gpa2_t gpa2)
{
    const struct ept02 *e = cpu->nested->ept02;
    u16 table = e->last->root;
    for (;;) {
        u8 level = e->record[table].level;
        u64 at = (u64)table * EPT02_ENTRIES + index_at(gpa2, level), entry = e->entries[at];
        if (!is_table(entry, level))
            return at;
        table = ept02_child(cpu, entry);
    }
}

/* What the plain way has done the short way would have done, or left to the plain way: a fill that
 * is done once more changes nothing. */
static void check_short(struct cpu *cpu, const struct ept12_access *a, bool filled)
{
    const struct ept02 *e = cpu->nested->ept02;
    u64 eptp02 = filled ? cpu->nested->now->image02.ept_pointer : e->last->eptp02;
    if (eptp02 == 0 || e->last->root == NO_TABLE)
        return; /* it was dropped since */
    u64 at = leaf_at(cpu, a->gpa2), entry = e->entries[at], source = e->made_from[at];
    if (ept02_short(cpu, eptp02, *a, false) == (filled ? SHORT_REFUSES : SHORT_FILLS))
        panic("bug: the short fill judges an access of %lx otherwise", a->gpa2.a);
    if (leaf_at(cpu, a->gpa2) != at || e->entries[at] != entry || e->made_from[at] != source)
        panic("bug: the short fill makes %lx of EPT12's %lx, and not %lx of %lx", e->entries[at],
              e->made_from[at], entry, source);
}

void ept02_audit(struct cpu *cpu, u64 turn)
{
    struct ept02 *e = cpu->nested->ept02;
    struct ept12_access a = {GPA2(cpu->exit.gpa), cpu->exit.qual};
    /* what another context awaits is of an earlier exit */
    if (cpu->exit.reason == EXIT_REASON_EPT_VIOLATION && e->awaiting == e->last &&
        e->awaited.gpa2.a == a.gpa2.a)
        check_short(cpu, &e->awaited, false);
    else if (cpu->exit.reason == EXIT_REASON_EPT_VIOLATION && cpu->in_l2)
        check_short(cpu, &a, true);
    check_entries(cpu, turn);
    if (turn % CALLS_A_COUNT == 0 && ept02_count_tables(cpu) != EPT02_TABLES)
        panic("bug: EPT02 has %u tables of %u", ept02_count_tables(cpu), EPT02_TABLES);
}
