/* SPDX-License-Identifier: BSD-2-Clause */
/* Capabilities by the names and numbers that people use. Contracts in caps.h. */
#include "tools/vmcs12/caps.h"
#include "hv/arch/cpu.h"
#include "hv/arch/names.h"

static const char profile_names[PROFILE_COUNT][16] = {"broadwell", "e5-2683v4", "d-1540", "host"};

const char *profile_name(enum vmx_profile p)
{
    return p < PROFILE_COUNT ? profile_names[p] : "";
}

enum vmx_profile profile_find(const char *name)
{
    unsigned p = 0;
    while (p < PROFILE_COUNT && !name_equal(name, profile_names[p]))
        p++;
    return (enum vmx_profile)p;
}

static bool may(u64 word, u32 bit)
{
    return any(word >> 32, bit);
}

/* Each case asks for the control that announces the MSR. */
bool vcaps_msr(const struct vmx_caps *c, u32 msr, u64 *value)
{
    bool there;
    switch (msr) {
    case MSR_IA32_VMX_PROCBASED_CTLS2:
        there = may(c->cpu1, CPU1_SECONDARY);
        break;
    case MSR_IA32_VMX_EPT_VPID_CAP:
        there = may(c->cpu2, CPU2_ENABLE_EPT | CPU2_ENABLE_VPID);
        break;
    case MSR_IA32_VMX_TRUE_PINBASED_CTLS:
    case MSR_IA32_VMX_TRUE_PROCBASED_CTLS:
    case MSR_IA32_VMX_TRUE_EXIT_CTLS:
    case MSR_IA32_VMX_TRUE_ENTRY_CTLS:
        there = any(c->basic, VMX_BASIC_TRUE_CTLS);
        break;
    case MSR_IA32_VMX_VMFUNC:
        there = may(c->cpu2, CPU2_ENABLE_VMFUNC);
        break;
    case MSR_IA32_VMX_PROCBASED_CTLS3:
        there = may(c->cpu1, CPU1_TERTIARY);
        break;
    case MSR_IA32_VMX_EXIT_CTLS2:
        there = may(c->exit, EXIT_SECONDARY);
        break;
    default:
        there = msr >= MSR_IA32_VMX_BASIC && msr <= MSR_IA32_VMX_VMCS_ENUM;
    }
    if (there)
        *value = (&c->basic)[msr - MSR_IA32_VMX_BASIC];
    return there;
}
