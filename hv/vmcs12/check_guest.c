/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of the guest's control registers, debug registers and MSRs, descriptor tables, RIP
 * and RFLAGS. check_segments.c has the rules of segments, check_state.c those of all other guest
 * state.
 * SDM 3C 27.3.1 "Checks on the Guest State Area"
 */
#include "hv/vmcs12/check_break.h"

static bool ia32e_guest(const struct vmcs_image *v)
{
    return any(v->entry_ctl, ENTRY_IA32E_MODE_GUEST);
}

/* SDM 3C 27.3.1.1 "Checks on Guest Control Registers, Debug Registers, and MSRs" */
static void guest_regs(const struct vmcs_image *v, const struct check_cpu *cpu,
                       struct rule_set *set)
{
    u64 cr0 = v->guest_cr0, cr4 = v->guest_cr4;
    bool unrestricted = any(vmcs12_cpu2(v), CPU2_UNRESTRICTED_GUEST);
    u64 must_be_1 = unrestricted ? cpu->cr0_must_be_1 & ~(CR0_PE | CR0_PG) : cpu->cr0_must_be_1;

    breaks(set, (must_be_1 & ~cr0) | (cr0 & ~cpu->cr0_may_be_1), R_guest_cr0);
    breaks(set, any(cr0, CR0_PG) && !any(cr0, CR0_PE), R_guest_cr0_pg_pe);
    breaks(set, (cpu->cr4_must_be_1 & ~cr4) | (cr4 & ~cpu->cr4_may_be_1), R_guest_cr4);
    breaks(set, any(cr4, CR4_CET) && !any(cr0, CR0_WP), R_guest_cet);
    if (ia32e_guest(v))
        breaks(set, !any(cr0, CR0_PG) || !any(cr4, CR4_PAE), R_guest_ia32e_paging);
    else
        breaks(set, any(cr4, CR4_PCIDE), R_guest_pcide);
    breaks(set, any(v->guest_cr3, cpu->cr3_reserved), R_guest_cr3);
}

static void guest_efer(const struct vmcs_image *v, const struct check_cpu *cpu,
                       struct rule_set *set)
{
    u64 efer = v->guest_efer;
    bool lma = any(efer, EFER_LMA), lme = any(efer, EFER_LME);

    breaks(set, any(efer, cpu->efer_reserved), R_guest_efer_reserved);
    breaks(set, lma != ia32e_guest(v), R_guest_efer_lma);
    breaks(set, any(v->guest_cr0, CR0_PG) && lma != lme, R_guest_efer_lme);
}

static void guest_msrs(const struct vmcs_image *v, const struct check_cpu *cpu,
                       struct rule_set *set)
{
    if (any(v->entry_ctl, ENTRY_LOAD_DEBUG_CONTROLS)) {
        breaks(set, any(v->guest_debugctl, cpu->debugctl_reserved), R_guest_debugctl);
        breaks(set, v->guest_dr7 >> 32, R_guest_dr7);
    }
    breaks(set, noncanonical(cpu, v->guest_sysenter_esp) | noncanonical(cpu, v->guest_sysenter_eip),
           R_guest_sysenter);
    if (any(v->entry_ctl, ENTRY_LOAD_PERF_GLOBAL_CTRL))
        breaks(set, any(v->guest_perf_global_ctrl, cpu->perf_global_reserved), R_guest_perf_global);
    if (any(v->entry_ctl, ENTRY_LOAD_PAT))
        breaks(set, pat_bad_bits(v->guest_pat), R_guest_pat);
    if (any(v->entry_ctl, ENTRY_LOAD_EFER))
        guest_efer(v, cpu, set);
    if (UNLIKELY(any(v->entry_ctl, ENTRY_NEWER)))
        check_newer_guest(v, cpu, set);
}

/* SDM 3C 27.3.1.3 "Checks on Guest Descriptor-Table Registers" */
static void tables(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *set)
{
    breaks(set, noncanonical(cpu, v->guest_gdtr_base) | noncanonical(cpu, v->guest_idtr_base),
           R_table_base);
    breaks(set, (v->guest_gdtr_limit | v->guest_idtr_limit) >> 16, R_table_limit);
}

/* SDM 3C 27.3.1.4 "Checks on Guest RIP, RFLAGS, and SSP". RIP need not be canonical. The bits above
 * the linear-address width must be equal, but they may differ from the highest bit within the
 * width. RIP is in this state after execution has run off the end of the lower half. */
static void rip_rflags(const struct vmcs_image *v, const struct check_cpu *cpu,
                       struct rule_set *set)
{
    u64 rip = v->guest_rip, rflags = v->guest_rflags;
    u64 reserved = ~0ull << 22 | BIT(15) | BIT(5) | BIT(3);
    u32 info = v->entry_intr_info;

    if (ia32e_guest(v) && any(ar_rights(v->guest_cs_ar), AR_L))
        breaks(set, any(rip + 2 * cpu->linear_bias, cpu->linear_reserved << 1), R_rip_linear);
    else
        breaks(set, rip >> 32, R_rip_high);
    breaks(set, (rflags & (reserved | RFLAGS_FIXED)) != RFLAGS_FIXED, R_rflags_reserved);
    breaks(set, any(rflags, RFLAGS_VM) && (ia32e_guest(v) || !any(v->guest_cr0, CR0_PE)),
           R_rflags_vm);
    breaks(set,
           any(info, INTR_VALID) && INTR_TYPE(info) == INTR_EXTERNAL && !any(rflags, RFLAGS_IF),
           R_rflags_if);
    if (UNLIKELY(any(v->entry_ctl, ENTRY_LOAD_CET)))
        check_newer_ssp(v, cpu, set);
}

void check_guest(const struct vmcs_image *v, const struct check_env *env, u32 groups,
                 struct rule_set *broken)
{
    if (any(groups, CHECK_GUEST_REGS))
        guest_regs(v, env->cpu, broken);
    if (any(groups, CHECK_GUEST_MSRS))
        guest_msrs(v, env->cpu, broken);
    if (any(groups, CHECK_SEGMENTS))
        check_segments(v, env, broken);
    if (any(groups, CHECK_TABLES))
        tables(v, env->cpu, broken);
    if (any(groups, CHECK_RIP))
        rip_rflags(v, env->cpu, broken);
    if (any(groups, CHECK_ACTIVITY | CHECK_PENDING_DBG | CHECK_LINK | CHECK_PDPTES))
        check_state(v, env, groups, broken);
}
