/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds vmcs01. The firmware's context, which boot/handoff.asm captured, becomes L1's state. The
 * controls let L1 do natively all that it may: only exits that L0 needs are asked for, and
 * hv/dispatch.c has a handler for each of those. */
#include "hv/vmx/vmx.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

#define AR_NULL       AR_UNUSABLE
#define TR_LIMIT_NULL 0xffffu

/* VM entry needs a usable busy TSS in TR. A firmware that never loaded TR gets one with selector 0.
 * SDM 3C 27.3.1.2 "Checks on Guest Segment Registers" */
static void write_segments(const struct handoff *h)
{
    for (enum seg_number i = SEG_ES; i < SEG_COUNT; i++)
        vmcs_segment_write(i, &h->seg[i]);
    if (h->seg[SEG_TR].ar == AR_NULL) {
        struct segment tr = {.limit = TR_LIMIT_NULL, .ar = AR_P | AR_TYPE_BUSY_TSS};
        vmcs_segment_write(SEG_TR, &tr);
    }
    vmcs_write(ENC_guest_gdtr_base, h->gdtr.base);
    vmcs_write(ENC_guest_gdtr_limit, h->gdtr.limit);
    vmcs_write(ENC_guest_idtr_base, h->idtr.base);
    vmcs_write(ENC_guest_idtr_limit, h->idtr.limit);
}

static void write_registers(struct cpu *cpu, const struct handoff *h)
{
    cpu->cr0_shadow = h->cr0;
    cpu->cr4_shadow = h->cr4 & CR4_KNOWN;
    vmcs_write(ENC_guest_cr0, h->cr0 | CR0_NE);
    vmcs_write(ENC_cr0_read_shadow, h->cr0);
    vmcs_write(ENC_cr0_guest_host_mask, CR0_MASK01);
    vmcs_write(ENC_guest_cr3, h->cr3);
    vmcs_write(ENC_guest_cr4, cpu->cr4_shadow | CR4_VMXE);
    vmcs_write(ENC_cr4_read_shadow, cpu->cr4_shadow);
    vmcs_write(ENC_cr4_guest_host_mask, CR4_MASK01);
    vmcs_write(ENC_guest_dr7, h->dr7);
    vmcs_write(ENC_guest_rsp, h->rsp);
    vmcs_write(ENC_guest_rip, h->rip);
    vmcs_write(ENC_guest_rflags, h->rflags);
    vmcs_write(ENC_guest_debugctl, rdmsr(MSR_IA32_DEBUGCTL));
    vmcs_write(ENC_guest_sysenter_cs, rdmsr(MSR_IA32_SYSENTER_CS));
    vmcs_write(ENC_guest_sysenter_esp, rdmsr(MSR_IA32_SYSENTER_ESP));
    vmcs_write(ENC_guest_sysenter_eip, rdmsr(MSR_IA32_SYSENTER_EIP));
    vmcs_write(ENC_guest_pat, rdmsr(MSR_IA32_PAT));
    vmcs_write(ENC_guest_efer, h->efer);
    vmcs_write(ENC_guest_interruptibility, 0);
    vmcs_write(ENC_guest_activity_state, ACTIVITY_ACTIVE);
    vmcs_write(ENC_guest_pending_dbg_exceptions, 0);
    vmcs_write(ENC_vmcs_link_pointer, NO_VMCS);
}

/* EPT, unrestricted guest, VPID, and each control that enables an instruction which CPUID shows
 * to L1: without its control the instruction is #UD. */
static u32 want_cpu2(const struct cpu_facts *f)
{
    return CPU2_ENABLE_EPT | CPU2_UNRESTRICTED_GUEST | (f->vpid ? CPU2_ENABLE_VPID : 0) |
           (f->rdtscp ? CPU2_ENABLE_RDTSCP : 0) | (f->invpcid ? CPU2_ENABLE_INVPCID : 0) |
           (f->xsaves ? CPU2_ENABLE_XSAVES : 0) | (f->waitpkg ? CPU2_USER_WAIT_PAUSE : 0);
}

