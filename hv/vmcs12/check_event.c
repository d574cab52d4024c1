/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of an injected event's own fields. check_state.c has the rules that connect the event
 * with the guest's state. SDM 3C 27.2.1.3 "VM-Entry Control Fields"
 */
#include "hv/vmcs12/check_break.h"

#define INTR_RESERVED 0x7ffff000u

static void vector(u32 info, const struct check_cpu *cpu, struct rule_set *set)
{
    u32 type = INTR_TYPE(info), vec = INTR_VECTOR(info);

    breaks(set, type == 1 || (type == INTR_OTHER_EVENT && !cpu->has_mtf), R_event_type);
    breaks(set, type == INTR_NMI && vec != VEC_NMI, R_event_nmi_vector);
    breaks(set, type == INTR_HW_EXCEPTION && vec > 31, R_event_exception_vector);
    breaks(set, type == INTR_OTHER_EVENT && cpu->has_mtf && vec != 0, R_event_other_vector);
}

/* An event has an error code only in protected mode. Without "unrestricted guest" the guest must be
 * in protected mode, so CR0.PE then counts as set, whatever the field holds. */
static void error_code(const struct vmcs_image *v, const struct check_cpu *cpu,
                       struct rule_set *set)
{
    u32 info = v->entry_intr_info;
    bool protected_mode =
        !any(vmcs12_cpu2(v), CPU2_UNRESTRICTED_GUEST) || any(v->guest_cr0, CR0_PE);
    bool possible = INTR_TYPE(info) == INTR_HW_EXCEPTION && protected_mode;
    bool usual = INTR_VECTOR(info) < 32 && any(cpu->error_code_vectors, BIT(INTR_VECTOR(info)));
    bool delivers = any(info, INTR_ERROR_VALID);

    breaks(set, !delivers && possible && usual && !cpu->any_error_code, R_event_error_due);
    breaks(set, delivers && (!possible || (!usual && !cpu->any_error_code)), R_event_error_not_due);
    breaks(set, delivers && any(v->entry_exception_error_code, 0xffff0000u), R_event_error_code);
}

/* @pre the valid bit of the VM-entry interruption information is 1 */
void check_event(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *broken)
{
    u32 info = v->entry_intr_info, type = INTR_TYPE(info), len = v->entry_instruction_len;

    vector(info, cpu, broken);
    error_code(v, cpu, broken);
    breaks(broken, any(info, INTR_RESERVED), R_event_reserved);
    if (type == INTR_SW_INTERRUPT || type == INTR_PRIV_SW_EXCEPTION || type == INTR_SW_EXCEPTION) {
        breaks(broken, len > 15, R_event_length);
        breaks(broken, len == 0 && !any(cpu->misc, VMX_MISC_ZERO_LEN_INJECT), R_event_length_zero);
    }
}
