/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds the valid images. Numbers are the SDM's, chosen plain; nothing is taken from
 * check_*.c. */
#include "tests/lib/valid.h"
#include "hv/vmcs12/profile.h"

#include <string.h>

/* IA32_VMX_* of Bochs 2.7, cpu model broadwell_ult, as read in it. */
static const struct vmx_caps bochs_caps = {
    .basic = 0x00d810000000002b,
    .pin = 0x0000007f00000016,
    .cpu1 = 0xf7f9fffe0401e172,
    .exit = 0x007fffff00036dff,
    .entry = 0x0000ffff000011ff,
    .misc = 0x00000000200401e0,
    .cr0_fixed0 = 0x80000021,
    .cr0_fixed1 = 0xffffffff,
    .cr4_fixed0 = 0x2000,
    .cr4_fixed1 = 0x3727ff,
    .vmcs_enum = 0x34,
    .cpu2 = 0x00057fff00000000,
    .ept_vpid = 0x00000f0106334141,
    .true_pin = 0x0000007f00000016,
    .true_cpu1 = 0xf7f9fffe04006172,
    .true_exit = 0x007fffff00036dfb,
    .true_entry = 0x0000ffff000011fb,
    .vmfunc = 1,
};

/* The MSRs in which neither of tests/data/newer_vmx_msrs.csv differs from the other. */
#define NEWER_COMMON                                                                    \
    .basic = 0x00da040000000004, .pin = 0x0000007f00000016, .cpu1 = 0xfff9fffe0401e172, \
    .exit = 0x01ffffff00036dff, .entry = 0x0003ffff000011ff, .misc = 0x7004c1e7,        \
    .cr0_fixed0 = 0x80000021, .cr0_fixed1 = 0xffffffff, .cr4_fixed0 = 0x2000,           \
    .cr4_fixed1 = 0x3727ff, .vmcs_enum = 0x2e, .true_pin = 0x0000007f00000016,          \
    .true_cpu1 = 0xfff9fffe04006172, .true_exit = 0x01ffffff00036dfb,                   \
    .true_entry = 0x0003ffff000011fb, .vmfunc = 1

static const struct vmx_caps skylake = {NEWER_COMMON, .cpu2 = 0x001ffcff00000000,
                                        .ept_vpid = 0x00000f0106334141};
static const struct vmx_caps coffee_lake = {NEWER_COMMON, .cpu2 = 0x005fbcff00000000,
                                            .ept_vpid = 0x00000f0106734141};

const char *valid_base_name(enum valid_base base)
{
    static const char *const names[] = {"long", "plain",   "compat", "pae", "pae-plain",
                                        "p32",  "unpaged", "real",   "v86"};
    return names[base];
}

const char *valid_cpu_name(enum valid_cpu cpu)
{
    static const char *const names[] = {"i7-5600U", "E5-2683v4", "D-1540",
                                        "bochs",    "i7-6700K",  "Coffee Lake"};
    return names[cpu];
}

const struct vmx_caps *valid_caps(enum valid_cpu cpu)
{
    switch (cpu) {
    case CPU_I7_5600U:
        return profile_caps(PROFILE_BROADWELL);
    case CPU_E5_2683_V4:
        return profile_caps(PROFILE_E5_2683_V4);
    case CPU_D_1540:
        return profile_caps(PROFILE_D_1540);
    case CPU_I7_6700K:
        return &skylake;
    case CPU_COFFEE_LAKE:
        return &coffee_lake;
    default:
        return &bochs_caps;
    }
}

static struct check_cpuid cpuid_of(enum valid_cpu cpu)
{
    /* The source of Coffee Lake's MSRs has not its width, so it has the i7-6700K's. */
    static const u8 widths[CPU_COUNT] = {39, 46, 46, 40, 39, 39};

    return (struct check_cpuid){
        .maxphyaddr = widths[cpu],
        .linear_width = 48,
        .nmi_needs_no_sti = true,
        .efer_reserved = ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE),
        .debugctl_reserved = ~0x1fc3ull,
        .perf_global_reserved = ~0x70000000full,
    };
}

static void build_controls(struct vmcs_image *v, enum valid_base base, const struct vmx_caps *caps)
{
    v->pin_ctl = (u32)caps->true_pin;
    v->cpu1_ctl = (u32)caps->true_cpu1;
    v->exit_ctl = (u32)caps->true_exit;
    v->entry_ctl = (u32)caps->true_entry;
    if (base != BASE_P32)
        v->exit_ctl |= EXIT_HOST_ADDR_SPACE_SIZE;
    if (base == BASE_LONG || base == BASE_PLAIN || base == BASE_COMPAT)
        v->entry_ctl |= ENTRY_IA32E_MODE_GUEST;
    if (base == BASE_LONG || base == BASE_UNPAGED || base == BASE_REAL)
        valid_cpu2(v, CPU2_ENABLE_EPT | CPU2_UNRESTRICTED_GUEST | CPU2_ENABLE_VPID);
    if (base == BASE_PAE)
        valid_cpu2(v, CPU2_ENABLE_EPT);
    v->vpid = 1;
    v->ept_pointer = 0x20000 | EPTP_WALK_4 | MT_WB;
}

