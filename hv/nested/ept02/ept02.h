/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT02: the tables that the CPU walks for L2's guest-physical addresses. They are composed from
 * EPT12 (L1's tables) over EPT01 (L0's tables for L1), one entry at a time, when L2 first needs it.
 * To L1 all of EPT02 is the TLB and the paging-structure caches of its processor: what was filled
 * stays until an INVEPT, as the SDM allows, and nothing that an INVEPT forbids outlives it.
 * SDM 3C 29.4.3 "Invalidating Cached Translation Information"
 */
#ifndef HV_NESTED_EPT02_EPT02_H
#define HV_NESTED_EPT02_EPT02_H

#include "hv/ept/ept.h"
#include "hv/nested/nested.h"

/* Takes all memory of EPT02. False when memory is short. */
bool ept02_init(struct cpu *cpu) MUST_CHECK;

/* Returns the EPTP for vmcs02 that stands for this EPTP12. Its tables were found again or are
 * empty. They hold nothing that an INVEPT of L1's forbids. To be called whenever L2 begins to run
 * with the EPTP12. */
u64 ept02_pointer(struct cpu *cpu, u64 eptp12);

/* True when the EPTP of the last ept02_pointer is still what it would return for EPTP12 of `a`, the
 * current VMCS12, with nothing left to do. L2 then begins to run with it.
 * @pre VMCS12 has "enable EPT" on */
KEEPS_REGISTERS bool ept02_goes_on(const struct cpu *cpu, const struct active *a);

/* An access of L2's: where, and what, as an EPT-violation qualification tells it. */
struct ept12_access {
    gpa2_t gpa2;
    u64 qual;
};

/* An EPT violation of L2 while vmcs12 uses EPT, at an address that L1's processor has. RESUME:
 * EPT02 has it now. INJECT: #VE. REFLECT: EPT12 forbids the access, the exit is in cpu->exit.
 * @pre in_l2, vmcs02 is current; SNAP_QUAL, SNAP_GPA, SNAP_IDT */
enum outcome ept02_violation(struct cpu *cpu);

/* The same, when it is one of the commonest and the CPU walks eptp02. SHORT_FILLS: EPT02 has the
 * translation now. SHORT_REFUSES: EPT12 forbids the access, and the qualification is what L1 shall
 * see. SHORT_UNKNOWN: nothing has changed. used: L2 made the access, so that it may set flags. */
enum ept02_short { SHORT_UNKNOWN, SHORT_FILLS, SHORT_REFUSES };
enum ept02_short ept02_short(struct cpu *cpu, u64 eptp02, struct ept12_access a, bool used);

/* EPT01 may have been built anew while L2 is current. vmcs02 then gets the EPTP of an EPT02 made
 * over the new one. Does nothing while L1 runs, or when vmcs12 does not use EPT. */
void ept02_follow(struct cpu *cpu);

/* The CPU says that EPT02 is misconfigured, which is a bug of ours: drops all of it, to be made
 * anew. @pre in_l2, vmcs02 is current */
void ept02_start_over(struct cpu *cpu);

/* stress=paranoid: an entry was taken out of EPT02, and the CPU was not told. */
bool ept02_flush_owed(const struct cpu *cpu);

/* INVEPT by L1, of one EPTP12 or of all. L0 remembers the INVEPT and does it when L2 next runs with
 * the EPTP12. */
void ept02_invalidate(struct cpu *cpu, u64 eptp12);
void ept02_invalidate_all(struct cpu *cpu);

/* An access that L0 makes in L2's name: walks the EPT12 of vmcs12 from the entry that `from` names,
 * and stores the flags that the access sets. False: an entry changed under each of WALK_TRIES
 * walks; L2's instruction is to run again. */
bool ept12_walk(struct cpu *cpu, const struct ept_from *from, const struct ept12_access *a,
                struct ept_walk *w) MUST_CHECK;
/* The outcome of an access that this walk forbids: INJECT of #VE, or REFLECT with the exit in
 * cpu->exit. by_cpu: the CPU met the violation, not L0. @pre in_l2, vmcs02 is current; SNAP_GPA */
enum outcome ept12_refused(struct cpu *cpu, const struct ept_walk *w, bool by_cpu);

#endif
