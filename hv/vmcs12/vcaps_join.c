/* SPDX-License-Identifier: BSD-2-Clause */
/* What several processors can do alike. Contract in vcaps.h.
 * SDM 3D A "VMX Capability Reporting Facility" */
#include "hv/vmcs12/vcaps.h"

#define BASIC_REVISION  0x7fffffffull
#define BASIC_SIZE      (0x1fffull << 32)
#define BASIC_MEMTYPE   (0xfull << 50)
#define MISC_TIMER_RATE 0x1full
#define MISC_CR3_COUNT  (0x1ffull << 16)
#define MISC_MSR_COUNT  (7ull << 25)
#define MISC_MSEG       (0xffffffffull << 32)
#define MISC_NUMBERS    (MISC_TIMER_RATE | MISC_CR3_COUNT | MISC_MSR_COUNT | MISC_MSEG)

/* A control word: a bit that must be 1 on one of them must be 1, and a bit may be 1 where both
 * allow it. */
static void join_control(u64 *all, u64 one)
{
    u64 must = (*all | one) & 0xffffffff, may = (*all & one) >> 32;
    *all = must | may << 32;
}

static u64 smaller(u64 a, u64 b, u64 field)
{
    return (a & field) < (b & field) ? a & field : b & field;
}

static u64 join_misc(u64 a, u64 b)
{
    return (a & b & ~MISC_NUMBERS) | (a & MISC_TIMER_RATE) | smaller(a, b, MISC_CR3_COUNT) |
           smaller(a, b, MISC_MSR_COUNT) | smaller(a, b, MISC_MSEG);
}

static u64 join_basic(u64 a, u64 b)
{
    u64 size = (a & BASIC_SIZE) > (b & BASIC_SIZE) ? a & BASIC_SIZE : b & BASIC_SIZE;
    return (a & b & ~BASIC_SIZE) | size;
}

static const char *differing(const struct vmx_caps *a, const struct vmx_caps *b)
{
    if (any(a->basic ^ b->basic, BASIC_REVISION))
        return "its VMCS revision is not that of the first processor";
    if (any(a->basic ^ b->basic, BASIC_MEMTYPE))
        return "its VMCS memory type is not that of the first processor";
    if (any(a->basic ^ b->basic, VMX_BASIC_TRUE_CTLS))
        return "only one of it and the first processor has the TRUE capability MSRs";
    if (any(a->misc ^ b->misc, MISC_TIMER_RATE))
        return "its VMX-preemption timer has another rate than that of the first processor";
    return NULL;
}

const char *vcaps_join(struct vmx_caps *all, const struct vmx_caps *one)
{
    const char *why = differing(all, one);
    if (why)
        return why;
    all->basic = join_basic(all->basic, one->basic);
    all->misc = join_misc(all->misc, one->misc);
    join_control(&all->pin, one->pin);
    join_control(&all->cpu1, one->cpu1);
    join_control(&all->exit, one->exit);
    join_control(&all->entry, one->entry);
    join_control(&all->true_pin, one->true_pin);
    join_control(&all->true_cpu1, one->true_cpu1);
    join_control(&all->true_exit, one->true_exit);
    join_control(&all->true_entry, one->true_entry);
    join_control(&all->cpu2, one->cpu2);
    all->cr0_fixed0 |= one->cr0_fixed0;
    all->cr0_fixed1 &= one->cr0_fixed1;
    all->cr4_fixed0 |= one->cr4_fixed0;
    all->cr4_fixed1 &= one->cr4_fixed1;
    all->vmcs_enum = one->vmcs_enum < all->vmcs_enum ? one->vmcs_enum : all->vmcs_enum;
    all->ept_vpid &= one->ept_vpid;
    all->vmfunc &= one->vmfunc;
    all->cpu3 &= one->cpu3;
    all->exit2 &= one->exit2;
    vcaps_close(all);
    return vcaps_impossible(all);
}
