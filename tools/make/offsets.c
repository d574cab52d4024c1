/* SPDX-License-Identifier: BSD-2-Clause */
/* Names every number that assembly may know. The Makefile compiles this file to assembly text
 * and turns each marker in the text into a %define of build/offsets.inc. This file is never
 * linked. */
#include "hv/core/boot_info.h"
#include "hv/arch/cpu.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/arch/msr.h"
#include "hv/arch/root_cr.h"
#include "hv/core/percpu.h"
#include "hv/core/trap.h"
#include "hv/vmx/vmx.h"

#define DEFINE(name, value)          __asm__ volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))
#define OFFSET(prefix, type, member) DEFINE(prefix##_##member, offsetof(struct type, member))

_Static_assert(offsetof(struct percpu, mc_pending) == offsetof(struct percpu, nmi_pending) + 2 &&
                   offsetof(struct percpu, entry_spec) ==
                       offsetof(struct percpu, nmi_pending) + 4 &&
                   offsetof(struct percpu, nmi_pending) % 8 == 0,
               "enter.asm tests both flags and entry_spec at once");

void offsets(void);
void offsets_spec(void);
void offsets_handoff(void);
void offsets_sipi(void);

void offsets_spec(void)
{
    DEFINE(SPEC_L1D_BIT, SPEC_L1D);
    DEFINE(SPEC_VERW_BIT, SPEC_VERW);
    DEFINE(SPEC_RSB_BIT, SPEC_RSB);
    DEFINE(SPEC_CTRL_BIT, SPEC_CTRL);
    DEFINE(MSR_SPEC_CTRL, (int)MSR_IA32_SPEC_CTRL);
    DEFINE(MSR_FLUSH_CMD, (int)MSR_IA32_FLUSH_CMD);
    DEFINE(SPEC_CTRL_ROOT, (int)SPEC_CTRL_IBRS);
    DEFINE(FLUSH_CMD_L1D, 1);
    DEFINE(RSB_ENTRIES, 32);
    DEFINE(ENTRY_SIZE, (int)sizeof(u64));
    DEFINE(DATA_SELECTOR, SEL_DATA);
}

void offsets_sipi(void)
{
    DEFINE(SIPI_PAGE_SHIFT, 4);
    DEFINE(SIPI_CODE32, 8);
    DEFINE(SIPI_DATA, 16);
    DEFINE(SIPI_CODE64, 24);
    DEFINE(SIPI_GDT_LIMIT, 31);
    DEFINE(SIPI_ENDED, 2);
    DEFINE(DESC_LIMIT, 0xffff);
    DEFINE(DESC_CODE_ACCESS, 0x9b00);
    DEFINE(DESC_DATA_ACCESS, 0x9300);
    DEFINE(DESC_FLAGS32, 0x00cf);
    DEFINE(DESC_FLAGS64, 0x00af);
    DEFINE(CR0_PE_BIT, (int)CR0_PE);
    DEFINE(CR0_LONG_BITS, (int)(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE));
    DEFINE(EFER_LONG_BITS, (int)(EFER_LME | EFER_NXE));
    DEFINE(HANDOFF_DTR_SIZE, (int)sizeof(struct handoff_dtr));
}

void offsets_handoff(void)
{
    OFFSET(HANDOFF, handoff, l0_cr3);
    OFFSET(HANDOFF, handoff, l0_stack);
    OFFSET(HANDOFF, handoff, l0_entry);
    OFFSET(HANDOFF, handoff, back);
    OFFSET(HANDOFF, handoff, rip);
    OFFSET(HANDOFF, handoff, rsp);
    OFFSET(HANDOFF, handoff, rflags);
    OFFSET(HANDOFF, handoff, cr0);
    OFFSET(HANDOFF, handoff, cr2);
    OFFSET(HANDOFF, handoff, cr3);
    OFFSET(HANDOFF, handoff, cr4);
    OFFSET(HANDOFF, handoff, efer);
    OFFSET(HANDOFF, handoff, dr7);
    OFFSET(HANDOFF, handoff, gdtr);
    OFFSET(HANDOFF, handoff, idtr);
    DEFINE(HANDOFF_es, offsetof(struct handoff, seg[SEG_ES].selector));
    DEFINE(HANDOFF_cs, offsetof(struct handoff, seg[SEG_CS].selector));
    DEFINE(HANDOFF_ss, offsetof(struct handoff, seg[SEG_SS].selector));
    DEFINE(HANDOFF_ds, offsetof(struct handoff, seg[SEG_DS].selector));
    DEFINE(HANDOFF_fs, offsetof(struct handoff, seg[SEG_FS].selector));
    DEFINE(HANDOFF_gs, offsetof(struct handoff, seg[SEG_GS].selector));
    DEFINE(HANDOFF_tr, offsetof(struct handoff, seg[SEG_TR].selector));
    DEFINE(HANDOFF_fs_base, offsetof(struct handoff, seg[SEG_FS].base));
    DEFINE(HANDOFF_gs_base, offsetof(struct handoff, seg[SEG_GS].base));
    OFFSET(HANDOFF, handoff, bridge_gdtr);
    OFFSET(HANDOFF, handoff, bridge_idtr);
    OFFSET(HANDOFF, handoff, bridge_idt);
    OFFSET(HANDOFF, handoff, bridge_stack);
    DEFINE(HANDOFF_STACK_BYTES, HANDOFF_STACK * (int)sizeof(u64));
    OFFSET(HANDOFF, handoff, nmi);
    OFFSET(HANDOFF, handoff, mc);
    DEFINE(HANDOFF_STATUS_LEFT, HANDOFF_LEFT);
    OFFSET(DTR, handoff_dtr, base);
    DEFINE(DESC_ACCESS, 5);      /* the byte of a descriptor that holds its type */
    DEFINE(TSS_AVAILABLE, 0xfd); /* the bits of that byte without "busy" */
    DEFINE(MSR_FS_BASE, (int)MSR_IA32_FS_BASE);
    DEFINE(MSR_GS_BASE, (int)MSR_IA32_GS_BASE);
    DEFINE(LEAF_BRINGUP, (int)LEAF_NIDUS_BRINGUP);
    DEFINE(LEAF_SIGNATURE, (int)LEAF_NIDUS);
    DEFINE(MSR_EFER, (int)MSR_IA32_EFER);
    DEFINE(EFER_NXE_BIT, (int)EFER_NXE);
    DEFINE(CR0_WP_BIT, (int)CR0_WP);
    DEFINE(CR4_SWITCH_BITS, (int)CR4_SWITCH);
    DEFINE(DR7_RESET_BITS, (int)DR7_RESET);
    DEFINE(PAGE_MASK, (int)~(PAGE_SIZE - 1));
}

