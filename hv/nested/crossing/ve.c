/*
 * What L2 uses of virtualization by itself: virtualization exceptions and VM functions. The CPU
 * is never asked for either: EPT02's gaps must not raise #VE, and an EPTP that L2 switches to
 * is L1's to be composed first.
 */
#include "hv/nested/ept02/ept02.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"
#include "hv/core/insn.h"

/* SDM 3C 26.5.7.2 "Virtualization-Exception Information" */
struct ve_info {
    u32 reason;
    u32 busy; /* 0: the area is free; the processor writes all ones */
    u64 qualification, gla, gpa;
    u16 eptp_index;
} PACKED;

/* SDM 3C 26.5.7.1 "Convertible EPT Violations": the control, CR0.PE, no event in delivery, and
 * a free information area. */
bool nested_ve_delivered(struct cpu *cpu)
{
    const struct vmcs_image *v = &cpu->nested->vmcs12;
    struct ve_info info;
    exit_more(cpu, SNAP_MODE | SNAP_IDT | SNAP_GLA);
    if (!any(vmcs12_cpu2(v), CPU2_EPT_VIOLATION_VE))
        return false;
    if (!any(cpu->st.cr0, CR0_PE) || any(cpu->exit.idt_info, INTR_VALID))
        return false;
    if (!gpa1_read(cpu->vm, GPA1(v->ve_info_addr), &info, sizeof info) || info.busy != 0)
        return false;
    info = (struct ve_info){.reason = EXIT_REASON_EPT_VIOLATION, .busy = ~0u, .qualification = cpu->exit.qual,
                            .gla = cpu->exit.gla, .gpa = cpu->exit.gpa, .eptp_index = v->eptp_index};
    return gpa1_write(cpu->vm, GPA1(v->ve_info_addr), &info, sizeof info);
}

#define EPTP_LIST_ENTRIES 512u

/* EPTP switching, VM function 0: the route has found that L2 asks for it, and that VMCS12 enables it. No
 * other function can be enabled. A switch that is refused is an exit to L1.
 * SDM 3C 26.5.6.3 "EPTP Switching" */
enum outcome nested_vmfunc(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct vmcs_image *v = &n->vmcs12;
    u32 index = (u32)cpu->regs.gpr[REG_RCX];
    u64 eptp12;
    if (index >= EPTP_LIST_ENTRIES)
        return REFLECT;
    index &= (u32)index_mask(index, EPTP_LIST_ENTRIES);
    if (!gpa1_read(cpu->vm, GPA1(v->eptp_list_addr + 8ull * index), &eptp12, sizeof eptp12) ||
        !check_eptp(eptp12, &n->check_cpu))
        return REFLECT;
    v->ept_pointer = eptp12;
    nested_changed(n, check_groups_of(F_ept_pointer));
    if (any(v->cpu2_ctl, CPU2_EPT_VIOLATION_VE))
        v->eptp_index = (u16)index;
    n->image02.ept_pointer = ept02_pointer(cpu, eptp12);
    vmcs_write(ENC_ept_pointer, n->image02.ept_pointer);
    return ADVANCE;
}
