/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT01: L1's physical memory. EPT01 is an identity map with the memory types of L1's MTRRs, in the
 * largest leaves that have one type. L0's region is a hole: each page of the hole shows the one
 * sink page, and is mapped at the first touch. The registers of VT-d's units show it, too.
 * Addresses above 4 GiB that are not RAM are mapped when L1 touches them.
 *
 * There is one tree for each state of the MTRRs that a processor is in, and all processors in that
 * state share the tree. A tree is only ever added to, by compare-and-exchange of an empty entry, so
 * processors fill it and walk it at the same time. When a processor's MTRRs change, that processor
 * changes to another tree, at its own exit and by itself. When a tree's pool of tables is used up,
 * the tree is closed: the processor that met this changes to a new tree, and the others stay until
 * they meet it, too. A tree that nobody uses is built anew for another state.
 *
 * The one lock, ept01.lock, is held while a tree is taken and begun. Finding a tree takes no lock;
 * only while the holder of the lock chooses a tree, nobody begins to use an unused one.
 */
#ifndef HV_VMX_EPT_L1_H
#define HV_VMX_EPT_L1_H

#include "hv/arch/mtrr.h"

struct vm;

struct cpu;

#define EPT01_POOL_PAGES  96u
#define EPT01_SPARE_TREES 2u    /* beyond one for each processor */
#define EPT01_BUILDING    (~0u) /* instead of a number of users */

struct ept01_tree {
    u32 users;      /* processors that use the tree, or EPT01_BUILDING. Atomic */
    u32 pool_used;  /* pages of the pool that are tables, used once each. Atomic */
    bool closed;    /* no processor may come to use it. Atomic */
    u64 generation; /* no two builds have the same. 0: never built */
    u64 eptp;
    u64 *root;
    u8 *pool;
    struct mtrr_state mtrr; /* they decide the memory types. Read by those who hold the tree */
};

struct ept01 {
    struct ept01_tree *tree;
    u32 count;
    u32 lock;
    u32 choosing;   /* whoever has the lock takes a tree that nobody uses. Atomic */
    u64 generation; /* the last one given; guarded by the lock */
};

/* Takes the memory of EPT01 for this number of processors. False when memory is short.
 * @pre vm->range, hole and mem are set */
bool ept01_reserve(struct vm *vm, u32 cpus) MUST_CHECK;

/* Reads this processor's MTRRs into cpu->mtrr and gives it its tree. @pre vm->facts */
void ept01_init(struct cpu *cpu);

/* cpu->mtrr may have changed: gives this processor the tree that fits, in the current VMCS and in
 * vmcs01, and drops what the CPU has cached for that tree. Any VMCS of L0's is current. */
void ept01_follow(struct cpu *cpu);
/* As ept01_follow, with a new tree in any case; no processor comes to use the old one again. */
void ept01_start_over(struct cpu *cpu);

/* INVEPT: drops what the CPU has cached for the EPTP, which is one of L0's. */
void ept_flush(const struct vm *vm, u64 eptp);
/* Drops what the CPU has cached for its EPT01. */
void ept01_invalidate(const struct cpu *cpu);

/* Maps the largest leaf around the L1-physical address gpa1, where an EPT violation occurred. False
 * when gpa1 is wider than L1's physical addresses. May change to another tree. */
bool ept01_fill(struct cpu *cpu, gpa1_t gpa1) MUST_CHECK;

/* Returns the entry of EPT01 that maps the L1-physical address gpa1, and the bytes that it maps in
 * *size. Returns 0 and leaves *size when nothing maps gpa1. EPT02's leaves are composed from it. */
u64 ept01_leaf(const struct cpu *cpu, gpa1_t gpa1, u64 *size);

/* True when a leaf shows no page of L0's region but the sink page. `entry` is a leaf of EPT01 or
 * EPT02 and maps `size` bytes. */
bool ept_leaf_harmless(const struct vm *vm, u64 entry, u64 size);

#endif
