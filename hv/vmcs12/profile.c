/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The profiles' tables and the derivation of the capabilities shown to L1. vcaps_rules.c says which
 * sets of capabilities are possible. Contract in profile.h.
 */
#include "hv/vmcs12/profile.h"
#include "hv/arch/cpu.h"
#include "hv/vmcs12/vmcs12.h"

/* The MSRs that the three Broadwells share. All values of the i7-5600U are measured. For the two
 * Xeons no source has the fixed bits of CR0 and CR4, VMCS_ENUM and VMFUNC, so they have the i7's.
 * The three have one core design and the same CR4 features, and no field that only the Xeons have
 * has an index above 21. */
/* clang-format off */
#define BROADWELL_COMMON                                                                       \
    .basic = 0x00da040000000012, .cpu1 = 0xfff9fffe0401e172, .exit = 0x007fffff00036dff,       \
    .entry = 0x0000ffff000011ff, .misc = 0x300481e5, .cr0_fixed0 = 0x80000021,                 \
    .cr0_fixed1 = 0xffffffff, .cr4_fixed0 = 0x2000, .cr4_fixed1 = 0x3767ff, .vmcs_enum = 0x2a, \
    .ept_vpid = 0x00000f0106334141, .true_cpu1 = 0xfff9fffe04006172,                           \
    .true_exit = 0x007fffff00036dfb, .true_entry = 0x0000ffff000011fb, .vmfunc = 1

static const struct vmx_caps profiles[] = {
    [PROFILE_BROADWELL] = {BROADWELL_COMMON, .pin = 0x0000007f00000016,
                           .true_pin = 0x0000007f00000016, .cpu2 = 0x00057cff00000000},
    [PROFILE_E5_2683_V4] = {BROADWELL_COMMON, .pin = 0x000000ff00000016,
                            .true_pin = 0x000000ff00000016, .cpu2 = 0x00077fff00000000},
    [PROFILE_D_1540] = {BROADWELL_COMMON, .pin = 0x000000ff00000016, .true_pin = 0x000000ff00000016,
                        .cpu2 = 0x00077fff00000000},
};
/* clang-format on */

const struct vmx_caps *profile_caps(enum vmx_profile p)
{
    return p < PROFILE_HOST ? &profiles[p] : NULL;
}

#define MISC_ACTIVITIES \
    (VMX_MISC_ACTIVITY_HLT | VMX_MISC_ACTIVITY_SHUTDOWN | VMX_MISC_ACTIVITY_SIPI)
#define MISC_CR3_COUNT (0x1ffull << 16)
/* The longest MSR list and the MSEG revision. */
#define MISC_NUMBERS (7ull << 25 | 0xffffffffull << 32)
/* Neither default-1 nor a control of any processor so far. */
#define CPU1_RESERVED (BIT(0) | BIT(18))

/* Controls whose fields are only in the extension area are not here, even if the hardware has them:
 * L1's page has no bytes for these fields. CAVEAT(no-nested-pml) CAVEAT(cpuid-known) */
struct vmx_implemented profile_implemented(void)
{
    return (struct vmx_implemented){
        .pin = 0xffu,
        .cpu1 = ~(u32)(CPU1_TERTIARY | CPU1_RESERVED),
        /* The fields of the controls from bit 19 on are only in the extension area. */
        .cpu2 = 0x0007ffffu & ~(u32)(CPU2_ENCLS_EXITING | CPU2_ENABLE_PML),
        .exit = 0x007fffffu,
        .entry = 0x0000ffffu,
        .misc = MISC_ACTIVITIES | MISC_CR3_COUNT | VMX_MISC_ZERO_LEN_INJECT,
        .ept_vpid = 0x00000f0106334141ull | EPT_CAP_ADV_EXIT_INFO,
        .vmfunc = VMFUNC_EPTP_SWITCHING,
        .cr4 = CR4_KNOWN,
    };
}

/* A control that must be 1 in a or in b must be 1 in the result. A control may be 1 in the result
 * only when it may be 1 in both and is implemented. Bits that must be 1 are kept even if
 * `implemented` lacks them. */
static u64 narrow(u64 a, u64 b, u32 implemented)
{
    u32 must = (u32)a | (u32)b;
    u32 may = (u32)(a >> 32) & (u32)(b >> 32) & (implemented | must);
    return (u64)may << 32 | must;
}

/* The controls that L0 obeys without the processor's help. The profile alone decides about them. */
#define CPU2_IN_SOFTWARE ((u64)CPU2_VMCS_SHADOWING << 32)

/* Every default-1 control counts as implemented, even if a TRUE word lets L1 clear it. */
#define DEFAULT1(word) ((u32)(word))

