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

void ept02_audit(const struct cpu *cpu, u64 turn)
{
    check_entries(cpu, turn);
    if (turn % CALLS_A_COUNT == 0 && ept02_count_tables(cpu) != EPT02_TABLES)
        panic("bug: EPT02 has %u tables of %u", ept02_count_tables(cpu), EPT02_TABLES);
}
