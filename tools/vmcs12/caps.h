/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles by their names, capability MSRs by their numbers. L0 needs neither. Pure. */
#ifndef TOOLS_VMCS12_CAPS_H
#define TOOLS_VMCS12_CAPS_H

#include "hv/vmcs12/profile.h"

/* The word that `profile=` takes for p, or "" when p is no profile. */
const char *profile_name(enum vmx_profile p);

/* The profile of this name, or PROFILE_COUNT when there is none. */
enum vmx_profile profile_find(const char *name);

/* RDMSR of a capability MSR. Stores the word in *value, or returns false when a processor with
 * these capabilities lacks the MSR, so that RDMSR causes #GP. msr: the MSR's number. SDM 3D A "VMX
 * Capability Reporting Facility" */
bool vcaps_msr(const struct vmx_caps *caps, u32 msr, u64 *value) MUST_CHECK;

#endif
