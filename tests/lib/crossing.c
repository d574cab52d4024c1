/* SPDX-License-Identifier: BSD-2-Clause */
/* Check-then-merge-then-check. Contract in crossing.h. */
#include "tests/lib/crossing.h"
#include "tests/lib/everything.h"

static enum vmx_profile profile_of(enum valid_cpu cpu)
{
    static const u8 map[] = {PROFILE_BROADWELL, PROFILE_E5_2683_V4, PROFILE_D_1540};
    return valid_is_host(cpu) ? PROFILE_HOST : (enum vmx_profile)map[cpu];
}

/* L1's registers, and hpas that look like no address of vmcs12. */
static void start_merge(struct crossing *c)
{
    c->m = (struct merge_env){.v12 = &c->l1.v, .base = &c->hw.v, .hw = &c->hw.caps};
    c->m.l0.cpu2 = CPU2_ENABLE_EPT;
    c->m.l1 = (struct merge_l1){.cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_PE,
                                .dr7 = 0x400,
                                .pat = 0x0007040600070406,
                                .efer = EFER_LMA | EFER_LME | EFER_SCE | EFER_NXE};
    c->m.addr = (struct merge_addr){
        HPA(0x1000000), HPA(0x1001000), HPA(0x1002000), HPA(0x1003000),
        HPA(0x1004000), HPA(0x1005000), false,          0x1007000 | EPTP_WALK_4 | MT_WB};
}

bool crossing_start(struct crossing *c, enum valid_base base, enum valid_cpu shown,
                    enum valid_cpu hw)
{
    struct vmx_implemented everything = profile_everything();
    struct vmx_caps caps;

    valid_build(&c->hw, BASE_LONG, hw);
    valid_build(&c->l1, base, shown);
    if (vcaps_derive(profile_of(shown), &c->hw.caps, &everything, &caps).whose)
        return false;
    c->l1.caps = caps;
    c->l1.cpuid.maxphyaddr = c->hw.cpuid.maxphyaddr;
    c->l1.env.link_header = VMX_BASIC_REVISION(caps.basic);
    start_merge(c);
    return true;
}

void crossing_l0_needs(struct crossing *c, u64 random)
{
    struct merge_l0 *l0 = &c->m.l0;

    if (random & 1)
        l0->vpid02 = 7;
    if (random & 2) /* own some of CR4 that nobody turned on */
        l0->cr4_mask = CR4_SMXE | CR4_CET;
}

enum crossing_result crossing_try(struct crossing *c, enum rule_id *rule)
{
    struct rule_set broken;
    struct valid judge = c->hw;

    *rule = valid_judge(&c->l1, &broken).rule;
    if (*rule != R_NONE)
        return CROSSING_REFUSED;
    for (u32 i = 0; i < 4; i++)
        c->m.pdpte[i] = c->l1.env.pdpte[i];
    merge_vmcs02(&c->m, &c->v02);

    judge.v = c->v02;
    judge.env.vtpr = c->l1.env.vtpr;
    judge.env.vtpr_valid = c->l1.env.vtpr_valid;
    *rule = valid_judge(&judge, &broken).rule;
    return *rule == R_NONE ? CROSSING_PASSED : CROSSING_BROKEN;
}
