/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in leave.h. CAVEAT(left-tr) SDM 3C 24.7 "Enabling and Entering VMX Operation" */
#include "hv/vmx/leave.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

static void give_back_msrs(const struct cpu *cpu)
{
    wrmsr(MSR_IA32_DEBUGCTL, vmcs_read(ENC_guest_debugctl));
    wrmsr(MSR_IA32_SYSENTER_CS, vmcs_read(ENC_guest_sysenter_cs));
    wrmsr(MSR_IA32_SYSENTER_ESP, vmcs_read(ENC_guest_sysenter_esp));
    wrmsr(MSR_IA32_SYSENTER_EIP, vmcs_read(ENC_guest_sysenter_eip));
    wrmsr(MSR_IA32_PAT, vmcs_read(ENC_guest_pat));
    if (cpu->vm->facts.perf_global)
        wrmsr(MSR_IA32_PERF_GLOBAL_CTRL, vmcs_read(ENC_guest_perf_global_ctrl));
    if (any(cpu->percpu.spec, SPEC_CTRL))
        wrmsr(MSR_IA32_SPEC_CTRL, cpu->percpu.guest_spec_ctrl);
}

/* L1's own view of CR0 and CR4: without the bits that VMX operation wants. */
static void give_back_registers(const struct cpu *cpu, struct handoff *h)
{
    h->rsp = vmcs_read(ENC_guest_rsp);
    h->cr0 = (vmcs_read(ENC_guest_cr0) & ~(u64)CR0_MASK01) | (cpu->cr0_shadow & CR0_MASK01);
    h->cr3 = vmcs_read(ENC_guest_cr3);
    h->cr4 = (vmcs_read(ENC_guest_cr4) & ~(u64)CR4_MASK01) | (cpu->cr4_shadow & CR4_MASK01);
    h->efer = vmcs_read(ENC_guest_efer);
    h->dr7 = vmcs_read(ENC_guest_dr7);
    h->gdtr.base = vmcs_read(ENC_guest_gdtr_base);
    h->gdtr.limit = (u16)vmcs_read(ENC_guest_gdtr_limit);
    h->idtr.base = vmcs_read(ENC_guest_idtr_base);
    h->idtr.limit = (u16)vmcs_read(ENC_guest_idtr_limit);
    for (enum seg_number i = 0; i < SEG_COUNT; i++) {
        h->seg[i] = vmcs_hidden_part_read(i);
        h->seg[i].selector = vmcs_selector_read(i);
    }
}

void vmx_leave(struct cpu *cpu, struct handoff *h)
{
    if (h) {
        give_back_registers(cpu, h);
        give_back_msrs(cpu);
    }
    vmcs_clear(cpu, &cpu->vmcs01);
    if (vmxoff() != VMX_OK)
        panic("bug: VMXOFF was refused");
}
