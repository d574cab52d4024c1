/* SPDX-License-Identifier: BSD-2-Clause */
/* Bring-up of the nested state: what L1 is shown, vmcs02, and the pages that stand in where no
 * memory is. All memory is taken here, once: see ARCHITECTURE.md "Memory that nesting takes". */
#include "hv/nested/state/state.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/explain/explain.h"
#include "hv/nested/images/images.h"
#include "hv/core/lib.h"
#include "hv/vmcs12/profile.h"
#include "hv/vmx/insn.h"

/* L0's side of vmcs02: the host area of vmcs01, no VMCS link, no MSR areas. */
static void fill_base02(struct nested *n)
{
#define FIELD(enc, width, area, name, gate, to02, to12)                 \
    if (AREA_##area == AREA_HOST && any(n->hw_gates, BIT(GATE_##gate))) \
        vmcs12_set(&n->base02, F_##name, vmcs_read(enc));
#include "hv/vmcs12/fields.def"
    n->base02.vmcs_link_pointer = NO_VMCS;
}

static bool take_pages(struct cpu *cpu, struct nested *n)
{
    struct mem *mem = &cpu->vm->mem;
    n->msr_bitmap02 = mem_pages(mem, 1);
    n->page_of_ones = mem_pages(mem, 1);
    n->page_of_nowhere = mem_pages(mem, 1);
    if (!n->msr_bitmap02 || !n->page_of_ones || !n->page_of_nowhere)
        return false;
    memset(n->msr_bitmap02, 0xff, PAGE_SIZE);
    memset(n->page_of_ones, 0xff, PAGE_SIZE);
    memset(n->page_of_nowhere, 0xff, PAGE_SIZE);
    for (u32 i = 1; i <= ACTIVE_VMCSS; i++)
        if (!vmcs_alloc(&n->active[i].vmcs02, mem))
            return false;
    return true;
}

static const struct tlb_policy tlb_policies[] = {
    [BOOT_TLB_EAGER] = {.forgets = true},
    [BOOT_TLB_DEFAULT] = {0},
    [BOOT_TLB_STRICT] = {.keeps_tables = true, .keeps_upper = true, .shares_by_address = true},
};

bool nested_reserve(struct cpu *cpu)
{
    struct mem *mem = &cpu->vm->mem;
    struct nested *n = cpu->nested = mem_pages(mem, (sizeof *n + PAGE_SIZE - 1) / PAGE_SIZE);
    return n && take_pages(cpu, n) && shadow01_reserve(cpu) && ept02_init(cpu);
}

const char *nested_settle(struct cpu *cpu, u32 profile)
{
    struct vm *vm = cpu->vm;
    struct vmx_implemented impl = profile_implemented();
    struct vcaps_refusal no =
        vcaps_derive((enum vmx_profile)profile, &vm->facts.vmx, &impl, &cpu->nested->caps);
    if (!no.why)
        vm->shown = &cpu->nested->caps;
    return no.why;
}

void nested_init(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    n->tlb = tlb_policies[cpu->vm->tlb];
    cpu->rows[1] = exit_rows_l2;
    struct check_cpuid facts = nested_cpuid_facts(cpu);
    check_cpu_init(&n->check_cpu, &n->caps, &facts);
    for (u32 g = 0; g < GATE_COUNT; g++)
        n->hw_gates |= vcaps_gate(&cpu->vm->facts.vmx, (enum vmcs_gate)g) ? BIT(g) : 0;
    fill_base02(n);
    vmcs01_fetch_guest(cpu);
    for (u32 i = ACTIVE_VMCSS; i >= 1; i--) {
        n->now = &n->active[i];
        n->now->at = GPA1(NO_VMCS);
        vmcs_stamp(&n->now->vmcs02, VMX_BASIC_REVISION(cpu->vm->facts.vmx.basic));
        vmcs02_reset(cpu);
    }
    n->now = n->active;
    n->now->at = GPA1(NO_VMCS);
    residence_init(cpu);
    shadow01_init(cpu);
}

void nested_leave(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    for (u32 i = 1; i <= ACTIVE_VMCSS; i++) {
        vmcs_clear(cpu, &n->active[i].vmcs02);
        if (n->can_shadow01)
            vmcs_clear(cpu, &n->active[i].shadow01);
    }
}
