/*
 * EPT01: L1's physical memory. EPT01 is an identity map with the memory types of L1's MTRRs, in the
 * largest leaves that have one type. L0's region is a hole: each page of the hole shows the one
 * sink page, and is mapped at the first touch. Addresses above 4 GiB that are not RAM are mapped
 * when L1 touches them. Tables come from a bounded pool; when the pool is empty, EPT01 is emptied
 * and all of it is mapped on demand.
 */
#ifndef HV_VMX_EPT_L1_H
#define HV_VMX_EPT_L1_H

#include "hv/arch/types.h"

struct vm;

struct ept01 {
    u64 *root;
    u64 eptp;
    hpa_t sink;
    u8 *pool; /* table pages, each used once until the next rebuild */
    u32 pool_pages, pool_used;
    bool stale;     /* L1's MTRRs have changed since EPT01 was built */
    u32 generation; /* grows whenever EPT01 is emptied: EPT02, made from its leaves, must follow */
};

/* Allocates EPT01, reads the MTRRs into vm->mtrr and builds EPT01. False when memory is short.
 * @pre vm->facts, range, hole and mem are set */
bool ept01_init(struct vm *vm) MUST_CHECK;

/* Builds EPT01 anew after vm->mtrr changed, as far as the pool reaches. The caller calls
 * ept01_invalidate. */
void ept01_rebuild(struct vm *vm);

/* INVEPT: drops what the CPU has cached for the EPTP, which is one of L0's. */
void ept_flush(const struct vm *vm, u64 eptp);
/* Drops what the CPU has cached for EPT01. */
void ept01_invalidate(const struct vm *vm);

/* Maps the largest leaf around the L1-physical address gpa1, where an EPT violation occurred. False
 * when gpa1 is wider than L1's physical addresses. */
bool ept01_fill(struct vm *vm, gpa1_t gpa1) MUST_CHECK;

/* Returns the entry of EPT01 that maps the L1-physical address gpa1, and the bytes that it maps in
 * *size. Returns 0 and leaves *size when nothing maps gpa1. EPT02's leaves are composed from it. */
u64 ept01_leaf(const struct vm *vm, gpa1_t gpa1, u64 *size);

/* True when a leaf shows no page of L0's region but the sink page. `entry` is a leaf of EPT01 or
 * EPT02 and maps `size` bytes. */
bool ept_leaf_harmless(const struct vm *vm, u64 entry, u64 size);

#endif
