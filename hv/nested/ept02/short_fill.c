/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commonest violations, answered by one walk: EPT02 has its tables above the address, each made
 * from the entry that EPT12 still holds, and below them EPT12 has a leaf that needs no flag set, or
 * refuses the access. All else is fill.c's, which does the same with these in more steps;
 * stress=paranoid compares. Contract in ept02.h.
 */
#include "hv/nested/ept02/tables.h"
#include "hv/core/lib.h"

/* The last EPT12 entry of a walk, and where its translation belongs in EPT02. */
struct place {
    u64 at, entry12, all12; /* the place's offset; the entry; all entries of the walk, ANDed */
    u8 level;
};

/* Down the tables of EPT02, to an entry that is none. A table's source was judged when it became
 * that; MADE_FROM_SEVERAL is no source. False: EPT12 has another entry there now. */
static FORCE_INLINE bool descend(const struct cpu *cpu, const struct ept02 *e, gpa2_t gpa2,
                                 struct place *p)
{
    u64 first = mem_hpa(&cpu->vm->mem, e->entries).a, at = (u64)e->last->root << PAGE_SHIFT;
    p->all12 = ~0ull;
#pragma GCC unroll 4
    for (p->level = ROOT_LEVEL; p->level > 0; p->level--) {
        unsigned i = index_at(gpa2, p->level);
        p->entry12 = e->page12[at >> PAGE_SHIFT][i];
        p->all12 &= p->entry12;
        p->at = at / sizeof(u64) + i;
        u64 entry = e->entries[p->at];
        if (!is_table(entry, p->level))
            return true;
        if (e->made_from[p->at] != p->entry12 || any(p->entry12, EPT_PS))
            return false;
        at = (entry & EPT_ADDR) - first;
    }
    return false;
}

/* A leaf of 4 KiB or 2 MiB that is no misconfiguration, and can be read.
 * SDM 3C 29.3.3.1 "EPT Misconfigurations" */
static FORCE_INLINE bool plain_leaf(const struct nested *n, u64 entry12, u8 level)
{
    u64 low = level == 1 ? 0 : SIZE_2M - 1;
    bool large = level == 2 && any(entry12, EPT_PS) && any(n->caps.ept_vpid, EPT_CAP_2M);
    return (level == 1 || large) && any(entry12, EPT_R) &&
           !any(entry12, (n->check_cpu.phys_reserved | low) & EPT_ADDR) &&
           ept_memtype_legal(entry12);
}

enum ept02_short ept02_short(struct cpu *cpu, u64 eptp02, const struct ept12_access *a)
{
    struct nested *n = cpu->nested;
    struct ept02 *e = n->ept02;
    u64 eptp12 = e->last->eptp12;
    struct place p;
    if (e->last->eptp02 != eptp02 || eptp12 != n->now->vmcs12.ept_pointer || !ept02_stands(cpu) ||
        !descend(cpu, e, a->gpa2, &p) ||
        (any(p.entry12, EPT_RWX) && !plain_leaf(n, p.entry12, p.level)))
        return SHORT_UNKNOWN;
    if (any(ept_access(eptp12, a->qual), ~p.all12)) {
        u64 qual = ept_violation_qual(eptp12, n->caps.ept_vpid, a->qual, p.all12 & EPT_RWX);
        e->refused = p.at;
        return qual == a->qual ? SHORT_REFUSES : SHORT_UNKNOWN;
    }
    gpa1_t gpa1 = GPA1(p.entry12 & EPT_ADDR);
    const struct ept01_leaf *leaf01 = &e->leaf01;
    if (UNLIKELY(gpa1.a - e->gpa01.a >= leaf01->size))
        ept02_leaf01(cpu, gpa1);
    u64 leaf = ept_compose_plain(eptp12, p.level > 1, p.entry12, p.all12, leaf01);
    if (leaf == 0 || leaf01->size < level_size(p.level))
        return SHORT_UNKNOWN;
    e->entries[p.at] = leaf;
    e->made_from[p.at] = p.entry12;
    e->record[p.at / EPT02_ENTRIES].filled |= BIT(p.at % EPT02_ENTRIES / EPT02_LINE);
    if (p.level == 1)
        ept02_fill_line(e, p.at, e->page12[p.at / EPT02_ENTRIES], p.entry12, leaf01);
    return SHORT_FILLS;
}

void ept02_told(struct cpu *cpu, const struct ept12_access *a)
{
    struct ept02 *e = cpu->nested->ept02;
    e->entries[e->refused] = EPT02_EMPTY;
    e->made_from[e->refused] = 0;
    e->awaited = *a;
    e->awaiting = e->last;
}