static void narrow_controls(const struct vmx_caps *a, const struct vmx_caps *b,
                            const struct vmx_implemented *impl, struct vmx_caps *s)
{
    s->pin = narrow(a->pin, b->pin, impl->pin);
    s->cpu1 = narrow(a->cpu1, b->cpu1, impl->cpu1);
    s->exit = narrow(a->exit, b->exit, impl->exit);
    s->entry = narrow(a->entry, b->entry, impl->entry);
    s->cpu2 = narrow(a->cpu2, b->cpu2 | CPU2_IN_SOFTWARE, impl->cpu2);
    s->cpu3 = 0;
    s->exit2 = 0;
    s->ept_vpid = a->ept_vpid & b->ept_vpid & impl->ept_vpid;
    s->vmfunc = a->vmfunc & b->vmfunc & impl->vmfunc;
    if (!all(a->basic & b->basic, VMX_BASIC_TRUE_CTLS)) {
        s->true_pin = s->true_cpu1 = s->true_exit = s->true_entry = 0;
        s->basic &= ~VMX_BASIC_TRUE_CTLS;
        return;
    }
    s->true_pin = narrow(a->true_pin, b->true_pin, impl->pin | DEFAULT1(s->pin));
    s->true_cpu1 = narrow(a->true_cpu1, b->true_cpu1, impl->cpu1 | DEFAULT1(s->cpu1));
    s->true_exit = narrow(a->true_exit, b->true_exit, impl->exit | DEFAULT1(s->exit));
    s->true_entry = narrow(a->true_entry, b->true_entry, impl->entry | DEFAULT1(s->entry));
}

/* The smaller of the two numbers that a and b have in the bits of mask. */
static u64 smaller(u64 a, u64 b, u64 mask)
{
    return (a & mask) < (b & mask) ? a & mask : b & mask;
}

/* The profile decides about bits 15, 28 and 63:32, which speak of SMM, because L0 does not own SMM.
 * The profile also decides about bit 29, because L0 executes VMWRITE in software, and about the
 * longest MSR list. The timer rate is the hardware's, because the hardware counts. Reserved bits
 * are 0. CAVEAT(newer-controls)
 * SDM 3D A.6 "Miscellaneous Data" */
static u64 narrow_misc(u64 profile, u64 hw, u64 impl)
{
    u64 from_both = MISC_ACTIVITIES | VMX_MISC_PT_IN_VMX | VMX_MISC_ZERO_LEN_INJECT;
    u64 from_hw = 0x1f;
    u64 from_profile =
        VMX_MISC_SMBASE_RDMSR | VMX_MISC_SMI_UNBLOCK | VMX_MISC_WRITE_ANY_FIELD | MISC_NUMBERS;
    return (profile & from_profile) | (hw & from_hw) | (profile & hw & impl & from_both) |
           (profile & hw & VMX_MISC_SAVES_LMA) | smaller(profile & impl, hw, MISC_CR3_COUNT);
}

/* Only the hardware can give INS/OUTS information and take error codes with any vector. The layout
 * gives revision and size. L0 emulates bits 53:48 and bit 55. The other bits are 0, also bit 58,
 * FRED's nested exceptions. CAVEAT(vmcs-revision) CAVEAT(newer-controls) */
static u64 narrow_basic(u64 profile, u64 hw)
{
    u64 from_both = VMX_BASIC_INS_OUTS | VMX_BASIC_ANY_ERRCODE;
    u64 from_profile = 0x3full << 48 | VMX_BASIC_TRUE_CTLS;
    return (profile & from_profile) | (profile & hw & from_both) | (u64)VMCS12_SIZE << 32 |
           VMCS12_REVISION;
}

/* IA32_VMX_VMCS_ENUM[9:1]: the highest index of any encoding that exists.
 * SDM 3D A.9 "VMCS Enumeration" */
static u64 highest_index(const struct vmx_caps *caps)
{
    u64 highest = 0;
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        const struct vmcs_field_desc *d = vmcs12_desc(f);
        u64 index = d->encoding & 0x3feu;
        if (index > highest && vcaps_gate(caps, (enum vmcs_gate)d->gate))
            highest = index;
    }
    return highest;
}

struct vcaps_refusal vcaps_derive(enum vmx_profile p, const struct vmx_caps *hw,
                                  const struct vmx_implemented *impl, struct vmx_caps *shown)
{
    const struct vmx_caps *from = p == PROFILE_HOST ? hw : profile_caps(p);
    if (from == NULL)
        return (struct vcaps_refusal){"profile", "no such profile"};
    const char *why = vcaps_impossible(hw);
    if (why != NULL)
        return (struct vcaps_refusal){"hardware", why};
    *shown = *from;
    shown->basic = narrow_basic(from->basic, hw->basic);
    shown->misc = narrow_misc(from->misc, hw->misc, impl->misc);
    shown->cr0_fixed0 |= hw->cr0_fixed0;
    shown->cr0_fixed1 &= hw->cr0_fixed1;
    shown->cr4_fixed0 |= hw->cr4_fixed0;
    shown->cr4_fixed1 = hw->cr4_fixed1 & impl->cr4; /* as CPUID shows the processor's features */
    narrow_controls(from, hw, impl, shown);
    vcaps_close(shown);
    /* Broadwell has a field with index 23, the preemption timer, but reports 0x2a, which is index
     * 21. Its profile keeps this value. CAVEAT(vmcs-enum) */
    if (p == PROFILE_HOST)
        shown->vmcs_enum = highest_index(shown);
    why = vcaps_impossible(shown);
    return (struct vcaps_refusal){why != NULL ? "the two together" : NULL, why};
}
