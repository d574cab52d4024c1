/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole judgement: all rules over one image, the set of broken rules and the rule that is
 * reported. This file also derives the facts of a processor. The rules are in check_*.c, their
 * texts in rules.c. Contract in check.h.
 */
#include "hv/vmcs12/check_break.h"

/* The hardware exceptions that push an error code, but for #CP, which comes with CET. */
#define ERROR_CODE_VECTORS                                                               \
    (BIT(VEC_DF) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) | BIT(VEC_GP) | BIT(VEC_PF) | \
     BIT(VEC_AC))

static void registers_init(struct check_cpu *cpu, const struct vmx_caps *caps)
{
    u64 unchecked = CR0_CD | CR0_NW; /* neither VM entry nor VM exit loads these */

    cpu->cr0_must_be_1 = caps->cr0_fixed0 & ~unchecked;
    cpu->cr0_may_be_1 = caps->cr0_fixed1 | unchecked;
    cpu->cr4_must_be_1 = caps->cr4_fixed0;
    cpu->cr4_may_be_1 = caps->cr4_fixed1;
}

static void capabilities_init(struct check_cpu *cpu, const struct vmx_caps *caps)
{
    cpu->pin = vcaps_pin(caps);
    cpu->cpu1 = vcaps_cpu1(caps);
    cpu->cpu2 = vcaps_cpu2(caps);
    cpu->exit = vcaps_exit(caps);
    cpu->entry = vcaps_entry(caps);
    cpu->misc = caps->misc;
    cpu->ept_vpid = caps->ept_vpid;
    cpu->vmfunc = caps->vmfunc;
    cpu->cpu3 = caps->cpu3;
    cpu->exit2 = caps->exit2;
    cpu->revision = VMX_BASIC_REVISION(caps->basic);
    cpu->any_error_code = any(caps->basic, VMX_BASIC_ANY_ERRCODE);
    cpu->has_mtf = any(cpu->cpu1.may_be_1, CPU1_MONITOR_TRAP_FLAG);
}

void check_cpu_init(struct check_cpu *cpu, const struct vmx_caps *caps,
                    const struct check_cpuid *cpuid)
{
    u64 eptp_flags = any(caps->ept_vpid, EPT_CAP_SSS) ? EPTP_SSS : 0;

    registers_init(cpu, caps);
    capabilities_init(cpu, caps);
    cpu->phys_reserved = ~0ull << cpuid->maxphyaddr;
    cpu->cr3_reserved = cpu->phys_reserved & ~(cpuid->lam ? CR3_LAM : 0);
    cpu->linear_bias = BIT(cpuid->linear_width - 1);
    cpu->linear_reserved = ~0ull << cpuid->linear_width;
    cpu->eptp_reserved = cpu->phys_reserved | (0xf80 & ~eptp_flags);
    cpu->efer_reserved = cpuid->efer_reserved;
    cpu->debugctl_reserved = cpuid->debugctl_reserved;
    cpu->perf_global_reserved = cpuid->perf_global_reserved;
    cpu->rtit_reserved = cpuid->rtit_reserved;
    cpu->lbr_reserved = cpuid->lbr_reserved;
    cpu->error_code_vectors = ERROR_CODE_VECTORS;
    if (any(caps->cr4_fixed1, CR4_CET))
        cpu->error_code_vectors |= BIT(VEC_CP);
    /* SDM 3C 25.4.2 "Guest Non-Register State": bits 3:0, 12, 14, and 16 with RTM */
    cpu->pending_dbg_reserved = ~(0x500full | (cpuid->rtm ? PENDING_DBG_RTM : 0));
    cpu->blocking_reserved = cpuid->sgx ? ~0x1fu : ~0xfu;
    cpu->nmi_needs_no_sti = cpuid->nmi_needs_no_sti;
}

enum rule_id rule_set_first(const struct rule_set *set)
{
    for (unsigned i = 0; i < RULE_WORDS; i++)
        if (set->word[i] != 0)
            return (enum rule_id)(64 * i + (unsigned)__builtin_ctzll(set->word[i]));
    return R_NONE;
}

struct verdict check_verdict(enum rule_id rule)
{
    struct verdict failed = {VERDICT_FAILED_ENTRY,
                             EXIT_REASON_ENTRY_GUEST_STATE | EXIT_REASON_ENTRY_FAIL, 0, rule};

    if (rule == R_NONE)
        return (struct verdict){VERDICT_OK, 0, 0, R_NONE};
    switch (rule_stage(rule)) {
    case STAGE_CONTROLS:
        return (struct verdict){VERDICT_VMFAIL, ERR_ENTRY_CONTROLS, 0, rule};
    case STAGE_HOST:
        return (struct verdict){VERDICT_VMFAIL, ERR_ENTRY_HOST_STATE, 0, rule};
    case STAGE_GUEST:
        break;
    /* The qualifications. SDM 3C 27.8 "VM-Entry Failures During or After Loading Guest State" */
    case STAGE_GUEST_PDPTE:
        failed.qualification = 2;
        break;
    case STAGE_GUEST_NMI:
        failed.qualification = 3;
        break;
    case STAGE_GUEST_LINK:
        failed.qualification = 4;
        break;
    case STAGE_MSR_LIST:
        failed.number = EXIT_REASON_ENTRY_MSR_LOADING | EXIT_REASON_ENTRY_FAIL;
        break;
    }
    return failed;
}

struct verdict check_entry(const struct vmcs_image *vmcs12, const struct check_env *env, u32 groups,
                           struct rule_set *broken)
{
    *broken = (struct rule_set){{0}};
    if (any(groups, CHECK_CONTROLS))
        check_controls(vmcs12, env, groups, broken);
    if (any(groups, CHECK_HOST))
        check_host(vmcs12, env, groups, broken);
    if (any(groups, CHECK_GUEST))
        check_guest(vmcs12, env, groups, broken);
    if (rule_set_empty(broken))
        return (struct verdict){VERDICT_OK, 0, 0, R_NONE};
    return check_verdict(rule_set_first(broken));
}
