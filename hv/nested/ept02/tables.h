/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT02's tables, for the files of this room.
 *
 *   EPT12: L1's tables, in L1's memory        EPT02: L0's tables, which the CPU walks
 *
 *   table at gpa1 A, level 2                  table 17, record: table12 = A, level 2
 *     [0] -> table B                            [0] -> table 18               source: A[0]
 *     [1] -> table C                            [1] empty: a violation of L2 will fill it
 *
 *   table at gpa1 B, level 1                  table 18, record: table12 = B, level 1
 *     [5] -> page at gpa1 P                     [5] -> P's page in memory     source: B[5]
 *
 * Six words:
 *   context  all that stands for one EPTP12: a root table and what INVEPT left to do for it
 *   table    a page of EPT02, over one EPT12 table of the same level, or over none (below a large
 *            leaf of EPT12)
 *   record   what is known about a table: its table12, its level, which lines are filled
 *   source   the EPT12 entry that an entry was made from; INVEPT compares it with EPT12
 *   line     eight entries: one cache line of a table, and one bit of `filled`
 *   run      L2 from a VM entry, or a switch of its EPTP, to the next exit that L1 sees
 *
 * Invariants, while L2 may run:
 *  - a table in the free list is as a new one: all entries EPT02_EMPTY, all sources 0, no line
 *    filled;
 *  - a line that is not in `filled` is as in a new table;
 *  - the CPU has cached nothing that was taken out of a table: no flush is owed.
 */
#ifndef HV_NESTED_EPT02_TABLES_H
#define HV_NESTED_EPT02_TABLES_H

#include "hv/nested/ept02/ept02.h"

#define EPT02_CONTEXTS 8u
#define EPT02_TABLES   640u
#define EPT02_ENTRIES  512u
#define EPT02_LINE     8u /* entries in a cache line */
#define ROOT_LEVEL     4u
#define NO_TABLE       0xffffu
#define NO_TABLE12     (~0ull)

/* Instead of a source: what stands below was made from more than one value of the EPT12 entry. */
#define MADE_FROM_SEVERAL (~0ull)

struct table_record {
    gpa1_t table12; /* NO_TABLE12: the table stands below a leaf of EPT12 */
    u64 filled;     /* BIT(line): the line has an entry or a source that is not as in a new table */
    u64 walked_in_run; /* the last run in which a walk of EPT12 led here. 0: none */
    u16 next_free;
    u8 level; /* 4 (root) to 1 */
};

struct ept02_context {
    u64 eptp12;  /* valid when root is not NO_TABLE */
    u64 eptp02;  /* what the CPU is given for it. 0: root is NO_TABLE */
    u64 used_at; /* by e->clock, for the least recently used */
    u16 root;
    bool invalidated; /* by an INVEPT since L2 last ran with it */
    bool mixed_flags; /* made with and without accessed and dirty flags (tlb shares_by_address) */
};

struct ept02 {
    u64 *entries;   /* EPT02_TABLES pages: the tables */
    u64 *made_from; /* EPT02_TABLES pages: the source of each entry */
    struct table_record *record;
    u16 free;        /* the first table of the free list, or NO_TABLE */
    bool flush_owed; /* an entry that the CPU may have cached was taken out of a table */
    u64 clock;
    u64 run;                        /* counts the runs, from 1 on */
    u64 generation01;               /* of EPT01, when the contexts were made */
    gpa1_t apic_page;               /* cpu->apic_page, then */
    struct ept01_leaf leaf01;       /* the leaf of EPT01 that was used last, ... */
    gpa1_t gpa01;                   /* ... and the address that it maps */
    struct ept02_context *last;     /* the context found last */
    struct ept12_access awaited;    /* the last violation that went to L1 */
    struct stale *stale;            /* hv/stale: with tlb=strict and verbose= */
    struct ept02_context *awaiting; /* its context, while L2 has not run since; or NULL */
    struct ept02_context context[EPT02_CONTEXTS];
    /* each table's table12, when the short fill may use it; else a page of ones */
    u64 *page12[EPT02_TABLES];
};

/* The contexts were made over what there is now. */
static inline bool ept02_stands(const struct cpu *cpu)
{
    const struct ept02 *e = cpu->nested->ept02;
    return e->generation01 == cpu->ept01->generation && e->apic_page.a == cpu->apic_page.a;
}

