/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What follows from capability MSRs: which fields exist and which control settings are allowed.
 * profile.c derives the capabilities that L1 is shown. vcaps_rules.c says which sets are possible.
 * Contract in vcaps.h.
 */
#include "hv/vmcs12/vcaps.h"

/* A gate is open when one of its two words has a bit of the mask for this word. A word's number is
 * its place in struct vmx_caps, whose members are all u64. The MSR of a control word has "may be 1"
 * in bits 63:32. */
struct gate_row {
    u64 mask, or_mask;
    u8 word, or_word;
};
#define WORD(w) ((u8)(offsetof(struct vmx_caps, w) / sizeof(u64)))
/* clang-format off */
#define MAY(w, bit)          {.word = WORD(w), .mask = (u64)(bit) << 32}
#define LOW(w, bit)          {.word = WORD(w), .mask = (bit)}
#define EITHER(w, b, w2, b2) \
    {.word = WORD(w), .mask = (u64)(b) << 32, .or_word = WORD(w2), .or_mask = (u64)(b2) << 32}
/* clang-format on */

/* IA32_VMX_PROCBASED_CTLS3 has one bit per control, which is 1 when the control may be 1.
 * SDM 3D A.3.4 "Tertiary Processor-Based VM-Execution Controls" */
#define CPU3_HLAT       BIT(1)
#define CPU3_IPI_VIRT   BIT(4)
#define CPU3_MSRLIST    BIT(6)
#define CPU3_SPEC_CTRL  BIT(7)
#define CPU3_APIC_TIMER BIT(8)

#define ENTRY_LOAD_FRED          (1u << 23)
#define EXIT_CLEAR_UINV          (1u << 27)
#define CPU2_INSTRUCTION_TIMEOUT (1u << 31)

/* Rows in enum order. A gate without a row is never open, because no capability MSR announces its
 * fields. These are SEAM's own fields, and the extended instruction information, of which only
 * CPUID tells. */
