/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stress=paranoid: at each crossing on the short path the plain path is gone as well, into images,
 * and the results are compared field by field. The images are those that the plain path would use.
 */
#include "hv/paranoid/audits.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/crossing/private.h"
#include "hv/nested/images/images.h"
#include "hv/core/lib.h"
#include "hv/vmcs12/merge.h"
#include "hv/vmcs12/sync.h"
#include "hv/vmx/insn.h"

/* base12 becomes VMCS12 as the plain path would leave it, image01 L1's state. */
void short_audit_leaving(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    exit_more(cpu, SNAP_TOLD);
    vmcs02_fetch_guest(cpu);
    n->base12 = n->now->vmcs12;
    struct sync_env s = {&n->now->image02, &cpu->exit, &n->caps};
    struct host_env h = {.v12 = &n->base12,
                         .left = &n->now->image02,
                         .reason = cpu->exit.reason,
                         .intr_info = cpu->exit.intr_info,
                         .maxphyaddr = cpu->vm->facts.phys_bits};
    (void)sync_exit12(&s, &n->base12);
    if (sync_host12(&h, &n->image01) != ABORT_NONE)
        panic("bug: the short path takes an exit that is a VMX abort");
}

/* Checks that the groups which were skipped would have passed. */
void short_audit_judged(const struct nested *n, const struct check_env *env,
                        const struct rule_set *broken)
{
    struct rule_set all;
    (void)!check_entry(&n->now->vmcs12, env, CHECK_ALL, &all).outcome;
    if (memcmp(&all, broken, sizeof all) != 0)
        panic("bug: rules were skipped that are broken, the first: %s",
              rule_name(rule_set_first(&all)));
}

static void compare_host(u64 encoding, u64 want)
{
    if (vmcs_read(encoding) != want)
        panic("bug: the short path gives L1 %lx in %s", vmcs_read(encoding),
              vmcs_field_name(encoding));
}

static void compare_images(const struct vmcs_image *is, const struct vmcs_image *want,
                           const char *what)
{
    for (u32 f = 0; f < F_COUNT; f++)
        if (vmcs12_get(is, (enum vmcs_field)f) != vmcs12_get(want, (enum vmcs_field)f))
            panic("bug: %s: %s is %lx and not %lx", what, vmcs12_name((enum vmcs_field)f),
                  vmcs12_get(is, (enum vmcs_field)f), vmcs12_get(want, (enum vmcs_field)f));
}

void short_audit_left(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct vmcs_image *v = &n->image01;
    u64 lma = any(vmcs_read(ENC_entry_ctl), ENTRY_IA32E_MODE_GUEST) ? ENTRY_IA32E_MODE_GUEST : 0;
    u64 cr0 = v->guest_cr0, cr4 = v->guest_cr4;
    v->guest_cr4 = (cr4 | CR4_VMXE) & CR4_KNOWN;
#define HOST01(name) compare_host(ENC_##name, vmcs12_get(v, F_##name));
#include "hv/vmcs12/host01.def"
    compare_host(ENC_guest_cr0, cr0 | CR0_NE);
    compare_host(ENC_cr0_read_shadow, cr0);
    compare_host(ENC_cr4_read_shadow, cr4);
    compare_host(ENC_guest_efer, v->guest_efer);
    compare_host(ENC_guest_pat, v->guest_pat);
    if (any(n->hw_gates, BIT(GATE_GUEST_PERF_GLOBAL)))
        compare_host(ENC_guest_perf_global_ctrl, v->guest_perf_global_ctrl);
    compare_host(ENC_guest_interruptibility, v->guest_interruptibility);
    compare_host(ENC_guest_activity_state, ACTIVITY_ACTIVE);
    if (lma != (v->entry_ctl & ENTRY_IA32E_MODE_GUEST) ||
        any(vmcs_read(ENC_entry_intr_info), INTR_VALID))
        panic("bug: the short path leaves entry controls %lx", vmcs_read(ENC_entry_ctl));
    residence_look(cpu, &n->want02);
    compare_images(&n->want02, &n->base12, "VMCS12 after an exit on the short path");
}

/* The working copy waits in the memory of a blob. want02 becomes what merge makes of all of VMCS12.
 * A broken rule is noted in base12, whose header merge does not look at. */
void short_audit_entering(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct check_env env = {0};
    u32 settled = n->now->settled;
    struct vmcs_image *kept = (struct vmcs_image *)n->blob;
    residence_look(cpu, &n->base12);
    *kept = n->now->vmcs12;
    n->now->vmcs12 = n->base12;
    n->now->settled = 0;
    struct verdict v = nested_judge(cpu, &env);
    if (v.rule == R_NONE)
        nested_merge(cpu, env.pdpte);
    n->base12.abort = v.rule;
    n->now->vmcs12 = *kept;
    n->now->settled = settled;
}

/* L2 does not use PAE paging on the short path, so nothing reads its PDPTEs. Without a TPR shadow
 * nothing reads the threshold. */
static bool matters(const struct vmcs_image *want, enum vmcs_field f)
{
    if (f == F_tpr_threshold)
        return any(want->cpu1_ctl, CPU1_USE_TPR_SHADOW);
    return f < F_guest_pdptr0 || f > F_guest_pdptr3;
}

void short_audit_entered(struct cpu *cpu)
{
    const struct nested *n = cpu->nested;
    if (n->base12.abort != R_NONE)
        panic("bug: the short path enters L2 against rule %s",
              rule_name((enum rule_id)n->base12.abort));
    for (u32 f = 0; f < F_COUNT; f++) {
        const struct vmcs_field_desc *d = vmcs12_desc((enum vmcs_field)f);
        u64 want = vmcs12_get(&n->want02, (enum vmcs_field)f);
        if (d->area != AREA_RO && matters(&n->want02, (enum vmcs_field)f) &&
            any(n->hw_gates, BIT(d->gate)) && vmcs_read(d->encoding) != want)
            panic("bug: the short path enters L2 with %s %lx and not %lx",
                  vmcs12_name((enum vmcs_field)f), vmcs_read(d->encoding), want);
    }
}
