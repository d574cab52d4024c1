/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of the guest's non-register state (activity, interruptibility, pending debug
 * exceptions, VMCS link pointer) and of its PDPTEs. check_needs tells which memory rules need.
 * SDM 3C 27.3.1.5 "Checks on Guest Non-Register State"
 */
#include "hv/vmcs12/check_break.h"

#define BLOCKING_STI_MOV_SS (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)

/* Bits 8:6 of IA32_VMX_MISC tell whether HLT, shutdown and wait-for-SIPI are supported, in the
 * order of the states' numbers. */
static bool activity_supported(u32 activity, const struct check_cpu *cpu)
{
    return activity == ACTIVITY_ACTIVE ||
           (activity <= ACTIVITY_WAIT_SIPI && any(cpu->misc, BIT(5 + activity)));
}

/* True when the event reaches a processor in this activity state. HLT lets external interrupts,
 * NMIs, #DB, #MC and a pending MTF exit through. Shutdown lets only NMIs and #MC through. */
static bool event_wakes(u32 info, u32 activity)
{
    u32 type = INTR_TYPE(info), vec = INTR_VECTOR(info);
    bool mc = type == INTR_HW_EXCEPTION && vec == VEC_MC;
    bool db = type == INTR_HW_EXCEPTION && vec == VEC_DB;

    switch (activity) {
    case ACTIVITY_HLT:
        return type == INTR_EXTERNAL || type == INTR_NMI || mc || db ||
               (type == INTR_OTHER_EVENT && vec == 0);
    case ACTIVITY_SHUTDOWN:
        return type == INTR_NMI || mc;
    case ACTIVITY_WAIT_SIPI:
        return false;
    default:
        return true;
    }
}

/* The rules of blocking that apply when the entry injects an event. */
static void blocking_by_event(const struct vmcs_image *v, const struct check_cpu *cpu,
                              struct rule_set *set)
{
    u32 blocking = v->guest_interruptibility, type = INTR_TYPE(v->entry_intr_info);

    breaks(set, type == INTR_EXTERNAL && any(blocking, BLOCKING_STI_MOV_SS), R_blocking_ext_intr);
    if (type != INTR_NMI)
        return;
    breaks(set, any(blocking, BLOCKING_BY_MOV_SS), R_blocking_nmi_mov_ss);
    breaks(set, any(blocking, BLOCKING_BY_STI) && cpu->nmi_needs_no_sti, R_blocking_nmi_sti);
    breaks(set, any(blocking, BLOCKING_BY_NMI) && any(v->pin_ctl, PIN_VIRTUAL_NMIS),
           R_blocking_nmi_nmi);
}

static void activity(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *set)
{
    u32 state = v->guest_activity_state, blocking = v->guest_interruptibility;

    if (UNLIKELY(state != ACTIVITY_ACTIVE)) {
        breaks(set, !activity_supported(state, cpu), R_activity_value);
        breaks(set, state == ACTIVITY_HLT && ar_dpl(ar_rights(v->guest_ss_ar)) != 0,
               R_activity_hlt_dpl);
        breaks(set, any(blocking, BLOCKING_STI_MOV_SS), R_activity_blocking);
        breaks(set, any(v->entry_intr_info, INTR_VALID) && !event_wakes(v->entry_intr_info, state),
               R_activity_event);
    }
    if (UNLIKELY(blocking != 0)) {
        breaks(set, any(blocking, cpu->blocking_reserved), R_blocking_reserved);
        breaks(set, all(blocking, ENCLAVE_INTERRUPTION | BLOCKING_BY_MOV_SS),
               R_blocking_enclave_mov_ss);
        breaks(set, all(blocking, BLOCKING_STI_MOV_SS), R_blocking_both);
        breaks(set, any(blocking, BLOCKING_BY_STI) && !any(v->guest_rflags, RFLAGS_IF),
               R_blocking_sti_if);
        breaks(set, any(blocking, BLOCKING_BY_SMI), R_blocking_smi);
        if (any(v->entry_intr_info, INTR_VALID))
            blocking_by_event(v, cpu, set);
    }
}

static void pending_debug(const struct vmcs_image *v, const struct check_cpu *cpu,
                          struct rule_set *set)
{
    u64 pending = v->guest_pending_dbg_exceptions;
    bool single_step = any(v->guest_rflags, RFLAGS_TF) && !any(v->guest_debugctl, DEBUGCTL_BTF);

