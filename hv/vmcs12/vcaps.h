/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMX capabilities as values: the IA32_VMX_* MSRs of a processor, real or shown to L1, and what
 * follows from them. Pure. Each word has the layout of its MSR. Predicates and gates read these
 * words instead of MSRs. SDM 3D A "VMX Capability Reporting Facility"
 */
#ifndef HV_VMCS12_VCAPS_H
#define HV_VMCS12_VCAPS_H

#include "hv/arch/msr.h"
#include "hv/arch/types.h"
#include "hv/arch/vmx_ctl.h"

/* The capability MSRs from 0x480 on, in MSR order. The word of an MSR that the processor lacks is
 * 0. */
struct vmx_caps {
    u64 basic, pin, cpu1, exit, entry, misc;
    u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
    u64 vmcs_enum, cpu2, ept_vpid;
    u64 true_pin, true_cpu1, true_exit, true_entry;
    u64 vmfunc, cpu3, exit2;
};

/* The capability that makes a VMCS field exist (column GATE of fields.def). */
/* clang-format off */
enum vmcs_gate {
    GATE_ALWAYS, GATE_APIC_ACCESSES, GATE_APIC_TIMER_VIRT, GATE_BNDCFGS, GATE_ENCLS, GATE_ENCLV,
    GATE_EPT, GATE_EPTP_SWITCHING, GATE_FRED, GATE_GUEST_CET, GATE_GUEST_EFER, GATE_GUEST_PAT,
    GATE_GUEST_PERF_GLOBAL, GATE_GUEST_PKRS, GATE_HLAT, GATE_HOST_CET, GATE_HOST_EFER,
    GATE_HOST_PAT, GATE_HOST_PERF_GLOBAL, GATE_HOST_PKRS, GATE_INSTRUCTION_TIMEOUT,
    GATE_IPI_VIRT, GATE_LBR, GATE_MSRLIST, GATE_MSR_BITMAPS, GATE_MSR_IMM, GATE_PASID,
    GATE_PCONFIG, GATE_PLE, GATE_PML, GATE_POSTED_INTERRUPTS, GATE_PREEMPTION_TIMER, GATE_RTIT,
    GATE_SEAM, GATE_SECONDARY, GATE_SECONDARY_EXIT, GATE_SHARED_EPT, GATE_SPEC_CTRL, GATE_SPP,
    GATE_TERTIARY, GATE_TPR_SHADOW, GATE_TSC_SCALING, GATE_UINV, GATE_VE,
    GATE_VIRTUAL_INTR_DELIVERY, GATE_VMCS_SHADOWING, GATE_VMFUNC, GATE_VPID, GATE_XSAVES,
    GATE_COUNT
};
/* clang-format on */

/* True when a processor with these capabilities has the fields behind the gate.
 * SDM 3C 25.4 "Guest-State Area" and the sections about control fields name the capability for each
 * field: "this field exists only on processors that support the 1-setting of ...". */
bool vcaps_gate(const struct vmx_caps *caps, enum vmcs_gate gate);

/* The settings that a control word may have. A bit of must_be_1 must be 1; a bit that is not in
 * may_be_1 must be 0. When bit 55 of IA32_VMX_BASIC is set, the TRUE MSR decides.
 * SDM 3D A.2 "Reserved Controls and Default Settings" */
struct ctl_range {
    u32 must_be_1, may_be_1;
};
struct ctl_range vcaps_pin(const struct vmx_caps *caps);
struct ctl_range vcaps_cpu1(const struct vmx_caps *caps);
struct ctl_range vcaps_cpu2(const struct vmx_caps *caps);
struct ctl_range vcaps_exit(const struct vmx_caps *caps);
struct ctl_range vcaps_entry(const struct vmx_caps *caps);

/* The reason why no processor could report these capabilities, or NULL when one could. Reasons are
 * a control whose prerequisite is missing, a bit that must be both 0 and 1, and TRUE words that
 * contradict the plain words. */
const char *vcaps_impossible(const struct vmx_caps *caps);

/* Narrows *all, what some processors can do, to what *one can do as well. Returns NULL, or in words
 * what forbids that one VMCS and one L1 use both; *all is then of no use. */
const char *vcaps_join(struct vmx_caps *all, const struct vmx_caps *one) MUST_CHECK;

/* Takes away every control whose prerequisite is missing, until no such control is left. The caller
 * has narrowed the set before. A control that must be 1 keeps its must-be-1 bit, and
 * vcaps_impossible then reports a contradiction. */
void vcaps_close(struct vmx_caps *caps);

#endif