static inline u64 *entries_of(const struct ept02 *e, u16 table)
{
    return e->entries + (u64)table * EPT02_ENTRIES;
}

static inline u64 *made_from(const struct ept02 *e, u16 table)
{
    return e->made_from + (u64)table * EPT02_ENTRIES;
}

static inline bool is_table(u64 entry, u8 level)
{
    return level > 1 && any(entry, EPT_RWX) && !any(entry, EPT_PS);
}

static inline u64 level_size(u8 level)
{
    return PAGE_SIZE << (9u * (level - 1u));
}

static inline unsigned index_at(gpa2_t gpa2, u8 level)
{
    return (unsigned)(gpa2.a >> (PAGE_SHIFT + 9u * (level - 1u))) % EPT02_ENTRIES;
}

/* ---- tables.c --------------------------------------------------------------------- */

bool ept02_tables_init(struct cpu *cpu) MUST_CHECK;

/* The table below a table entry. */
u16 ept02_child(const struct cpu *cpu, u64 entry);
/* A new table. NO_TABLE: the pool is empty. */
u16 ept02_take_table(const struct cpu *cpu, u8 level, gpa1_t table12) MUST_CHECK;
/* Gives back a table and all below it. At most four levels deep. */
void ept02_free_tree(const struct cpu *cpu, u16 table);
/* Empties an entry, and gives back what stands below it. */
void ept02_drop_entry(const struct cpu *cpu, u16 table, unsigned i);
/* Empties all entries of a table. */
void ept02_drop_entries(const struct cpu *cpu, u16 table);
/* How many tables are in the free list and in the trees of the contexts. Any other number than
 * EPT02_TABLES is a bug. */
u32 ept02_count_tables(const struct cpu *cpu);
/* Drops every entry of a tree whose EPT12 entry is no longer its source. */
void ept02_compare(const struct cpu *cpu, u16 table);

/* ---- context.c -------------------------------------------------------------------- */

/* The context of this EPTP12: found again, or a new and empty one. Drops all contexts first
 * when EPT01 changed. */
struct ept02_context *ept02_context(struct cpu *cpu, u64 eptp12);
/* Drops what the CPU has cached of it. No flush is owed then. */
void ept02_flush(const struct cpu *cpu, const struct ept02_context *c);
/* Makes room in the pool: another context's tables, else those of the one at work. */
void ept02_reclaim(const struct cpu *cpu, struct ept02_context *at_work);

/* ---- fill.c ---------------------------------------------------------------------------- */

/* L1 was given a violation, and L2 is about to run again: fills what L2 will touch first, if EPT12
 * has it now. May drop contexts. */
void ept02_fill_awaited(struct cpu *cpu, struct ept02_context *c);
/* Drops all that EPT02 would use for the address of a violation that L1 is told of. The CPU has
 * dropped its own when it was the CPU that met the violation (by_cpu).
 * SDM 3C 29.4.3.1 "Operations that Invalidate Cached Mappings" */
void ept02_forget(struct cpu *cpu, gpa2_t gpa2, bool by_cpu);

/* Fills also the other leaves in the cache line of EPT12 that was just read, where they differ from
 * this leaf in nothing but their address. e->entries[at] is the leaf, entry12 its EPT12 entry and
 * *table12 all of that table. */
void ept02_fill_line(struct ept02 *e, u64 at, const volatile u64 *table12, u64 entry12);

/* Makes e->leaf01 EPT01's leaf around gpa1. EPT01 may have been built anew then: !ept02_stands. */
void ept02_leaf01(struct cpu *cpu, gpa1_t gpa1);

/* ---- ept12.c: L1's tables --------------------------------------------------------------- */

/* Walks the EPT12 of vmcs12 for an access, from the entry that `from` names. */
void ept12_look(struct cpu *cpu, const struct ept_from *from, const struct ept12_access *a,
                struct ept_walk *w);

/* ---- ve.c --------------------------------------------------------------------------------- */

/* An EPT violation that EPT12 lets become #VE: fills L1's information area and returns true when
 * the exception is due. False: it must be an exit. @pre in_l2, vmcs02 is current */
bool ve_delivered(struct cpu *cpu) MUST_CHECK;

#endif
