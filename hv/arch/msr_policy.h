/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each RDMSR and WRMSR of a guest does: the allow-list of msr_policy.def as data, and the MSR
 * bitmap that follows from the list. hv/vmx/msr_l1.c has the functions behind each rule.
 */
#ifndef HV_ARCH_MSR_POLICY_H
#define HV_ARCH_MSR_POLICY_H

#include "hv/arch/bits.h"

/* msr_policy.def explains the actions. */
enum msr_action { MSR_PASS, MSR_JUDGE, MSR_EMULATE, MSR_HIDE };

enum msr_rule {
    MSR_RULE_plain, /* nothing but the action */
    MSR_RULE_apic_base,
    MSR_RULE_feature_control,
    MSR_RULE_ignored,
    MSR_RULE_known,
    MSR_RULE_mcu_opt,
    MSR_RULE_misc_enable,
    MSR_RULE_mtrr,
    MSR_RULE_perf_global,
    MSR_RULE_pmu, /* as plain, on processors where L0 can stop the counters in root mode */
    MSR_RULE_vmcs,
    MSR_RULE_vmx,
    MSR_RULE_xss,
    MSR_RULE_zero,
    MSR_RULE_COUNT
};

struct msr_row {
    u32 first, last;
    u8 read, write; /* enum msr_action */
    u8 rule;        /* enum msr_rule */
};

/* The row of an MSR, or NULL when the table has none: the access then causes #GP(0). */
const struct msr_row *msr_policy_row(u32 msr);

/* Fills one page of MSR bitmaps. An access passes without an exit when its row says PASS and its
 * rule is not in `hidden`, a set of BIT(enum msr_rule). SDM 3C 25.6.9 "MSR-Bitmap Address" */
void msr_policy_bitmap(u8 bitmap[PAGE_SIZE], u32 hidden);

#endif
