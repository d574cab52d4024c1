/* SPDX-License-Identifier: BSD-2-Clause */
/* What this processor is: its VMX capability MSRs, for the functions of hv/vmcs12/vcaps.h, and the
 * few CPUID facts that the core asks for again and again. A CPUID fact holds what L1 is shown
 * (hv/arch/cpuid_policy.h). Everything is read once, at bring-up. */
#ifndef HV_VMX_CAPS_H
#define HV_VMX_CAPS_H

#include "hv/arch/msr_value.h"
#include "hv/vmcs12/vmcs12.h"

struct cpu_facts {
    struct vmx_caps vmx;
    u32 phys_bits, linear_bits;    /* widths of a physical and a linear address */
    u32 leaf_basic, leaf_extended; /* the highest leaves that the CPU itself has */
    u64 leaf_plain;                /* bit N: L1 is shown CPUID leaf N unchanged */
    u64 xcr0, xss;                 /* bits that L1 may set */
    struct msr_limits msr;
    bool page_1g; /* 1 GiB pages in L0's and L1's own tables */
    bool mce, xsave, rdtscp, rtm, invpcid, xsaves, waitpkg, ept_1g, ept_2m, vpid;
    bool perf_global; /* VM entry and VM exit can load IA32_PERF_GLOBAL_CTRL */
};

/* Fills *f. Returns NULL, or the name of what Nidus needs and this CPU lacks. */
const char *caps_read(struct cpu_facts *f) MUST_CHECK;

/* Narrows *all, the facts of some processors, to what *one can do as well. Returns NULL, or in
 * words why L1 cannot be shown the processors as one kind; *all is then of no use. */
const char *caps_join(struct cpu_facts *all, const struct cpu_facts *one) MUST_CHECK;

/* A control word: the bits that must be 1, and those bits of `want` that may be 1. */
static inline u32 ctl_word(struct ctl_range r, u32 want)
{
    return r.must_be_1 | (want & r.may_be_1);
}

#endif