/* clang-format off */
static const struct gate_row gates[GATE_COUNT] = {
    [GATE_APIC_ACCESSES]         = MAY(cpu2, CPU2_VIRTUALIZE_APIC_ACCESSES),
    [GATE_APIC_TIMER_VIRT]       = LOW(cpu3, CPU3_APIC_TIMER),
    [GATE_BNDCFGS]               = EITHER(entry, ENTRY_LOAD_BNDCFGS, exit, EXIT_CLEAR_BNDCFGS),
    [GATE_ENCLS]                 = MAY(cpu2, CPU2_ENCLS_EXITING),
    [GATE_ENCLV]                 = MAY(cpu2, CPU2_ENCLV_EXITING),
    [GATE_EPT]                   = MAY(cpu2, CPU2_ENABLE_EPT),
    [GATE_EPTP_SWITCHING]        = LOW(vmfunc, VMFUNC_EPTP_SWITCHING),
    [GATE_FRED]                  = MAY(entry, ENTRY_LOAD_FRED),
    [GATE_GUEST_CET]             = MAY(entry, ENTRY_LOAD_CET),
    [GATE_GUEST_EFER]            = EITHER(entry, ENTRY_LOAD_EFER, exit, EXIT_SAVE_EFER),
    [GATE_GUEST_PAT]             = EITHER(entry, ENTRY_LOAD_PAT, exit, EXIT_SAVE_PAT),
    [GATE_GUEST_PERF_GLOBAL]     = EITHER(entry, ENTRY_LOAD_PERF_GLOBAL_CTRL, exit,
        EXIT_SAVE_PERF_GLOBAL_CTRL),
    [GATE_GUEST_PKRS]            = MAY(entry, ENTRY_LOAD_PKRS),
    [GATE_HLAT]                  = LOW(cpu3, CPU3_HLAT),
    [GATE_HOST_CET]              = MAY(exit, EXIT_LOAD_CET),
    [GATE_HOST_EFER]             = MAY(exit, EXIT_LOAD_EFER),
    [GATE_HOST_PAT]              = MAY(exit, EXIT_LOAD_PAT),
    [GATE_HOST_PERF_GLOBAL]      = MAY(exit, EXIT_LOAD_PERF_GLOBAL_CTRL),
    [GATE_HOST_PKRS]             = MAY(exit, EXIT_LOAD_PKRS),
    [GATE_INSTRUCTION_TIMEOUT]   = MAY(cpu2, CPU2_INSTRUCTION_TIMEOUT),
    [GATE_IPI_VIRT]              = LOW(cpu3, CPU3_IPI_VIRT),
    [GATE_LBR]                   = EITHER(entry, ENTRY_LOAD_LBR_CTL, exit, EXIT_CLEAR_LBR_CTL),
    [GATE_MSRLIST]               = LOW(cpu3, CPU3_MSRLIST),
    [GATE_MSR_BITMAPS]           = MAY(cpu1, CPU1_USE_MSR_BITMAPS),
    [GATE_PASID]                 = MAY(cpu2, CPU2_PASID_TRANSLATION),
    [GATE_PCONFIG]               = MAY(cpu2, CPU2_ENABLE_PCONFIG),
    [GATE_PLE]                   = MAY(cpu2, CPU2_PAUSE_LOOP_EXITING),
    [GATE_PML]                   = MAY(cpu2, CPU2_ENABLE_PML),
    [GATE_POSTED_INTERRUPTS]     = MAY(pin, PIN_POSTED_INTERRUPTS),
    [GATE_PREEMPTION_TIMER]      = MAY(pin, PIN_PREEMPTION_TIMER),
    [GATE_RTIT]                  = EITHER(entry, ENTRY_LOAD_RTIT_CTL, exit, EXIT_CLEAR_RTIT_CTL),
    [GATE_SECONDARY]             = MAY(cpu1, CPU1_SECONDARY),
    [GATE_SECONDARY_EXIT]        = MAY(exit, EXIT_SECONDARY),
    [GATE_SPEC_CTRL]             = LOW(cpu3, CPU3_SPEC_CTRL),
    [GATE_SPP]                   = MAY(cpu2, CPU2_SPP),
    [GATE_TERTIARY]              = MAY(cpu1, CPU1_TERTIARY),
    [GATE_TPR_SHADOW]            = MAY(cpu1, CPU1_USE_TPR_SHADOW),
    [GATE_TSC_SCALING]           = MAY(cpu2, CPU2_USE_TSC_SCALING),
    [GATE_UINV]                  = EITHER(entry, ENTRY_LOAD_UINV, exit, EXIT_CLEAR_UINV),
    [GATE_VE]                    = MAY(cpu2, CPU2_EPT_VIOLATION_VE),
    [GATE_VIRTUAL_INTR_DELIVERY] = MAY(cpu2, CPU2_VIRTUAL_INTR_DELIVERY),
    [GATE_VMCS_SHADOWING]        = MAY(cpu2, CPU2_VMCS_SHADOWING),
    [GATE_VMFUNC]                = MAY(cpu2, CPU2_ENABLE_VMFUNC),
    [GATE_VPID]                  = MAY(cpu2, CPU2_ENABLE_VPID),
    [GATE_XSAVES]                = MAY(cpu2, CPU2_ENABLE_XSAVES),
};
/* clang-format on */

bool vcaps_gate(const struct vmx_caps *caps, enum vmcs_gate gate)
{
    if (gate == GATE_ALWAYS)
        return true;
    const struct gate_row *g = &gates[gate];
    const u64 *words = &caps->basic;
    return any(words[g->word], g->mask) || any(words[g->or_word], g->or_mask);
}

static struct ctl_range range(const struct vmx_caps *caps, u64 plain, u64 true_word)
{
    u64 w = any(caps->basic, VMX_BASIC_TRUE_CTLS) ? true_word : plain;
    return (struct ctl_range){.must_be_1 = (u32)w, .may_be_1 = (u32)(w >> 32)};
}

struct ctl_range vcaps_pin(const struct vmx_caps *caps)
{
    return range(caps, caps->pin, caps->true_pin);
}

struct ctl_range vcaps_cpu1(const struct vmx_caps *caps)
{
    return range(caps, caps->cpu1, caps->true_cpu1);
}

struct ctl_range vcaps_cpu2(const struct vmx_caps *caps)
{
    return range(caps, caps->cpu2, caps->cpu2);
}

struct ctl_range vcaps_exit(const struct vmx_caps *caps)
{
    return range(caps, caps->exit, caps->true_exit);
}

struct ctl_range vcaps_entry(const struct vmx_caps *caps)
{
    return range(caps, caps->entry, caps->true_entry);
}
