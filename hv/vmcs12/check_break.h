/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the check files say that a rule is broken. Only check_*.c includes this header.
 *
 * Every rule is one call: breaks(set, predicate, rule). The predicate is true when the rule is
 * broken. A broken rule is rare, so the store is kept out of line, and a rule that holds costs a
 * test and a branch not taken.
 */
#ifndef HV_VMCS12_CHECK_BREAK_H
#define HV_VMCS12_CHECK_BREAK_H

#include "hv/arch/cpu.h"
#include "hv/arch/msr_value.h"
#include "hv/arch/paging.h"
#include "hv/vmcs12/check.h"

static inline void breaks(struct rule_set *set, bool broken, enum rule_id rule)
{
    if (UNLIKELY(broken))
        set->word[rule / 64] |= BIT(rule % 64);
}

/* The two rules of an address of L1's: it is aligned, and it does not exceed the physical-address
 * width. low: the address bits that the alignment wants to be 0. */
static inline void breaks_addr(struct rule_set *set, const struct check_cpu *cpu, u64 addr, u64 low,
                               enum rule_id align, enum rule_id width)
{
    if (UNLIKELY(any(addr, low | cpu->phys_reserved))) {
        breaks(set, any(addr, low), align);
        breaks(set, any(addr, cpu->phys_reserved), width);
    }
}

/* Not 0 when the linear address is not canonical. One rule often speaks of several addresses; their
 * results can be ORed. */
static inline u64 noncanonical(const struct check_cpu *cpu, u64 gla)
{
    return (gla + cpu->linear_bias) & cpu->linear_reserved;
}

/* Each adds the broken rules of its file to the set; check_state judges those of `groups`. Only an
 * event whose valid bit is 1 may be given to check_event. */
void check_segments(const struct vmcs_image *v, const struct check_env *env,
                    struct rule_set *broken);
void check_event(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *broken);
void check_state(const struct vmcs_image *v, const struct check_env *env, u32 groups,
                 struct rule_set *broken);

/* The rules of fields that Broadwell lacks. Each judges those whose controls are 1; check_newer_ssp
 * and check_newer_size want "load CET state" to be 1. */
#define ENTRY_NEWER                                                                \
    (ENTRY_LOAD_BNDCFGS | ENTRY_LOAD_RTIT_CTL | ENTRY_LOAD_UINV | ENTRY_LOAD_CET | \
     ENTRY_LOAD_LBR_CTL | ENTRY_LOAD_PKRS)
void check_newer_guest(const struct vmcs_image *v, const struct check_cpu *cpu,
                       struct rule_set *set);
void check_newer_ssp(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *set);
void check_newer_host(const struct vmcs_image *v, const struct check_cpu *cpu,
                      struct rule_set *set);
void check_newer_size(const struct vmcs_image *v, const struct check_cpu *cpu,
                      struct rule_set *set);

#endif
