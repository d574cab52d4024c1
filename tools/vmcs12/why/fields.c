/* SPDX-License-Identifier: BSD-2-Clause */
/* What rules read, and values that break none. Contract in judge.h. */
#include "hv/arch/cpu.h"
#include "hv/arch/paging.h"
#include "tools/vmcs12/why/judge.h"

#define FIELDS(rule, ...) static const u8 fields_##rule[] = {__VA_ARGS__, F_COUNT};
#include "hv/vmcs12/rule_fields.def"

const u8 *rule_fields(enum rule_id rule)
{
    static const u8 none[] = {F_COUNT};
    static const u8 *const lists[R_COUNT] = {
#define FIELDS(rule, ...) [R_##rule] = fields_##rule,
#include "hv/vmcs12/rule_fields.def"
    };
    return lists[rule] != NULL ? lists[rule] : none;
}

bool is_gate(enum vmcs_field f)
{
    switch (f) {
    case F_pin_ctl:
    case F_cpu1_ctl:
    case F_cpu2_ctl:
    case F_exit_ctl:
    case F_entry_ctl:
    case F_guest_rflags:
        return true;
    default:
        return false;
    }
}

u64 healthy_value(enum vmcs_field f)
{
    switch (f) {
    case F_vpid:
        return 1;
    case F_host_cs_selector:
    case F_host_ss_selector:
    case F_host_tr_selector:
        return 8;
    case F_ept_pointer:
        return EPTP_WALK_4 | MT_WB;
    case F_vmcs_link_pointer:
        return NO_VMCS;
    case F_guest_pat:
    case F_host_pat:
        return 0x0007040600070406;
    case F_guest_rflags:
        return RFLAGS_FIXED;
    case F_guest_cr0:
    case F_host_cr0:
        return CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE;
    case F_guest_cr4:
    case F_host_cr4:
        return CR4_VMXE | CR4_PAE;
    case F_pin_ctl:
        return 0x16;
    case F_cpu1_ctl:
        return 0x0401e172;
    case F_exit_ctl:
        return 0x36fff;
    case F_entry_ctl:
        return 0x11ff;
    case F_guest_cs_ar:
        return 0x9b;
    case F_guest_tr_ar:
        return 0x8b;
    case F_guest_ss_ar:
    case F_guest_ds_ar:
    case F_guest_es_ar:
    case F_guest_fs_ar:
    case F_guest_gs_ar:
    case F_guest_ldtr_ar:
        return AR_UNUSABLE;
    case F_guest_cs_limit:
    case F_guest_tr_limit:
        return 0xffff;
    default:
        return 0;
    }
}
