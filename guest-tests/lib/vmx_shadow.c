/* SPDX-License-Identifier: BSD-2-Clause */
/* The shadow VMCS of the nested guest tests. Contract in vmx_shadow.h. */
#include "guest-tests/lib/vmx_shadow.h"
#include "guest-tests/lib/vmx_insn.h"

enum { CR2_BEFORE = 0xc2c2c000, BASE_AR = 0x1b000, REASON_APIC_ACCESS = 44 };

static u64 kept[VMX_FIELDS];
static u64 cr2_after;

/* No two fields have the same; no bit that access rights reserve is set in the low half. */
static u64 value_of(u64 i)
{
    return (0xf1e10000 + i) << 32 | BASE_AR | i;
}

void shadow_control(void)
{
    SetMem(arena(PG_VMREAD_BITMAP), 2 * 4096, 0);
    l2.f[VI_PROC_CTL] |= PROC_SECONDARY;
    l2.f[VI_PROC2_CTL] |= PROC2_SHADOW;
    l2.f[VI_VMCS_LINK_PTR] = ARENA_AT(PG_VMCS_C);
}

void shadow_world(enum l2_mode mode)
{
    l2_world(mode);
    shadow_control();
}

void shadow_fill(void)
{
    SetMem(arena(PG_VMCS_C), 4096, 0);
    *(u32 *)arena(PG_VMCS_C) = *(u32 *)arena(PG_VMXON) | 1u << 31;
    vmx_vmclear(ARENA_AT(PG_VMCS_C));
    vmx_vmptrld(ARENA_AT(PG_VMCS_C));
    for (unsigned i = 0; i < VMX_FIELDS; i++) {
        if (l2_present[i])
            vmx_vmwrite(vmx_field[i].enc, value_of(i));
    }
    for (unsigned i = 0; i < VMX_FIELDS; i++) {
        if (l2_present[i])
            vmx_vmread(vmx_field[i].enc, &kept[i]);
    }
    vmx_vmclear(ARENA_AT(PG_VMCS_C));
}

void shadow_enter(void)
{
    __asm__ volatile("mov %0, %%cr2" : : "r"((u64)CR2_BEFORE));
    l2_enter(false);
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2_after));
}

/* A fault that exits, and an EPT violation or an APIC access, save RF = 1. It is judged here and
 * then taken from the report; but for #UD, an exit of the CPU itself whoever is below. SDM 3C
 * 28.3.3 "Saving RIP, RSP, RFLAGS, and SSP" */
void shadow_resume_flag(const char *name)
{
    u32 reason = (u32)l2_seen[VI_EXIT_REASON], info = (u32)l2_seen[VI_EXIT_INTR_INFO];
    u32 vector = reason == REASON_EXCEPTION ? info & 0xff : 0;
    bool fault = reason == REASON_EXCEPTION && (info & 0x700) == INTR_HARD_EXC && vector != 1;
    bool access = reason == REASON_EPT_VIOLATION || reason == REASON_EPT_MISCONFIG ||
                  reason == REASON_APIC_ACCESS;

    if (!fault && !access)
        return;
    gt_check(vector == 6 || (l2_seen[VI_GUEST_RFLAGS] & FLAG_RF), "%s.%s.rf: clear",
             l2_mode_name[l2.mode], l2_one_word(name));
    l2_seen[VI_GUEST_RFLAGS] &= ~FLAG_RF;
}

void shadow_left(const char *name)
{
    char text[200];
    size_t used = gt_format(text, sizeof text, "error %lu", l2_seen[VI_INSN_ERROR]);

    vmx_vmptrld(ARENA_AT(PG_VMCS_C));
    for (unsigned i = 0; i < VMX_FIELDS; i++) {
        u64 v = kept[i];

        if (l2_present[i])
            vmx_vmread(vmx_field[i].enc, &v);
        if (l2_present[i] && v != kept[i])
            used += gt_format(text + used, sizeof text - used, " %s=%lx", vmx_field[i].name, v);
    }
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    if (cr2_after != CR2_BEFORE)
        gt_format(text + used, sizeof text - used, " cr2 %lx", cr2_after);
    gt_line("%s.%s.left: %s", l2_mode_name[l2.mode], l2_one_word(name), text);
}

void shadow_cases(const struct l2_case *c, size_t n)
{
    for (size_t i = 0; i < n; i += vmx_option("every", 1)) {
        shadow_world((enum l2_mode)c[i].mode);
        shadow_fill();
        l2_code(c[i].code, c[i].len);
        l2_apply(c[i].set, L2_SETS);
        l2_write();
        shadow_enter();
        shadow_resume_flag(c[i].name);
        l2_report(c[i].name);
        shadow_left(c[i].name);
    }
}
