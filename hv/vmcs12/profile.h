/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Profiles: the processors whose capabilities L1 can be shown. vcaps_derive computes what L1 is
 * shown from a profile, the hardware and what Nidus implements. Pure.
 */
#ifndef HV_VMCS12_PROFILE_H
#define HV_VMCS12_PROFILE_H

#include "hv/vmcs12/vcaps.h"

enum vmx_profile {
    PROFILE_BROADWELL, /* Core i7-5600U, all MSRs measured: the default */
    PROFILE_E5_2683_V4,
    PROFILE_D_1540,
    PROFILE_HOST, /* the capabilities of the CPU itself, for differential runs */
    PROFILE_COUNT
};

/* The profile's capability MSRs, or NULL for PROFILE_HOST. tests/data/broadwell_vmx_msrs.csv has
 * the same values. */
const struct vmx_caps *profile_caps(enum vmx_profile p);

/* What Nidus implements: the bits that L1 may be shown. A clear bit hides a feature, and
 * vcaps_derive then hides all that depends on this feature. A control word has one bit per control.
 * Reserved bits that must be 1 need not be set. */
struct vmx_implemented {
    u32 pin, cpu1, cpu2, exit, entry;
    u64 misc;     /* activity states, CR3-target count, PT, zero-length injection */
    u64 ept_vpid; /* IA32_VMX_EPT_VPID_CAP */
    u64 vmfunc;
    u64 cr4; /* bits that may be 1 in CR4, VMXE at least */
};

/* What Nidus lets L1 have (docs/features.md), of all for which VMCS revision 0x12 has fields. */
struct vmx_implemented profile_implemented(void);

struct vcaps_refusal {
    const char *whose; /* "profile", "hardware" or "the two together"; NULL: not refused */
    const char *why;
};

/* Computes the capabilities to show L1 into *shown: the intersection of profile, hardware (hw) and
 * impl. Revision and region size are the layout's instead, and the preemption-timer rate is the
 * hardware's. When `why` of the result is not NULL, the caller must not use *shown.
 * SDM 3D A "VMX Capability Reporting Facility" */
struct vcaps_refusal vcaps_derive(enum vmx_profile p, const struct vmx_caps *hw,
                                  const struct vmx_implemented *impl,
                                  struct vmx_caps *shown) MUST_CHECK;

#endif
