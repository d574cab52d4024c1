/* What this processor is: its VMX capability MSRs as hv/vmcs12/vcaps.h words them, and the few
 * CPUID facts that the core asks for again and again, as far as L1 is shown them
 * (hv/arch/cpuid_policy.h). Read once, at bring-up. */
#ifndef HV_VMX_CAPS_H
#define HV_VMX_CAPS_H

#include "hv/arch/msr_value.h"
#include "hv/vmcs12/vmcs12.h"

struct cpu_facts {
    struct vmx_caps vmx;
    u32 phys_bits, linear_bits; /* MAXPHYADDR, and the most that a linear address has */
    u32 leaf_basic, leaf_extended; /* the highest that the CPU itself has */
    u64 leaf_plain;             /* leaves below 64 that L1 is shown as they are */
    u64 xcr0, xss;              /* bits that L1 may set */
    struct msr_limits msr;
    bool page_1g;   /* 1 GiB pages in L0's and L1's own tables */
    bool mce, xsave, rdtscp, rtm, invpcid, xsaves, waitpkg, ept_1g, ept_2m, vpid;
    bool perf_global; /* entry and exit load IA32_PERF_GLOBAL_CTRL */
};

/* Fills *f. Returns NULL, or the name of what Nidus needs and this CPU lacks. */
const char *caps_read(struct cpu_facts *f) MUST_CHECK;

/* A control word: bits that must be 1, plus those of `want` that may be 1. */
static inline u32 ctl_word(struct ctl_range r, u32 want)
{
    return r.must_be_1 | (want & r.may_be_1);
}

#endif
