/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of the VM-execution, VM-exit and VM-entry control fields. check_event.c has those of
 * event injection. Each rule is one statement. Within a group the rules are in rules.def order.
 * SDM 3C 27.2.1 "Checks on VMX Controls"
 */
#include "hv/vmcs12/check_break.h"

static u32 range_broken(u32 word, struct ctl_range range)
{
    return (range.must_be_1 & ~word) | (word & ~range.may_be_1);
}

/* SDM 3C 27.2.1.1 "VM-Execution Control Fields": reserved bits */
static void reserved_bits(const struct vmcs_image *v, const struct check_cpu *cpu, u32 cpu2,
                          struct rule_set *set)
{
    breaks(set, range_broken(v->pin_ctl, cpu->pin), R_pin_ctl);
    breaks(set, range_broken(v->cpu1_ctl, cpu->cpu1), R_cpu1_ctl);
    breaks(set, range_broken(cpu2, cpu->cpu2), R_cpu2_ctl);
    breaks(set, range_broken(v->exit_ctl, cpu->exit), R_exit_ctl);
    breaks(set, range_broken(v->entry_ctl, cpu->entry), R_entry_ctl);
    breaks(set, any(v->cpu1_ctl, CPU1_TERTIARY) && any(v->cpu3_ctl, ~cpu->cpu3), R_cpu3_ctl);
    breaks(set, any(v->exit_ctl, EXIT_SECONDARY) && any(v->exit2_ctl, ~cpu->exit2), R_exit2_ctl);
    breaks(set, v->cr3_target_count > VMX_MISC_CR3_TARGETS(cpu->misc), R_cr3_target_count);
}

/* The rules of controls that need "use TPR shadow" or virtual-interrupt delivery. */
static void apic_controls(const struct vmcs_image *v, u32 cpu2, struct rule_set *set)
{
    if (!any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW)) {
        breaks(set, any(cpu2, CPU2_VIRTUALIZE_X2APIC), R_x2apic_tpr_shadow);
        breaks(set, any(cpu2, CPU2_APIC_REGISTER_VIRT), R_apic_register_tpr_shadow);
        breaks(set, any(cpu2, CPU2_VIRTUAL_INTR_DELIVERY), R_virtual_intr_tpr_shadow);
    }
    breaks(set, all(cpu2, CPU2_VIRTUALIZE_X2APIC | CPU2_VIRTUALIZE_APIC_ACCESSES),
           R_x2apic_apic_access);
    breaks(set, any(cpu2, CPU2_VIRTUAL_INTR_DELIVERY) && !any(v->pin_ctl, PIN_EXT_INTR_EXITING),
           R_virtual_intr_ext_intr);
    if (any(v->pin_ctl, PIN_POSTED_INTERRUPTS)) {
        breaks(set, !any(cpu2, CPU2_VIRTUAL_INTR_DELIVERY), R_posted_virtual_intr);
        breaks(set, !any(v->exit_ctl, EXIT_ACK_INTR_ON_EXIT), R_posted_ack);
    }
}

/* The rules that read nothing but the control words. "Entry to SMM" and "deactivate dual-monitor
 * treatment" may be 1 only for an entry made in SMM, where no code of L1 runs. */
static void control_words(const struct vmcs_image *v, const struct check_cpu *cpu, u32 cpu2,
                          struct rule_set *set)
{
    u32 pin = v->pin_ctl;

    reserved_bits(v, cpu, cpu2, set);
    breaks(set, !any(pin, PIN_NMI_EXITING) && any(pin, PIN_VIRTUAL_NMIS), R_virtual_nmis);
    breaks(set, !any(pin, PIN_VIRTUAL_NMIS) && any(v->cpu1_ctl, CPU1_NMI_WINDOW_EXITING),
           R_nmi_window);
    apic_controls(v, cpu2, set);
    if (!any(cpu2, CPU2_ENABLE_EPT)) {
        breaks(set, any(cpu2, CPU2_ENABLE_PML), R_pml_ept);
        breaks(set, any(cpu2, CPU2_UNRESTRICTED_GUEST), R_unrestricted_ept);
    }
    breaks(set, !any(pin, PIN_PREEMPTION_TIMER) && any(v->exit_ctl, EXIT_SAVE_PREEMPTION_TIMER),
           R_save_preemption_timer);
    breaks(set, any(v->entry_ctl, ENTRY_TO_SMM), R_entry_to_smm);
    breaks(set, any(v->entry_ctl, ENTRY_DEACTIVATE_DUAL_MON), R_deactivate_dual_monitor);
}

