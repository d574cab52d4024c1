/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of the host-state area, and the rules that connect this area with L1's mode.
 * SDM 3C 27.2 "Checks on VMX Controls and Host-State Area"
 */
#include "hv/vmcs12/check_break.h"

/* SDM 3C 27.2.2 "Checks on Host Control Registers, MSRs, and SSP". A VM exit does not load CR0.CD
 * and CR0.NW, so these bits are not checked. */
static void host_regs(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *set)
{
    u64 cr0 = v->host_cr0, cr4 = v->host_cr4;

    breaks(set, (cpu->cr0_must_be_1 & ~cr0) | (cr0 & ~cpu->cr0_may_be_1), R_host_cr0);
    breaks(set, (cpu->cr4_must_be_1 & ~cr4) | (cr4 & ~cpu->cr4_may_be_1), R_host_cr4);
    breaks(set, any(cr4, CR4_CET) && !any(cr0, CR0_WP), R_host_cet);
    breaks(set, any(v->host_cr3, cpu->cr3_reserved), R_host_cr3);
    breaks(set, noncanonical(cpu, v->host_sysenter_esp) | noncanonical(cpu, v->host_sysenter_eip),
           R_host_sysenter);
    if (any(v->exit_ctl, EXIT_LOAD_PERF_GLOBAL_CTRL))
        breaks(set, any(v->host_perf_global_ctrl, cpu->perf_global_reserved), R_host_perf_global);
    if (any(v->exit_ctl, EXIT_LOAD_PAT))
        breaks(set, pat_bad_bits(v->host_pat), R_host_pat);
    if (any(v->exit_ctl, EXIT_LOAD_EFER)) {
        u64 mode = any(v->exit_ctl, EXIT_HOST_ADDR_SPACE_SIZE) ? EFER_LMA | EFER_LME : 0;
        breaks(set, any(v->host_efer, cpu->efer_reserved), R_host_efer_reserved);
        breaks(set, (v->host_efer & (EFER_LMA | EFER_LME)) != mode, R_host_efer_size);
    }
    if (UNLIKELY(any(v->exit_ctl, EXIT_LOAD_CET | EXIT_LOAD_PKRS)))
        check_newer_host(v, cpu, set);
}

/* SDM 3C 27.2.3 "Checks on Host Segment and Descriptor-Table Registers" */
static void host_segs(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *set)
{
    u32 selectors = v->host_cs_selector | v->host_ss_selector | v->host_ds_selector |
                    v->host_es_selector | v->host_fs_selector | v->host_gs_selector |
                    v->host_tr_selector;
    u64 bases = noncanonical(cpu, v->host_fs_base) | noncanonical(cpu, v->host_gs_base) |
                noncanonical(cpu, v->host_gdtr_base) | noncanonical(cpu, v->host_idtr_base) |
                noncanonical(cpu, v->host_tr_base);

    breaks(set, any(selectors, 7), R_host_selector_bits);
    breaks(set, v->host_cs_selector == 0, R_host_cs_zero);
    breaks(set, v->host_tr_selector == 0, R_host_tr_zero);
    breaks(set, v->host_ss_selector == 0 && !any(v->exit_ctl, EXIT_HOST_ADDR_SPACE_SIZE),
           R_host_ss_zero);
    breaks(set, bases, R_host_bases);
}

/* SDM 3C 27.2.4 "Checks Related to Address-Space Size" */
static void host_size(const struct vmcs_image *v, const struct check_env *env, struct rule_set *set)
{
    bool host64 = any(v->exit_ctl, EXIT_HOST_ADDR_SPACE_SIZE);

    breaks(set, host64 && !env->in_ia32e_mode, R_size_outside_ia32e);
    breaks(set, !host64 && env->in_ia32e_mode, R_size_inside_ia32e);
    breaks(set, !(host64 && env->in_ia32e_mode) && any(v->entry_ctl, ENTRY_IA32E_MODE_GUEST),
           R_size_ia32e_guest);
    if (UNLIKELY(any(v->exit_ctl, EXIT_LOAD_CET)))
        check_newer_size(v, env->cpu, set);
    if (host64) {
        breaks(set, !any(v->host_cr4, CR4_PAE), R_size_64_pae);
        breaks(set, noncanonical(env->cpu, v->host_rip), R_size_64_rip);
        return;
    }
    breaks(set, any(v->host_cr4, CR4_PCIDE), R_size_32_pcide);
    breaks(set, v->host_rip >> 32, R_size_32_rip);
}

void check_host(const struct vmcs_image *v, const struct check_env *env, u32 groups,
                struct rule_set *broken)
{
    if (any(groups, CHECK_HOST_REGS))
        host_regs(v, env->cpu, broken);
    if (any(groups, CHECK_HOST_SEGS))
        host_segs(v, env->cpu, broken);
    if (any(groups, CHECK_HOST_SIZE))
        host_size(v, env, broken);
}
