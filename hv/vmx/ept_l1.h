/*
 * EPT01: L1's physical memory. An identity map with the memory types of the MTRRs, in the largest
 * leaves that have one type. L0's region is a hole: each of its pages shows the one sink page,
 * mapped at the first touch. What lies above RAM is mapped when touched, from a bounded pool;
 * when the pool is empty the whole map is built anew.
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
    bool stale;     /* L1's MTRRs have changed since it was built */
    u32 generation; /* grows whenever a mapping changed or went away: EPT02s must follow */
};

/* Allocates and builds EPT01. False when memory is short. @pre vm->caps, range, hole, mem */
bool ept01_init(struct vm *vm) MUST_CHECK;

/* Builds everything anew, after vm->mtrr changed. The caller invalidates. */
void ept01_rebuild(struct vm *vm);

/* Drops what the CPU has cached for an EPTP of ours; of EPT01's. */
void ept_flush(const struct vm *vm, u64 eptp);
void ept01_invalidate(const struct vm *vm);

/* An EPT violation of L1 at gpa1: maps what is there. False if no such address can be. */
bool ept01_fill(struct vm *vm, gpa1_t gpa1) MUST_CHECK;

/* The leaf that maps gpa1, or 0; *size gets its size. For composing EPT02. */
u64 ept01_leaf(const struct vm *vm, gpa1_t gpa1, u64 *size);

/* Whether a leaf of this size, of EPT01 or EPT02, shows nothing of L0's memory but the sink page. */
bool ept_leaf_harmless(const struct vm *vm, u64 entry, u64 size);

#endif