void offsets(void)
{
    OFFSET(PERCPU, percpu, nmi_pending);
    OFFSET(PERCPU, percpu, self);
    OFFSET(PERCPU, percpu, spec);
    OFFSET(PERCPU, percpu, guest_spec_ctrl);
    OFFSET(CPU, cpu, regs);
    DEFINE(TRAP_IRET_FRAME, offsetof(struct trap_frame, rip) - offsetof(struct trap_frame, vector));

    DEFINE(REGS_rax, offsetof(struct regs, gpr[REG_RAX]));
    DEFINE(REGS_rcx, offsetof(struct regs, gpr[REG_RCX]));
    DEFINE(REGS_rdx, offsetof(struct regs, gpr[REG_RDX]));
    DEFINE(REGS_rbx, offsetof(struct regs, gpr[REG_RBX]));
    DEFINE(REGS_rbp, offsetof(struct regs, gpr[REG_RBP]));
    DEFINE(REGS_rsi, offsetof(struct regs, gpr[REG_RSI]));
    DEFINE(REGS_rdi, offsetof(struct regs, gpr[REG_RDI]));
    DEFINE(REGS_r8, offsetof(struct regs, gpr[REG_R8]));
    DEFINE(REGS_r9, offsetof(struct regs, gpr[REG_R9]));
    DEFINE(REGS_r10, offsetof(struct regs, gpr[REG_R10]));
    DEFINE(REGS_r11, offsetof(struct regs, gpr[REG_R11]));
    DEFINE(REGS_r12, offsetof(struct regs, gpr[REG_R12]));
    DEFINE(REGS_r13, offsetof(struct regs, gpr[REG_R13]));
    DEFINE(REGS_r14, offsetof(struct regs, gpr[REG_R14]));
    DEFINE(REGS_r15, offsetof(struct regs, gpr[REG_R15]));
    DEFINE(REGS_host_rsp, offsetof(struct regs, host_rsp));
    DEFINE(ENTER_FAIL_INVALID, VMX_ENTER_FAIL_INVALID);
    DEFINE(ENTER_FAIL_VALID, VMX_ENTER_FAIL_VALID);
    DEFINE(ENTER_NMI, VMX_ENTER_NMI);
    DEFINE(SHORT_LAUNCH_WAY, SHORT_LAUNCH);
    DEFINE(SHORT_VIOLATION_WAY, SHORT_VIOLATION);
    DEFINE(SHORT_GIVE_WAY, SHORT_GIVE);
    DEFINE(ENC_EXIT_REASON, (int)ENC_exit_reason);
    DEFINE(ENC_GUEST_RFLAGS, (int)ENC_guest_rflags);
    DEFINE(ENC_GUEST_RIP, (int)ENC_guest_rip);
    DEFINE(ENC_GUEST_INTERRUPTIBILITY, (int)ENC_guest_interruptibility);
    DEFINE(ENC_INSTRUCTION_LEN, (int)ENC_exit_instruction_len);
    DEFINE(RFLAGS_TF_RF, (int)(RFLAGS_TF | RFLAGS_RF));
    DEFINE(BLOCKING_STI_MOV_SS, (int)(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
    DEFINE(VM_leaf_plain, (int)offsetof(struct vm, facts.leaf_plain));
    DEFINE(REGS_to_vm, (int)(offsetof(struct cpu, vm) - offsetof(struct cpu, regs)));
    DEFINE(REGS_to_launched,
           (int)(offsetof(struct cpu, vmcs01.launched) - offsetof(struct cpu, regs)));
    DEFINE(REGS_to_cpuids,
           (int)(offsetof(struct cpu, exits[0][EXIT_REASON_CPUID]) - offsetof(struct cpu, regs)));
    DEFINE(REASON_CPUID, (int)EXIT_REASON_CPUID);
    DEFINE(REASON_VMREAD, (int)EXIT_REASON_VMREAD);
    DEFINE(REASON_VMWRITE, (int)EXIT_REASON_VMWRITE);
    DEFINE(REASON_VMPTRLD, (int)EXIT_REASON_VMPTRLD);
    DEFINE(REASON_VMCLEAR, (int)EXIT_REASON_VMCLEAR);
    DEFINE(REASON_VMRESUME, (int)EXIT_REASON_VMRESUME);
}
