/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of fields that Broadwell lacks: CET, protection keys, MPX, processor trace, LBRs, user
 * interrupts. No profile allows their controls, so L1 never gets here.
 * SDM 3C 27.2.2 "Checks on Host Control Registers, MSRs, and SSP",
 * SDM 3C 27.3.1.1 "Checks on Guest Control Registers, Debug Registers, and MSRs"
 */
#include "hv/vmcs12/check_break.h"

#define S_CET_RESERVED   0x3c0ull
#define S_CET_SUPPRESS   BIT(10)
#define S_CET_TRACKER    BIT(11)
#define BNDCFGS_RESERVED 0xffcull

static bool s_cet_bad(u64 s_cet)
{
    return any(s_cet, S_CET_RESERVED) || all(s_cet, S_CET_SUPPRESS | S_CET_TRACKER);
}

void check_newer_guest(const struct vmcs_image *v, const struct check_cpu *cpu,
                       struct rule_set *set)
{
    u32 entry = v->entry_ctl;

    if (any(entry, ENTRY_LOAD_BNDCFGS))
        breaks(set,
               any(v->guest_bndcfgs, BNDCFGS_RESERVED) ||
                   noncanonical(cpu, v->guest_bndcfgs & ~0xfffull) != 0,
               R_guest_bndcfgs);
    if (any(entry, ENTRY_LOAD_RTIT_CTL))
        breaks(set, any(v->guest_rtit_ctl, cpu->rtit_reserved), R_guest_rtit_ctl);
    if (any(entry, ENTRY_LOAD_LBR_CTL))
        breaks(set, any(v->guest_lbr_ctl, cpu->lbr_reserved), R_guest_lbr_ctl);
    if (any(entry, ENTRY_LOAD_PKRS))
        breaks(set, v->guest_pkrs >> 32, R_guest_pkrs);
    if (any(entry, ENTRY_LOAD_UINV))
        breaks(set, v->guest_uinv >> 8, R_guest_uinv);
    if (!any(entry, ENTRY_LOAD_CET))
        return;
    breaks(set, s_cet_bad(v->guest_s_cet), R_guest_s_cet);
    breaks(set,
           noncanonical(cpu, v->guest_s_cet & ~0xfffull) |
               noncanonical(cpu, v->guest_intr_ssp_table),
           R_guest_cet_bases);
}

/* SDM 3C 27.3.1.4 "Checks on Guest RIP, RFLAGS, and SSP". SSP is judged like RIP. */
void check_newer_ssp(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *set)
{
    u64 ssp = v->guest_ssp;

    breaks(set, any(ssp, 3), R_ssp_align);
    if (any(v->entry_ctl, ENTRY_IA32E_MODE_GUEST) && any(ar_rights(v->guest_cs_ar), AR_L))
        breaks(set, any(ssp + 2 * cpu->linear_bias, cpu->linear_reserved << 1), R_ssp_linear);
    else
        breaks(set, ssp >> 32, R_ssp_high);
}

void check_newer_host(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *set)
{
    if (any(v->exit_ctl, EXIT_LOAD_CET)) {
        breaks(set, s_cet_bad(v->host_s_cet), R_host_s_cet);
        breaks(set, any(v->host_ssp, 3), R_host_ssp_align);
        breaks(set, noncanonical(cpu, v->host_intr_ssp_table), R_host_ssp_table);
    }
    if (any(v->exit_ctl, EXIT_LOAD_PKRS))
        breaks(set, v->host_pkrs >> 32, R_host_pkrs);
}

/* SDM 3C 27.2.4 "Checks Related to Address-Space Size" */
void check_newer_size(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *set)
{
    if (any(v->exit_ctl, EXIT_HOST_ADDR_SPACE_SIZE))
        breaks(set, noncanonical(cpu, v->host_s_cet) | noncanonical(cpu, v->host_ssp),
               R_size_64_cet);
    else
        breaks(set, (v->host_s_cet | v->host_ssp) >> 32, R_size_32_cet);
}
