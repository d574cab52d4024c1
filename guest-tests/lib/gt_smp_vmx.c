/* SPDX-License-Identifier: BSD-2-Clause */
/* Each processor's small VMX. Contract in gt_smp.h. */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/msr.h"

void smp_exit(void) GT_HIDDEN;

static u32 control(u32 msr, u32 want)
{
    u64 v = gt_rdmsr(msr);
    return (u32)v | (want & (u32)(v >> 32));
}

bool smp_vmx_on(struct smp_cpu *cpu)
{
    u64 feature = gt_rdmsr(MSR_IA32_FEATURE_CONTROL);
    if (!(feature & 1))
        gt_wrmsr(MSR_IA32_FEATURE_CONTROL, feature | 5);
    gt_write_cr0(gt_read_cr0() | CR0_NE);
    gt_write_cr4(gt_read_cr4() | CR4_VMXE);
    *(u32 *)cpu->vmxon = (u32)gt_rdmsr(MSR_IA32_VMX_BASIC) & 0x7fffffff;
    cpu->launched = false;
    return vmx_vmxon((u64)cpu->vmxon) == VMX_OK;
}

void smp_vmx_off(struct smp_cpu *cpu)
{
    (void)cpu;
    vmx_vmxoff();
    gt_write_cr4(gt_read_cr4() & ~(u64)CR4_VMXE);
}

static void write_host(struct smp_cpu *cpu)
{
    struct gt_table_register gdtr = gt_sgdt(), idtr = gt_sidt();
    vmx_vmwrite(V_HOST_CS_SEL, GT_CODE64);
    for (u32 sel = V_HOST_ES_SEL; sel <= V_HOST_GS_SEL; sel += 2)
        if (sel != V_HOST_CS_SEL)
            vmx_vmwrite(sel, GT_DATA);
    vmx_vmwrite(V_HOST_TR_SEL, GT_TSS);
    vmx_vmwrite(V_HOST_TR_BASE, (u64)gt_tss);
    vmx_vmwrite(V_HOST_CR0, gt_read_cr0());
    vmx_vmwrite(V_HOST_CR3, gt_read_cr3());
    vmx_vmwrite(V_HOST_CR4, gt_read_cr4());
    vmx_vmwrite(V_HOST_GDTR_BASE, gdtr.base);
    vmx_vmwrite(V_HOST_IDTR_BASE, idtr.base);
    vmx_vmwrite(V_HOST_GS_BASE, (u64)&cpu->l1);
    vmx_vmwrite(V_HOST_EFER, gt_rdmsr(MSR_IA32_EFER));
    vmx_vmwrite(V_HOST_RIP, (u64)smp_exit);
}

static void write_guest(struct smp_cpu *cpu, void (*f)(void))
{
    struct gt_table_register gdtr = gt_sgdt(), idtr = gt_sidt();
    for (u32 i = 0; i < 6; i++) {
        bool cs = i == 1;
        vmx_vmwrite(V_GUEST_ES_SEL + 2 * i, cs ? GT_CODE64 : GT_DATA);
        vmx_vmwrite(V_GUEST_ES_AR + 2 * i, cs ? 0xa09b : 0xc093);
        vmx_vmwrite(V_GUEST_ES_LIMIT + 2 * i, 0xffffffff);
    }
    vmx_vmwrite(V_GUEST_GS_BASE, (u64)&cpu->l2);
    vmx_vmwrite(V_GUEST_LDTR_AR, 0x10000);
    vmx_vmwrite(V_GUEST_TR_SEL, GT_TSS);
    vmx_vmwrite(V_GUEST_TR_AR, 0x8b);
    vmx_vmwrite(V_GUEST_TR_LIMIT, 0x67);
    vmx_vmwrite(V_GUEST_TR_BASE, (u64)gt_tss);
    vmx_vmwrite(V_GUEST_GDTR_BASE, gdtr.base);
    vmx_vmwrite(V_GUEST_GDTR_LIMIT, gdtr.limit);
    vmx_vmwrite(V_GUEST_IDTR_BASE, idtr.base);
    vmx_vmwrite(V_GUEST_IDTR_LIMIT, 0xfff);
    vmx_vmwrite(V_GUEST_CR0, gt_read_cr0());
    vmx_vmwrite(V_GUEST_CR3, gt_read_cr3());
    vmx_vmwrite(V_GUEST_CR4, gt_read_cr4());
    vmx_vmwrite(V_GUEST_EFER, gt_rdmsr(MSR_IA32_EFER));
    vmx_vmwrite(V_GUEST_DR7, 0x400);
    vmx_vmwrite(V_GUEST_RFLAGS, 2);
    vmx_vmwrite(V_GUEST_RIP, (u64)f);
    vmx_vmwrite(V_GUEST_RSP, (u64)cpu->l2_stack - 8);
    vmx_vmwrite(V_VMCS_LINK_PTR, ~0ul);
    /* of an L2 that the page held before */
    vmx_vmwrite(V_GUEST_ACTIVITY, 0);
    vmx_vmwrite(V_GUEST_INTERRUPTIBILITY, 0);
    vmx_vmwrite(V_GUEST_PENDING_DEBUG, 0);
    vmx_vmwrite(V_ENTRY_INTR_INFO, 0);
}

void smp_vmcs(struct smp_cpu *cpu, u8 *page, void (*f)(void))
{
    *(u32 *)page = (u32)gt_rdmsr(MSR_IA32_VMX_BASIC) & 0x7fffffff;
    vmx_vmclear((u64)page);
    vmx_vmptrld((u64)page);
    cpu->launched = false;
    vmx_vmwrite(V_PIN_CTL, control(MSR_IA32_VMX_TRUE_PINBASED_CTLS, PIN_NMI | PIN_EXT_INT));
    vmx_vmwrite(V_PROC_CTL, control(MSR_IA32_VMX_TRUE_PROCBASED_CTLS, PROC_HLT));
    vmx_vmwrite(V_EXIT_CTL,
                control(MSR_IA32_VMX_TRUE_EXIT_CTLS,
                        EXIT_HOST_64 | EXIT_LOAD_EFER | EXIT_SAVE_EFER | EXIT_ACK_INTR));
    vmx_vmwrite(V_ENTRY_CTL, control(MSR_IA32_VMX_TRUE_ENTRY_CTLS, ENTRY_IA32E | ENTRY_LOAD_EFER));
    vmx_vmwrite(V_EXCEPTION_BITMAP, 0xffffffff & ~(1u << 2));
    write_host(cpu);
    write_guest(cpu, f);
}

u64 smp_enter(struct smp_cpu *cpu)
{
    if (smp_enter_asm(cpu, cpu->launched) != 0)
        return 1ul << 32 | vmx_get(V_INSN_ERROR);
    cpu->launched = true;
    return vmx_get(V_EXIT_REASON);
}

void smp_unblock_nmis(void)
{
    __asm__ volatile("mov %%rsp, %%rax\n\tpushq %1\n\tpush %%rax\n\tpushfq\n\tpushq %0\n\t"
                     "lea 1f(%%rip), %%rax\n\tpush %%rax\n\tiretq\n1:"
                     :
                     : "i"(GT_CODE64), "i"(GT_DATA)
                     : "rax", "memory");
}

void smp_advance(void)
{
    vmx_vmwrite(V_GUEST_RIP, vmx_get(V_GUEST_RIP) + vmx_get(V_EXIT_INSN_LEN));
}

struct smp_cpu *smp_of_l2(void)
{
    u64 self;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(self));
    return (struct smp_cpu *)(self - __builtin_offsetof(struct smp_cpu, l2));
}
