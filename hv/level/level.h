/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A level's memory by linear address, as a debugger reads it: the level's own page tables, then
 * EPT12 for L2, then L1's memory. No entry is marked accessed, and rights are not asked: what is
 * mapped is seen.
 */
#ifndef HV_LEVEL_LEVEL_H
#define HV_LEVEL_LEVEL_H

#include "hv/arch/pagewalk.h"
#include "hv/nested/nested.h"

struct level_walk {
    struct cpu *cpu;
    bool l2; /* @pre L2 runs, then */
    /* NULL, or told of every entry that is read: `what` ends where its address belongs. */
    void (*tell)(void *ctx, const char *what, u64 at, u64 entry);
    void *ctx;
};

/* The registers of the current VMCS that decide a translation: for a supervisor's reading, with
 * nothing that keeps a supervisor from a user's page. */
struct paging_state level_paging(const struct cpu *cpu);
/* Where the byte is in L1's memory. False: it is nowhere. */
bool level_place(const struct level_walk *w, u64 address, gpa1_t *at) MUST_CHECK;
/* Copies up to n bytes; returns how many there were. */
u32 level_read(const struct level_walk *w, u64 address, u8 *to, u32 n);

#endif