static void build_host(struct vmcs_image *v, bool host64)
{
    v->host_cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_PE;
    v->host_cr3 = 0x1000;
    v->host_cr4 = CR4_PAE | CR4_VMXE;
    v->host_cs_selector = 0x08;
    v->host_ss_selector = v->host_ds_selector = v->host_es_selector = 0x10;
    v->host_fs_selector = v->host_gs_selector = 0x10;
    v->host_tr_selector = 0x18;
    v->host_fs_base = v->host_gs_base = 0x3000;
    v->host_gdtr_base = 0x4000;
    v->host_idtr_base = 0x5000;
    v->host_tr_base = 0x6000;
    v->host_pat = 0x0007040600070406;
    v->host_efer = host64 ? EFER_LMA | EFER_LME : 0;
    v->host_rip = host64 ? 0xffffffff80001000 : 0x401000;
    v->host_rsp = 0x9000;
}

static void segments(struct vmcs_image *v, u16 cs, u16 ss, u64 base, u32 limit, u32 cs_ar,
                     u32 data_ar)
{
    v->guest_cs_selector = cs;
    v->guest_ss_selector = v->guest_ds_selector = v->guest_es_selector = ss;
    v->guest_fs_selector = v->guest_gs_selector = ss;
    v->guest_cs_base = v->guest_ss_base = v->guest_ds_base = base;
    v->guest_es_base = v->guest_fs_base = v->guest_gs_base = base;
    v->guest_cs_limit = v->guest_ss_limit = v->guest_ds_limit = limit;
    v->guest_es_limit = v->guest_fs_limit = v->guest_gs_limit = limit;
    v->guest_cs_ar = ar_pack(cs_ar);
    v->guest_ss_ar = v->guest_ds_ar = v->guest_es_ar = ar_pack(data_ar);
    v->guest_fs_ar = v->guest_gs_ar = ar_pack(data_ar);
}

static void build_segments(struct vmcs_image *v, enum valid_base base)
{
    switch (base) {
    case BASE_REAL:
        segments(v, 0x1000, 0x1000, 0x10000, 0xffff, 0x9b, 0x93);
        break;
    case BASE_V86:
        segments(v, 0x1000, 0x1000, 0x10000, 0xffff, 0xf3, 0xf3);
        break;
    case BASE_LONG:
    case BASE_PLAIN:
        segments(v, 0x08, 0x10, 0, 0xffffffff, 0xa09b, 0xc093);
        break;
    default:
        segments(v, 0x08, 0x10, 0, 0xffffffff, 0xc09b, 0xc093);
    }
    v->guest_tr_selector = 0x18;
    v->guest_tr_base = 0x6000;
    v->guest_tr_limit = 0x67;
    v->guest_tr_ar = ar_pack(0x8b);
    v->guest_ldtr_selector = 0x28;
    v->guest_ldtr_base = 0x7000;
    v->guest_ldtr_limit = 0xffff;
    v->guest_ldtr_ar = ar_pack(0x82);
}

static void build_guest(struct vmcs_image *v, enum valid_base base)
{
    bool paging = base != BASE_REAL && base != BASE_UNPAGED;
    bool pae = base <= BASE_PAE_PLAIN;

    v->guest_cr0 = CR0_NE | CR0_ET | (base == BASE_REAL ? 0 : CR0_PE) | (paging ? CR0_PG : 0);
    v->guest_cr3 = 0x2000;
    v->guest_cr4 = CR4_VMXE | (pae ? CR4_PAE : 0);
    v->guest_dr7 = 0x400;
    v->guest_pat = 0x0007040600070406;
    v->guest_efer = base <= BASE_COMPAT ? EFER_LMA | EFER_LME : 0;
    v->guest_gdtr_base = 0x8000;
    v->guest_gdtr_limit = v->guest_idtr_limit = 0xffff;
    v->guest_idtr_base = 0x9000;
    v->guest_rip = 0x1234;
    v->guest_rsp = 0x5000;
    v->guest_rflags = RFLAGS_FIXED | (base == BASE_V86 ? RFLAGS_VM : 0);
    v->vmcs_link_pointer = ~0ull;
    v->guest_pdptr0 = 0x30001;
    build_segments(v, base);
}

void valid_build(struct valid *t, enum valid_base base, enum valid_cpu cpu)
{
    memset(t, 0, sizeof(*t));
    t->caps = *valid_caps(cpu);
    t->cpuid = cpuid_of(cpu);
    t->v.revision = VMCS12_REVISION;
    build_controls(&t->v, base, &t->caps);
    build_host(&t->v, base != BASE_P32);
    build_guest(&t->v, base);
    t->env.in_ia32e_mode = base != BASE_P32;
    t->env.current_vmptr = 0x70000;
    t->env.pdpte_valid = true;
    t->env.pdpte[0] = 0x31001;
    t->env.vtpr_valid = t->env.link_valid = true;
    t->env.link_header = VMX_BASIC_REVISION(t->caps.basic);
}

struct verdict valid_judge(struct valid *t, struct rule_set *broken)
{
    check_cpu_init(&t->cpu, &t->caps, &t->cpuid);
    t->env.cpu = &t->cpu;
    return check_entry(&t->v, &t->env, CHECK_ALL, broken);
}

static bool allowed(u32 word, u64 msr)
{
    return ((u32)msr & ~word) == 0 && (word & ~(u32)(msr >> 32)) == 0;
}

bool valid_controls(struct valid *t)
{
    const struct vmcs_image *v = &t->v;

    return allowed(v->pin_ctl, t->caps.true_pin) && allowed(v->cpu1_ctl, t->caps.true_cpu1) &&
           allowed(v->exit_ctl, t->caps.true_exit) && allowed(v->entry_ctl, t->caps.true_entry) &&
           (!any(v->cpu1_ctl, CPU1_SECONDARY) || allowed(v->cpu2_ctl, t->caps.cpu2));
}
