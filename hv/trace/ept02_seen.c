/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT02 as the trace sees it. Contract in private.h. */
#include "hv/trace/private.h"
#include "hv/nested/ept02/tables.h"

bool ept02_look(const struct cpu *cpu, gpa2_t gpa2, struct ept02_seen *seen)
{
    const struct ept02 *e = cpu->nested->ept02;
    const struct ept02_context *c = e->last;
    if (!any(vmcs12_cpu2(&cpu->nested->now->vmcs12), CPU2_ENABLE_EPT) || c->root == NO_TABLE)
        return false;
    u16 table = c->root;
    for (u64 entry;; table = ept02_child(cpu, entry)) {
        u8 level = e->record[table].level;
        unsigned i = index_at(gpa2, level);
        entry = entries_of(e, table)[i];
        if (is_table(entry, level))
            continue;
        *seen = (struct ept02_seen){level, entry, made_from(e, table)[i]};
        return any(entry, EPT_RWX);
    }
}

static u64 count(const struct cpu *cpu, u16 table)
{
    const struct ept02 *e = cpu->nested->ept02;
    const struct table_record *r = &e->record[table];
    u64 leaves = 0;
    for (u64 left = r->filled; left != 0; left &= left - 1) {
        unsigned line = (unsigned)__builtin_ctzll(left) * EPT02_LINE;
        for (unsigned i = line; i < line + EPT02_LINE; i++) {
            u64 entry = entries_of(e, table)[i];
            if (is_table(entry, r->level))
                leaves += count(cpu, ept02_child(cpu, entry));
            else
                leaves += any(entry, EPT_RWX);
        }
    }
    return leaves;
}

u64 ept02_count_leaves(const struct cpu *cpu)
{
    const struct ept02 *e = cpu->nested->ept02;
    u64 leaves = 0;
    for (unsigned i = 0; i < EPT02_CONTEXTS; i++)
        if (e->context[i].root != NO_TABLE)
            leaves += count(cpu, e->context[i].root);
    return leaves;
}
