/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commonest violations, answered by one walk: EPT02 has its tables above the address, each made
 * from the entry that EPT12 still holds, and below them EPT12 has a leaf of 4 KiB or 2 MiB, or
 * refuses the access. All else is fill.c's, which does the same with these in more steps;
 * stress=paranoid compares. Contract in ept02.h.
 */
#include "hv/nested/ept02/tables.h"
#include "hv/core/lib.h"

/* The last EPT12 entry of a walk, and the place of its translation in EPT02. */
struct place {
    u64 *at12, entry12, upper; /* the entry, and the entries above it, ANDed */
    u64 *at, size;             /* in e->entries; what it maps */
};

/* Down the tables of EPT02, to an entry that is none. A table's source was judged, and marked as
 * accessed, when it became that; MADE_FROM_SEVERAL is no source. False: EPT12 has another entry
 * there now. */
static FORCE_INLINE bool descend(const struct cpu *cpu, const struct ept02 *e, gpa2_t gpa2,
                                 struct place *p)
{
    u64 *table = entries_of(e, e->last->root);
    p->upper = ~0ull;
#pragma GCC unroll 4
    for (u8 level = ROOT_LEVEL; level > 0; level--) {
        unsigned i = index_at(gpa2, level);
        p->at12 = &e->page12[(u64)(table - e->entries) / EPT02_ENTRIES][i];
        p->entry12 = *(volatile u64 *)p->at12; /* once: a device may write there */
        p->at = &table[i];
        p->size = level_size(level);
        if (!is_table(*p->at, level))
            return true;
        if (p->at[e->made_from - e->entries] != p->entry12 || any(p->entry12, EPT_PS))
            return false;
        p->upper &= p->entry12;
        table = mem_va(&cpu->vm->mem, HPA(*p->at & EPT_ADDR));
    }
    return false;
}

/* A leaf of 4 KiB or 2 MiB that is no misconfiguration, and can be read.
 * SDM 3C 29.3.3.1 "EPT Misconfigurations" */
static FORCE_INLINE bool plain_leaf(const struct nested *n, u64 entry12, u64 size)
{
    bool large = size == SIZE_2M && any(entry12, EPT_PS) && any(n->caps.ept_vpid, EPT_CAP_2M);
    return (size == PAGE_SIZE || large) && any(entry12, EPT_R) && ept_memtype_legal(entry12) &&
           !any(entry12, (n->check_cpu.phys_reserved | (size - 1)) & EPT_ADDR);
}

/* EPT12 forbids the access: L1 gets it, if it shall see what the CPU tells. */
static FORCE_INLINE enum ept02_short refuse(struct nested *n, const struct place *p,
                                            struct ept12_access a)
{
    struct ept02 *e = n->ept02;
    u64 perm = p->upper & p->entry12 & EPT_RWX;
    if (ept_violation_qual(e->last->eptp12, n->caps.ept_vpid, a.qual, perm) != a.qual)
        return SHORT_UNKNOWN;
    p->at[0] = EPT02_EMPTY;
    p->at[e->made_from - e->entries] = 0;
    e->awaited = a;
    e->awaiting = e->last;
    return SHORT_REFUSES;
}

enum ept02_short ept02_short(struct cpu *cpu, u64 eptp02, struct ept12_access a, bool used)
{
    struct nested *n = cpu->nested;
    struct ept02 *e = n->ept02;
    bool ad = any(eptp02, EPTP_AD);
    struct place p;
    if (e->last->eptp02 != eptp02 || !ept02_stands(cpu) || !descend(cpu, e, a.gpa2, &p) ||
        (any(p.entry12, EPT_RWX) && !plain_leaf(n, p.entry12, p.size)))
        return SHORT_UNKNOWN;
    u64 access = ept_access(eptp02, a.qual), next12 = p.entry12;
    if (any(access, ~(p.upper & p.entry12)))
        return refuse(n, &p, a);
    if (ad)
        next12 |= any(access, EPT_W) ? EPT_A | EPT_D : EPT_A;
    gpa1_t gpa1 = GPA1(next12 & EPT_ADDR);
    const struct ept01_leaf *leaf01 = &e->leaf01;
    if (UNLIKELY(gpa1.a - e->gpa01.a >= leaf01->size)) {
        ept02_leaf01(cpu, gpa1);
        if (!ept02_stands(cpu))
            return SHORT_UNKNOWN;
    }
    u64 leaf = ept_compose_entry(ad, next12, p.upper & next12 & EPT_RWX, gpa1, p.size, leaf01);
    if (leaf == EPT02_EMPTY || leaf01->size < p.size ||
        (next12 != p.entry12 &&
         (!used || !__sync_bool_compare_and_swap(p.at12, p.entry12, next12))))
        return SHORT_UNKNOWN;
    u64 at = (u64)(p.at - e->entries), table = at / EPT02_ENTRIES;
    e->entries[at] = leaf;
    e->made_from[at] = next12;
    e->record[table].filled |= BIT(at % EPT02_ENTRIES / EPT02_LINE);
    if (p.size == PAGE_SIZE)
        ept02_fill_line(e, at, e->page12[table], next12);
    return SHORT_FILLS;
}
