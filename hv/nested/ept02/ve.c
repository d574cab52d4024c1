/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtualization exceptions of L2, made in software. The CPU must not make them, as a gap of EPT02
 * would raise #VE.
 */
#include "hv/nested/ept02/tables.h"
#include "hv/vmx/guestmem.h"

/* SDM 3C 26.5.7.2 "Virtualization-Exception Information" */
struct ve_info {
    u32 reason;
    u32 busy; /* 0: the area is free; the processor writes all ones */
    u64 qualification, gla, gpa;
    u16 eptp_index;
} PACKED;

/* SDM 3C 26.5.7.1 "Convertible EPT Violations": the control, CR0.PE, no event in delivery, and
 * a free information area. */
bool ve_delivered(struct cpu *cpu)
{
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    struct ve_info info;
    exit_more(cpu, SNAP_MODE | SNAP_IDT | SNAP_GLA);
    if (!any(vmcs12_cpu2(v), CPU2_EPT_VIOLATION_VE))
        return false;
    if (!any(cpu->st.cr0, CR0_PE) || any(cpu->exit.idt_info, INTR_VALID))
        return false;
    if (!gpa1_read(cpu, GPA1(v->ve_info_addr), &info, sizeof info) || info.busy != 0)
        return false;
    info = (struct ve_info){.reason = EXIT_REASON_EPT_VIOLATION,
                            .busy = ~0u,
                            .qualification = cpu->exit.qual,
                            .gla = cpu->exit.gla,
                            .gpa = cpu->exit.gpa,
                            .eptp_index = v->eptp_index};
    return gpa1_write(cpu, GPA1(v->ve_info_addr), &info, sizeof info);
}