    if (any(v->guest_interruptibility, BLOCKING_STI_MOV_SS) ||
        v->guest_activity_state == ACTIVITY_HLT) {
        breaks(set, single_step && !any(pending, PENDING_DBG_BS), R_pending_bs_due);
        breaks(set, !single_step && any(pending, PENDING_DBG_BS), R_pending_bs_not_due);
    }
    if (pending == 0)
        return;
    breaks(set, any(pending, cpu->pending_dbg_reserved), R_pending_reserved);
    if (any(pending, PENDING_DBG_RTM & ~cpu->pending_dbg_reserved)) {
        breaks(set, pending != (PENDING_DBG_RTM | PENDING_DBG_BP_ENABLED), R_pending_rtm_alone);
        breaks(set, any(v->guest_interruptibility, BLOCKING_BY_MOV_SS), R_pending_rtm_mov_ss);
    }
}

static void link_pointer(const struct vmcs_image *v, const struct check_env *env,
                         struct rule_set *set)
{
    u64 link = v->vmcs_link_pointer;
    bool shadowing = any(vmcs12_cpu2(v), CPU2_VMCS_SHADOWING);

    if (link == NO_VMCS)
        return;
    breaks_addr(set, env->cpu, link, PAGE_SIZE - 1, R_link_align, R_link_width);
    breaks(set, link == env->current_vmptr, R_link_current);
    if (!env->link_valid)
        return;
    breaks(set, (env->link_header & ~VMCS_SHADOW_INDICATOR) != env->cpu->revision, R_link_revision);
    breaks(set, any(env->link_header, VMCS_SHADOW_INDICATOR) != shadowing, R_link_shadow);
}

static bool uses_pae_paging(const struct vmcs_image *v)
{
    return any(v->guest_cr0, CR0_PG) && any(v->guest_cr4, CR4_PAE) &&
           !any(v->entry_ctl, ENTRY_IA32E_MODE_GUEST);
}

/* With EPT the rules speak of the four PDPTE fields. Without EPT they speak of the four entries in
 * memory at CR3.
 * SDM 3C 27.3.1.6 "Checks on Guest Page-Directory-Pointer-Table Entries" */
static void pdptes(const struct vmcs_image *v, const struct check_env *env, struct rule_set *set)
{
    u64 no = env->cpu->phys_reserved;

    if (!uses_pae_paging(v))
        return;
    if (any(vmcs12_cpu2(v), CPU2_ENABLE_EPT))
        breaks(set,
               pdpte_reserved_set(v->guest_pdptr0, no) || pdpte_reserved_set(v->guest_pdptr1, no) ||
                   pdpte_reserved_set(v->guest_pdptr2, no) ||
                   pdpte_reserved_set(v->guest_pdptr3, no),
               R_pdpte_reserved);
    else if (env->pdpte_valid)
        breaks(set,
               pdpte_reserved_set(env->pdpte[0], no) || pdpte_reserved_set(env->pdpte[1], no) ||
                   pdpte_reserved_set(env->pdpte[2], no) || pdpte_reserved_set(env->pdpte[3], no),
               R_pdpte_reserved);
}

u32 check_needs(const struct vmcs_image *v, const struct check_cpu *cpu)
{
    u32 cpu2 = vmcs12_cpu2(v), needs = 0;
    u64 bad_page = cpu->phys_reserved | (PAGE_SIZE - 1);

    if (any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW) && !any(v->virtual_apic_addr, bad_page) &&
        !any(cpu2, CPU2_VIRTUAL_INTR_DELIVERY | CPU2_VIRTUALIZE_APIC_ACCESSES))
        needs |= NEED_VTPR;
    if (uses_pae_paging(v) && !any(cpu2, CPU2_ENABLE_EPT) && !any(v->guest_cr3, cpu->cr3_reserved))
        needs |= NEED_PDPTES;
    if (!any(v->vmcs_link_pointer, bad_page))
        needs |= NEED_LINK;
    return needs;
}

/* Judges the groups of this file. */
void check_state(const struct vmcs_image *v, const struct check_env *env, u32 groups,
                 struct rule_set *broken)
{
    if (any(groups, CHECK_ACTIVITY))
        activity(v, env->cpu, broken);
    if (any(groups, CHECK_PENDING_DBG))
        pending_debug(v, env->cpu, broken);
    if (any(groups, CHECK_LINK))
        link_pointer(v, env, broken);
    if (any(groups, CHECK_PDPTES))
        pdptes(v, env, broken);
}