static void eptp(u64 eptp12, const struct check_cpu *cpu, struct rule_set *set)
{
    u64 type = eptp12 & EPTP_MT_MASK, walk = eptp12 & EPTP_WALK_MASK;
    bool type_ok = (type == MT_WB && any(cpu->ept_vpid, EPT_CAP_WB)) ||
                   (type == MT_UC && any(cpu->ept_vpid, EPT_CAP_UC));
    bool walk_ok = (walk == EPTP_WALK_4 && any(cpu->ept_vpid, EPT_CAP_WALK_4)) ||
                   (walk == EPTP_WALK_5 && any(cpu->ept_vpid, EPT_CAP_WALK_5));

    breaks(set, !type_ok, R_eptp_memory_type);
    breaks(set, !walk_ok, R_eptp_walk_length);
    breaks(set, any(eptp12, EPTP_AD) && !any(cpu->ept_vpid, EPT_CAP_AD), R_eptp_accessed_dirty);
    breaks(set, any(eptp12, cpu->eptp_reserved), R_eptp_reserved);
}

bool check_eptp(u64 eptp12, const struct check_cpu *cpu)
{
    struct rule_set set = {{0}};
    eptp(eptp12, cpu, &set);
    return rule_set_first(&set) == R_NONE;
}

/* SDM 3C 25.6.14 "VM-Function Controls" */
static void vm_functions(const struct vmcs_image *v, const struct check_cpu *cpu, u32 cpu2,
                         struct rule_set *set)
{
    breaks(set, any(v->vmfunc_ctl, ~cpu->vmfunc), R_vmfunc_ctl);
    if (!any(v->vmfunc_ctl, VMFUNC_EPTP_SWITCHING))
        return;
    breaks(set, !any(cpu2, CPU2_ENABLE_EPT), R_eptp_switching_ept);
    breaks_addr(set, cpu, v->eptp_list_addr, PAGE_SIZE - 1, R_eptp_list_align, R_eptp_list_width);
}

/* The rules of addresses that a primary control puts in use. */
static void primary_pages(const struct vmcs_image *v, const struct check_cpu *cpu,
                          struct rule_set *set)
{
    u64 low = PAGE_SIZE - 1;

    if (any(v->cpu1_ctl, CPU1_USE_IO_BITMAPS))
        breaks_addr(set, cpu, v->io_bitmap_a_addr | v->io_bitmap_b_addr, low, R_io_bitmap_align,
                    R_io_bitmap_width);
    if (any(v->cpu1_ctl, CPU1_USE_MSR_BITMAPS))
        breaks_addr(set, cpu, v->msr_bitmap_addr, low, R_msr_bitmap_align, R_msr_bitmap_width);
    if (any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW))
        breaks_addr(set, cpu, v->virtual_apic_addr, low, R_virtual_apic_align,
                    R_virtual_apic_width);
}

/* The rules of addresses and values that a secondary control puts in use. */
static void secondary_pages(const struct vmcs_image *v, const struct check_cpu *cpu, u32 cpu2,
                            struct rule_set *set)
{
    u64 low = PAGE_SIZE - 1;

