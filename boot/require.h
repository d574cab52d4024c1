/*
 * What Nidus asks of a processor: one table, from which the refusal line and the report of
 * `check` come. Pure: the facts are brought in a struct; efi_facts.c reads them.
 */
#ifndef BOOT_REQUIRE_H
#define BOOT_REQUIRE_H

#include "boot/line.h"

/* Where a fact is read from. */
enum fact {
    FACT_CPUID_1_EAX,
    FACT_CPUID_1_ECX,
    FACT_CPUID_1_EDX,
    FACT_CPUID_7_EBX,
    FACT_CPUID_7_EDX,
    FACT_CPUID_80000001_EDX,
    FACT_CR4,
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
    u32 known;       /* bit n: fact n exists on this processor; value[n] is 0 where not */
    u64 value[FACT_COUNT];
};

#define FEATURE_CONTROL_LOCK 1ull
#define FEATURE_CONTROL_VMX  4ull /* outside SMX operation */
#define FEATURE_CONTROL_MSR  0x3au
#define FACT_IS_KNOWN(f, n)  (((f)->known >> (n)&1) != 0)

/*
 * The MSR behind a fact, or 0 when it is no MSR or this processor does not have it, judged by
 * the facts known so far: reading the facts in enum order never meets an MSR that is not there.
 */
u32 facts_msr(const struct facts *f, enum fact n);

u32 require_count(void);

/* True when row n of the table is met; require_is_needed tells whether Nidus can do without. */
bool require_is_met(const struct facts *f, u32 n);
bool require_is_needed(u32 n);

/* The first needed row that is not met, or require_count(). */
u32 require_first_missing(const struct facts *f);

/* Adds "no EPT: IA32_VMX_PROCBASED_CTLS2 (MSR 0x48b) bit 33 is 0": why row n is not met. */
void require_explain(const struct facts *f, u32 n, struct line *l);

/* Adds "found   needed EPT: IA32_VMX_PROCBASED_CTLS2 (MSR 0x48b) = 0x..., bit 33". */
void require_report(const struct facts *f, u32 n, struct line *l);

#endif
