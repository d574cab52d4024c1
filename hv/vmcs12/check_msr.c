/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of one entry of an MSR area. The caller makes the access and finds out whether the
 * access faults. SDM 3C 27.4 "Loading MSRs"
 */
#include "hv/vmcs12/check_break.h"

/* The MSRs that an MSR area must not name on this model: microcode update trigger and signature.
 * CAVEAT(msr-list-signature) */
static bool model_specific(u32 index)
{
    return index == MSR_IA32_BIOS_UPDT_TRIG || index == MSR_IA32_BIOS_SIGN_ID;
}

/* The MSRs that are for SMM alone. Outside SMM IA32_SMM_MONITOR_CTL can be read, and IA32_SMBASE
 * cannot. */
static bool smm_only(u32 index, enum msr_area area)
{
    return index == MSR_IA32_SMBASE ||
           (index == MSR_IA32_SMM_MONITOR_CTL && area != MSR_AREA_EXIT_STORE);
}

enum rule_id check_msr_entry(const struct msr_entry *entry, enum msr_area area)
{
    u32 index = entry->index;
    bool loads = area != MSR_AREA_EXIT_STORE;

    if (entry->reserved != 0)
        return R_msr_reserved;
    if (loads && (index == MSR_IA32_FS_BASE || index == MSR_IA32_GS_BASE))
        return R_msr_fs_gs_base;
    if (index >> 8 == 8)
        return R_msr_x2apic;
    if (smm_only(index, area))
        return R_msr_smm;
    if (model_specific(index))
        return R_msr_model_specific;
    return R_NONE;
}
