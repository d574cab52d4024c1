/*
 * EPT02's tables and contexts, for the three files that work on them (ept02*.c).
 *
 * Each table stands over one EPT12 table of the same level and remembers every entry of it that
 * it was made from, so that an INVEPT can compare and drop only what L1 changed.
 *
 * Invariants, while L2 may run:
 *  - a table in the free list is as a new one: all EPT02_EMPTY, no copies, nothing filled;
 *  - a line (eight entries) that is not in `filled` is as in a new one;
 *  - the CPU has nothing cached that was taken out of a table: nothing is `owed`.
 */
#ifndef HV_NESTED_EPT02_TABLES_H
#define HV_NESTED_EPT02_TABLES_H

#include "hv/nested/ept02/ept02.h"

#define EPT02_CONTEXTS 8u
#define EPT02_NODES    640u
#define EPT02_ENTRIES  512u
#define EPT02_LINE     8u /* entries in a cache line */
#define ROOT_LEVEL     4u
#define NO_NODE        0xffffu
#define NO_TABLE12     (~0ull)

/* Instead of a copy: what stands below was made from more than one value of the EPT12 entry. */
#define NOT_AS_MADE (~0ull)

/* One EPT02 table page and what it was made from. */
struct ept02_node {
    gpa1_t table12; /* the EPT12 table of the same level and range; NO_TABLE12 below its leaf */
    u64 filled;     /* BIT(line): a line of the table or of its copies that holds something */
    u64 seen;       /* the run in which EPT12 was last found to lead here, 0: none */
    u16 next_free;
    u8 level;       /* 4 (root) to 1 */
};

struct ept02_context {
    u64 eptp12;       /* valid when root is not NO_NODE */
    u64 used_at;      /* for the least recently used */
    u16 root;
    bool invalidated; /* by an INVEPT since L2 last ran with it */
    bool mixed;       /* made with and without accessed and dirty flags (tlb=strict) */
};

struct ept02 {
    u64 *tables; /* EPT02_NODES pages: the tables */
    u64 *copies; /* EPT02_NODES pages: the EPT12 entries that each table was made from */
    struct ept02_node *nodes;
    u16 free;
    bool owed;         /* what the CPU may have cached was taken out of a table: a flush is owed */
    u64 clock;
    u64 run;           /* from 1 on: counts the times that L2 gets to run with an EPTP12 */
    u64 generation01;  /* of EPT01, when the contexts were made */
    struct ept02_context *last; /* the one found last; NULL before */
    struct ept12_access asked;  /* the last violation that went to L1, ... */
    struct ept02_context *asking; /* ... of this context, which did not run since; or NULL */
    struct ept02_context context[EPT02_CONTEXTS];
};

static inline u64 *table_of(const struct ept02 *e, u16 node)
{
    return e->tables + (u64)node * EPT02_ENTRIES;
}

static inline u64 *copy_of(const struct ept02 *e, u16 node)
{
    return e->copies + (u64)node * EPT02_ENTRIES;
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
/* A new table; NO_NODE when the pool is empty. */
u16 ept02_take(struct ept02 *e, u8 level, gpa1_t table12) MUST_CHECK;
/* Gives back a table and all below it. At most four levels deep. */
void ept02_free_tree(const struct cpu *cpu, u16 node);
/* Empties an entry; what stands below is given back. */
void ept02_drop_entry(const struct cpu *cpu, u16 node, unsigned i);
/* Empties all of a table's. */
void ept02_drop_entries(const struct cpu *cpu, u16 node);
/* How many tables there are in the free list and in the trees of the contexts: EPT02_NODES, or one is lost. */
u32 ept02_count_nodes(const struct cpu *cpu);
/* Drops every entry of a tree whose EPT12 entry is no longer what it was made from. */
void ept02_compare(const struct cpu *cpu, u16 node);

/* ---- context.c -------------------------------------------------------------------- */

/* Found again, or new and empty; dropped, when EPT01 changed. */
struct ept02_context *ept02_context(struct cpu *cpu, u64 eptp12);
u64 ept02_eptp(const struct cpu *cpu, const struct ept02_context *c);
/* What the CPU has cached of it. */
void ept02_flush(const struct cpu *cpu, const struct ept02_context *c);
/* Makes room in the pool: another context's tables, else those of the one at work. */
void ept02_reclaim(const struct cpu *cpu, struct ept02_context *at_work);

/* ---- fill.c ---------------------------------------------------------------------------- */

/* L1 was asked and L2 is about to run again: what it will touch first is filled, if EPT12 has it
 * now. May drop contexts. */
void ept02_fill_asked(struct cpu *cpu, struct ept02_context *c);
/* An EPT violation that L1 is told of drops all that would be used for its address. The CPU has dropped its
 * own when it was the CPU that met the violation (by_cpu).
 * SDM 3C 29.4.3.1 "Operations that Invalidate Cached Mappings" */
void ept02_forget(struct cpu *cpu, gpa2_t gpa2, bool by_cpu);

/* ---- ept12.c: L1's tables --------------------------------------------------------------- */

/* Walks the EPT12 of vmcs12 for an access, from the entry that `from` names. */
void ept12_look(struct cpu *cpu, const struct ept_from *from, const struct ept12_access *a, struct ept_walk *w);

/* ---- ve.c --------------------------------------------------------------------------------- */

/* An EPT violation that EPT12 lets become #VE: fills L1's information area and returns true when the exception
 * is due. False: it must be an exit. @pre in_l2, vmcs02 is current */
bool ve_delivered(struct cpu *cpu) MUST_CHECK;

#endif
