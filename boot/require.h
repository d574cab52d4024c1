/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Nidus asks of a processor: one table, from which the refusal line and the report of `check`
 * come. Pure: the caller brings the facts in a struct; efi_facts.c reads them.
 */
#ifndef BOOT_REQUIRE_H
#define BOOT_REQUIRE_H

#include "boot/line.h"

/* The facts, named after the register that each is read from. */
enum fact {
    FACT_CPUID_1_EAX,
    FACT_CPUID_1_ECX,
    FACT_CPUID_1_EDX,
    FACT_CPUID_7_EBX,
    FACT_CPUID_7_EDX,
    FACT_CPUID_80000001_EDX,
    FACT_CR4,
    FACT_MICROCODE, /* the revision */
    FACT_ARCH_CAPABILITIES,
    FACT_FEATURE_CONTROL,
    FACT_VMX_BASIC,
    FACT_VMX_PINBASED,
    FACT_VMX_PROCBASED,
    FACT_VMX_EXIT,
    FACT_VMX_ENTRY,
    FACT_VMX_MISC,
    FACT_VMX_PROCBASED2,
    FACT_VMX_EPT_VPID,
    FACT_COUNT
};

struct facts {
    char vendor[13]; /* CPUID.0, twelve characters */
    u32 known;       /* bit n is 1 when fact n exists on this processor; else value[n] is 0 */
    u64 value[FACT_COUNT];
};

#define FEATURE_CONTROL_LOCK       1ull
#define FEATURE_CONTROL_VMX_IN_SMX 2ull
#define FEATURE_CONTROL_VMX        4ull /* outside SMX operation */
#define FEATURE_CONTROL_SENTER     0xff00ull
#define FEATURE_CONTROL_SGX_LAUNCH (1ull << 17)
#define FEATURE_CONTROL_SGX        (1ull << 18)
#define FEATURE_CONTROL_LMCE       (1ull << 20)
#define FEATURE_CONTROL_MSR        0x3au
#define MCG_CAP_MSR                0x179u
#define MICROCODE_MSR              0x8bu
#define FACT_IS_KNOWN(f, n)        (((f)->known >> (n)&1) != 0)

/*
 * The number of the MSR behind a fact. 0 when the fact is no MSR, or when this processor lacks the
 * MSR by the facts known so far. So code that reads the facts in enum order never reads an MSR that
 * does not exist.
 */
u32 facts_msr(const struct facts *f, enum fact n);

/* The number of rows in the table. */
u32 require_count(void);

/* require_is_met is true when this processor meets row n of the table. require_is_needed is true
 * when Nidus cannot run without row n. @pre n < require_count() */
bool require_is_met(const struct facts *f, u32 n);
bool require_is_needed(u32 n);

/* The first needed row that this processor does not meet, or require_count(). */
u32 require_first_missing(const struct facts *f);

/* Adds to the line why row n is not met: "no EPT: IA32_VMX_PROCBASED_CTLS2 (MSR 0x48b) bit 33
 * is 0". */
void require_explain(const struct facts *f, u32 n, struct line *l);

/* Adds to the line whether row n is met, and by which value: "found   needed EPT:
 * IA32_VMX_PROCBASED_CTLS2 (MSR 0x48b) = 0x..., bit 33". */
void require_report(const struct facts *f, u32 n, struct line *l);

#endif