    if (any(cpu2, CPU2_VIRTUALIZE_APIC_ACCESSES))
        breaks_addr(set, cpu, v->apic_access_addr, low, R_apic_access_align, R_apic_access_width);
    if (any(cpu2, CPU2_ENABLE_VPID))
        breaks(set, v->vpid == 0, R_vpid_zero);
    if (any(cpu2, CPU2_ENABLE_EPT))
        eptp(v->ept_pointer, cpu, set);
    if (!any(cpu2,
             CPU2_ENABLE_PML | CPU2_ENABLE_VMFUNC | CPU2_VMCS_SHADOWING | CPU2_EPT_VIOLATION_VE))
        return;
    if (any(cpu2, CPU2_ENABLE_PML))
        breaks_addr(set, cpu, v->pml_addr, low, R_pml_align, R_pml_width);
    if (any(cpu2, CPU2_ENABLE_VMFUNC))
        vm_functions(v, cpu, cpu2, set);
    if (any(cpu2, CPU2_VMCS_SHADOWING))
        breaks_addr(set, cpu, v->vmread_bitmap_addr | v->vmwrite_bitmap_addr, low,
                    R_shadow_bitmap_align, R_shadow_bitmap_width);
    if (any(cpu2, CPU2_EPT_VIOLATION_VE))
        breaks_addr(set, cpu, v->ve_info_addr, low, R_ve_info_align, R_ve_info_width);
}

static void control_pages(const struct vmcs_image *v, const struct check_cpu *cpu, u32 cpu2,
                          struct rule_set *set)
{
    primary_pages(v, cpu, set);
    secondary_pages(v, cpu, cpu2, set);
    if (any(v->pin_ctl, PIN_POSTED_INTERRUPTS)) {
        breaks(set, v->posted_intr_vector > 255, R_posted_vector);
        breaks_addr(set, cpu, v->posted_intr_desc_addr, 63, R_posted_desc_align,
                    R_posted_desc_width);
    }
}

/* L1 can change VTPR in memory at any time, so this group is judged at every entry. */
static void tpr_threshold(const struct vmcs_image *v, const struct check_env *env, u32 cpu2,
                          struct rule_set *set)
{
    if (!any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW) || any(cpu2, CPU2_VIRTUAL_INTR_DELIVERY))
        return;
    breaks(set, v->tpr_threshold >> 4, R_tpr_threshold_reserved);
    if (env->vtpr_valid && !any(cpu2, CPU2_VIRTUALIZE_APIC_ACCESSES))
        breaks(set, (v->tpr_threshold & 0xf) > env->vtpr >> 4, R_tpr_threshold_vtpr);
}

/* The rules of an MSR area of `count` entries of 16 bytes. The count adds less than 2^36 bytes, so
 * the sum cannot wrap when the address itself is within the physical-address width. */
static void msr_area(const struct check_cpu *cpu, u64 addr, u32 count, struct rule_set *set,
                     enum rule_id align, enum rule_id width)
{
    if (count == 0)
        return;
    breaks(set, any(addr, 15), align);
    breaks(set, any(addr | (addr + count * 16ull - 1), cpu->phys_reserved), width);
}

static void msr_areas(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *set)
{
    msr_area(cpu, v->exit_msr_store_addr, v->exit_msr_store_count, set, R_exit_store_align,
             R_exit_store_width);
    msr_area(cpu, v->exit_msr_load_addr, v->exit_msr_load_count, set, R_exit_load_align,
             R_exit_load_width);
    msr_area(cpu, v->entry_msr_load_addr, v->entry_msr_load_count, set, R_entry_load_align,
             R_entry_load_width);
}

void check_controls(const struct vmcs_image *v, const struct check_env *env, u32 groups,
                    struct rule_set *broken)
{
    u32 cpu2 = vmcs12_cpu2(v);

    if (any(groups, CHECK_CTL_WORDS))
        control_words(v, env->cpu, cpu2, broken);
    if (any(groups, CHECK_CTL_PAGES))
        control_pages(v, env->cpu, cpu2, broken);
    if (any(groups, CHECK_TPR))
        tpr_threshold(v, env, cpu2, broken);
    if (any(groups, CHECK_MSR_AREAS))
        msr_areas(v, env->cpu, broken);
    if (any(groups, CHECK_EVENT) && any(v->entry_intr_info, INTR_VALID))
        check_event(v, env->cpu, broken);
}
