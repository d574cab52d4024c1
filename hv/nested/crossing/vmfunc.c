/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM functions of L2, done in software: L2 switches to an EPTP12, and the CPU needs the EPTP of the
 * EPT02 that stands for it.
 */
#include "hv/nested/crossing/private.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

#define EPTP_LIST_ENTRIES 512u

/* EPTP switching, VM function 0. The route has found that L2 asks for this function and that VMCS12
 * enables it. No other function can be enabled. A switch that is refused is an exit to L1.
 * SDM 3C 26.5.6.3 "EPTP Switching" */
enum outcome nested_vmfunc(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct vmcs_image *v = &n->now->vmcs12;
    u32 index = (u32)cpu->regs.gpr[REG_RCX];
    u64 eptp12;
    if (index >= EPTP_LIST_ENTRIES)
        return REFLECT;
    index &= (u32)index_mask(index, EPTP_LIST_ENTRIES);
    if (!gpa1_read(cpu, GPA1(v->eptp_list_addr + 8ull * index), &eptp12, sizeof eptp12) ||
        !check_eptp(eptp12, &n->check_cpu))
        return REFLECT;
    v->ept_pointer = eptp12;
    nested_changed(n, check_groups_of(F_ept_pointer));
    if (any(v->cpu2_ctl, CPU2_EPT_VIOLATION_VE))
        v->eptp_index = (u16)index;
    n->now->image02.ept_pointer = ept02_pointer(cpu, eptp12);
    vmcs_write(ENC_ept_pointer, n->now->image02.ept_pointer);
    return ADVANCE;
}