static void write_controls(struct cpu *cpu, const struct handoff *h)
{
    const struct vm *vm = cpu->vm;
    const struct vmx_caps *c = &vm->facts.vmx;
    u32 perf_exit = vm->facts.perf_global ? EXIT_LOAD_PERF_GLOBAL_CTRL : 0;
    u32 perf_entry = vm->facts.perf_global ? ENTRY_LOAD_PERF_GLOBAL_CTRL : 0;
    u32 long_mode = any(h->efer, EFER_LMA) ? ENTRY_IA32E_MODE_GUEST : 0;

    vmcs_write(ENC_pin_ctl, ctl_word(vcaps_pin(c), 0));
    vmcs_write(ENC_cpu1_ctl, ctl_word(vcaps_cpu1(c), L0_CPU1_CTL));
    vmcs_write(ENC_cpu2_ctl, ctl_word(vcaps_cpu2(c), want_cpu2(&vm->facts)));
    vmcs_write(ENC_exit_ctl, ctl_word(vcaps_exit(c), L0_EXIT_CTL | perf_exit));
    vmcs_write(ENC_entry_ctl, ctl_word(vcaps_entry(c), L0_ENTRY_CTL | long_mode | perf_entry));
    vmcs_write(ENC_exception_bitmap, 0);
    vmcs_write(ENC_pf_error_code_mask, 0);
    vmcs_write(ENC_pf_error_code_match, 0);
    vmcs_write(ENC_cr3_target_count, 0);
    vmcs_write(ENC_exit_msr_store_count, 0);
    vmcs_write(ENC_exit_msr_load_count, 0);
    vmcs_write(ENC_entry_msr_load_count, 0);
    vmcs_write(ENC_entry_intr_info, 0);
    vmcs_write(ENC_msr_bitmap_addr, vm->msr_bitmap_hpa.a);
    vmcs_write(ENC_ept_pointer, cpu->ept01->eptp);
    if (vm->facts.vpid)
        vmcs_write(ENC_vpid, VPID01);
    if (vcaps_gate(c, GATE_XSAVES))
        vmcs_write(ENC_xss_exit_bitmap, 0);
    if (vm->facts.perf_global)
        vmcs_write(ENC_guest_perf_global_ctrl, rdmsr(MSR_IA32_PERF_GLOBAL_CTRL));
}

bool cpu_reserve(struct cpu *cpu)
{
    struct mem *mem = &cpu->vm->mem;
    return vmcs_alloc(&cpu->vmxon, mem) && vmcs_alloc(&cpu->vmcs01, mem);
}

void vmcs01_init(struct cpu *cpu, const struct handoff *h)
{
    vmcs_stamp(&cpu->vmcs01, VMX_BASIC_REVISION(cpu->vm->facts.vmx.basic));
    vmcs_clear(cpu, &cpu->vmcs01);
    vmcs_load(cpu, &cpu->vmcs01);
    write_controls(cpu, h);
    write_registers(cpu, h);
    write_segments(h);
    vmcs_write_host(cpu);
    cpu->regs.gpr[REG_RAX] = HANDOFF_OK;
}

/* Without VPIDs every VM entry flushes, and nothing is left to do. */
void vpid01_flush(const struct cpu *cpu)
{
    if (cpu->vm->facts.vpid)
        vpid_flush(cpu->vm, VPID01);
}

void vpid_flush(const struct vm *vm, u16 vpid)
{
    bool single = any(vm->facts.vmx.ept_vpid, VPID_CAP_SINGLE);
    percpu()->vpid_flushes++;
    if (invvpid(single ? INVVPID_SINGLE : INVVPID_ALL, vpid, 0) != VMX_OK)
        panic("bug: INVVPID of tag %u was refused", vpid);
}
