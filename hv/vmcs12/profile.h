/*
 * Profiles: the processors whose capabilities L1 can be shown, and the derivation of what it
 * is shown from a profile, the hardware and what Nidus implements. Pure.
 */
#ifndef HV_VMCS12_PROFILE_H
#define HV_VMCS12_PROFILE_H

#include "hv/vmcs12/vcaps.h"

enum vmx_profile {
    PROFILE_BROADWELL, /* Core i7-5600U, all MSRs measured: the default */
    PROFILE_E5_2683_V4,
    PROFILE_D_1540,
    PROFILE_HOST, /* the CPU's own, for differential runs */
    PROFILE_COUNT
};

/* The word that `profile=` takes. */
const char *profile_name(enum vmx_profile p);

/* The profile of that name, or PROFILE_COUNT. */
enum vmx_profile profile_find(const char *name);

/* The profile's MSRs as tests/data/broadwell_vmx_msrs.csv has them; NULL for PROFILE_HOST. */
const struct vmx_caps *profile_caps(enum vmx_profile p);

/* What Nidus implements: the bits that L1 may be shown. Clear a bit to hide a feature; what
 * depends on it goes with it. Control words hold one bit per control; reserved bits that must
 * be 1 need not be named. */
struct vmx_implemented {
    u32 pin, cpu1, cpu2, exit, entry;
    u64 misc;     /* activity states, CR3-target count, PT, zero-length injection */
    u64 ept_vpid; /* IA32_VMX_EPT_VPID_CAP */
    u64 vmfunc;
    u64 cr4; /* bits that may be 1 in CR4, VMXE at least */
};

/* Everything that VMCS revision 0x12 has fields for. */
struct vmx_implemented profile_everything(void);
/* What Nidus lets L1 have of that (docs/features.md). */
struct vmx_implemented profile_implemented(void);

struct vcaps_refusal {
    const char *whose; /* "profile", "hardware" or "the two together"; NULL: not refused */
    const char *why;
};

/* The capabilities to show L1. Not intersected: revision and region size (the layout's), the
 * preemption-timer rate (the hardware's). On refusal *shown is not to be used. */
struct vcaps_refusal vcaps_derive(enum vmx_profile p, const struct vmx_caps *hw,
                                  const struct vmx_implemented *impl,
                                  struct vmx_caps *shown) MUST_CHECK;

#endif
