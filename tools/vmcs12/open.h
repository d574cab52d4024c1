/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A processor of which not everything is known: each capability is yes, no or open. The rules are
 * those of check.h, and the same code judges them. A rule is broken for certain when every
 * processor that fits breaks it, and perhaps when some do; then open_facts tells which capability
 * decides.
 * Pure. The core knows its processor and does not link this file.
 */
#ifndef TOOLS_VMCS12_OPEN_H
#define TOOLS_VMCS12_OPEN_H

#include "hv/arch/cpu.h"
#include "hv/vmcs12/check.h"

/* The bits of CR4 that have a name; the last ones are UINTR, LASS, LAM_SUP and FRED. */
#define CR4_NAMED                                                                                  \
    (CR4_KNOWN | CR4_LA57 | CR4_SMXE | CR4_CET | CR4_PKS | BIT(19) | BIT(25) | BIT(27) | BIT(28) | \
     BIT(32))

enum tri { TRI_NO, TRI_YES, TRI_OPEN };

/* The facts outside the capability MSRs that are yes, no or open. OPEN_IA32E is no capability but
 * IA32_EFER.LMA at the entry. */
enum open_flag { OPEN_RTM, OPEN_SGX, OPEN_LAM, OPEN_NMI_STI, OPEN_IA32E, OPEN_FLAGS };

/* The MSRs whose reserved bits differ from processor to processor. */
enum open_msr { OPEN_DEBUGCTL, OPEN_PERF_GLOBAL, OPEN_RTIT_CTL, OPEN_LBR_CTL, OPEN_MSRS };

struct open_range {
    u8 least, most;
};

struct open_cpu {
    struct vmx_caps value, known; /* a bit of value counts where known has a 1 */
    struct open_range phys;       /* MAXPHYADDR */
    struct open_range linear;     /* the linear-address width: 48 to 57 */
    u8 flag[OPEN_FLAGS];          /* enum tri */
    u64 reserved[OPEN_MSRS];      /* reserved bits for certain */
    u64 may_be_reserved[OPEN_MSRS];
    /* What the USUAL corner fills in, beside the features that have a name. */
    u8 likely_phys; /* the narrowest MAXPHYADDR that nobody would wonder at */
    bool likely_ia32e;
    u64 likely_cr4; /* bits that may be 1 */
};

/* What every processor with VMX has; the rest is open. */
void open_init(struct open_cpu *cpu);

/* A capability MSR is known now. False: msr is none. */
bool open_learn_msr(struct open_cpu *cpu, u32 msr, u64 value) MUST_CHECK;

/* The processor is one of which everything is known. */
void open_learn_all(struct open_cpu *cpu, const struct vmx_caps *caps,
                    const struct check_cpuid *cpuid);

/* What is known of one bit of a capability MSR. @pre msr is one, bit < 64 */
enum tri open_bit(const struct open_cpu *cpu, u32 msr, unsigned bit);

/* Which processor of those that fit. LENIENT permits what any of them permits, STRICT refuses what
 * any of them refuses. USUAL has each feature that has a name, and nothing that no processor was
 * seen to have: what it refuses is remarkable. */
enum open_corner { OPEN_LENIENT, OPEN_USUAL, OPEN_STRICT };

/* The processors that one open_cpu leaves. Whatever makes one rule milder and another one sharper
 * is a variant: RTM, monitor trap flag, CET, and IA-32e mode at the entry. */
#define OPEN_VARIANTS 16u
struct open_worlds {
    struct check_cpu cpu[3][OPEN_VARIANTS];
    u32 variants; /* bit n: variant n fits */
    u32 usual;    /* those of the USUAL corner */
};
void open_worlds_init(struct open_worlds *worlds, const struct open_cpu *cpu);

/* Judges the image by the rules of `groups`. LENIENT: *broken becomes the set of the rules that
 * every processor breaks; else: that some processor of the corner breaks. Of env everything is read
 * but cpu and in_ia32e_mode. */
void check_open(const struct vmcs_image *v, const struct check_env *env,
                const struct open_worlds *worlds, enum open_corner corner, u32 groups,
                struct rule_set *broken);

/* One open fact, and the value of it that makes a rule broken. */
enum open_kind { FACT_BIT, FACT_CR3_COUNT, FACT_PHYS, FACT_LINEAR, FACT_FLAG, FACT_RESERVED };
struct open_fact {
    u8 kind;  /* enum open_kind */
    u8 index; /* BIT: the bit; FLAG: enum open_flag; RESERVED: the bit of the MSR */
    u8 value; /* BIT, FLAG: 0 or 1; PHYS, LINEAR: this width or less; RESERVED: enum open_msr */
    u16 msr;  /* BIT: the capability MSR */
};

/* The facts of which each alone would make the rule broken, at most `room`. Returns how many. A
 * rule that check_open reports for STRICT and not for LENIENT can have none, when it takes more
 * facts than one. */
unsigned open_facts(const struct vmcs_image *v, const struct check_env *env,
                    const struct open_cpu *cpu, enum rule_id rule, struct open_fact *facts,
                    unsigned room);

#endif
