/*
 * EPT02: what L2's guest-physical addresses mean to the CPU, composed lazily from EPT12 over
 * EPT01. One context per EPTP12 that L1 uses, found again by it; tables from one bounded pool.
 *
 * Each EPT02 table stands over one EPT12 table of the same level and remembers every entry of it
 * that it was made from. INVEPT compares and drops what changed, so an unchanged leaf stays
 * filled. Between two INVEPTs stale entries stay, as the SDM allows.
 * SDM 3C 29.4.3 "Invalidating Cached EPT-Related Information"
 */
#ifndef HV_NESTED_EPT02_H
#define HV_NESTED_EPT02_H

#include "hv/nested/nested.h"

#define EPT02_CONTEXTS 8u
#define EPT02_NODES    640u
#define NO_NODE        0xffffu

/* One EPT02 table page and what it was made from. */
struct ept02_node {
    gpa1_t table12;  /* the EPT12 table of the same level and range; NO_TABLE12 below its leaf */
    u16 next_free;
    u8 level;        /* 4 (root) to 1 */
};
#define NO_TABLE12 (~0ull)

struct ept02_context {
    u64 eptp12;   /* valid when root is not NO_NODE */
    u16 root;
    u64 used_at;  /* for the least recently used */
};

struct ept02 {
    u64 *tables;   /* EPT02_NODES pages: the tables */
    u64 *copies;   /* EPT02_NODES pages: the EPT12 entries that each table was made from */
    struct ept02_node *nodes;
    u16 free;
    u64 clock;
    u64 generation01; /* of EPT01, when the contexts were made */
    bool freed;       /* a table was given back: flush before it is walked as another */
    struct ept02_context context[EPT02_CONTEXTS];
    u64 fills, drops; /* for measurement */
};

/* Takes all memory of EPT02. False when memory is short. */
bool ept02_init(struct cpu *cpu) MUST_CHECK;

/* The EPTP for vmcs02 that stands for this EPTP12: found again, or a new and empty context. */
u64 ept02_pointer(struct cpu *cpu, u64 eptp12);

/* An EPT violation of L2 while vmcs12 uses EPT: filled, or L1's by the walk of EPT12.
 * @pre in_l2; SNAP_QUAL, SNAP_GPA, SNAP_IDT */
enum outcome ept02_violation(struct cpu *cpu);

/* Walks the EPT12 of vmcs12 for the EPT violation at hand and stores the flags that it sets.
 * @pre in_l2; SNAP_QUAL, SNAP_GPA */
struct ept_walk;
void ept12_walk(struct cpu *cpu, struct ept_walk *w);

/* INVEPT by L1, of one EPTP12 or of all: drops what no longer agrees with EPT12. */
void ept02_invalidate(struct cpu *cpu, u64 eptp12);
void ept02_invalidate_all(struct cpu *cpu);

/* Forget everything: EPT01 changed, or stress=evict asks for it. */
void ept02_drop_all(struct cpu *cpu);

#endif
