/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The register frame that hv/vmx/enter.asm shares with C, through generated offsets. RIP, RSP and
 * RFLAGS are absent: the VMCS holds them. The index of a register is its number in instruction
 * encodings and exit qualifications.
 */
#ifndef HV_VMX_REGS_H
#define HV_VMX_REGS_H

#include "hv/arch/types.h"

/* clang-format off */
enum reg {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
    REG_COUNT
};
/* clang-format on */

struct regs {
    u64 gpr[REG_COUNT]; /* gpr[REG_RSP] is unused: reg_read and reg_write (vmx.h) use the VMCS */
    u64 host_rsp;       /* C's stack while the guest runs; HOST_RSP itself points at this struct */
};

/* What vmx_enter returns. */
enum vmx_enter {
    VMX_ENTER_EXIT = 0,         /* the guest ran and exited */
    VMX_ENTER_FAIL_INVALID = 1, /* VMfailInvalid: no current VMCS */
    VMX_ENTER_FAIL_VALID = 2,   /* VMfailValid: the VM-instruction error field says why */
    VMX_ENTER_NMI = 3,          /* percpu.nmi_pending or mc_pending was set; nothing was entered */
};

/* What the short way answers, with the VMCS to run current. */
enum short_way {
    SHORT_NOT = 0,         /* nothing: the exit goes to the run loop */
    SHORT_RESUME = 1,      /* VMRESUME */
    SHORT_LAUNCH = 2,      /* VMLAUNCH */
    SHORT_SAVE = 1u << 31, /* VMREAD or VMWRITE: ask again, with all registers but RSP saved */
    SHORT_VIOLATION = SHORT_SAVE | 1, /* an EPT violation: ask nested_short_violation */
    SHORT_GIVE = SHORT_SAVE | 2,      /* L1's VMREAD or VMWRITE bitmap: ask nested_short_give */
};

void vmx_enter_raw(void); /* enter.asm; not to be called */
/* Exit addresses, never called. vmx_exit is HOST_RIP of vmcs02, or vmx_exit_l2 (crossing.asm) when
 * the short path is on, which first asks nested_short_exit. vmx_exit_short (cpuid.asm) is HOST_RIP
 * of vmcs01: it answers CPUID, and asks nested_short_entry at a VMRESUME and short.asm otherwise;
 * with trace= HOST_RIP of vmcs01 is vmx_exit, too. The _spec ones do the same, and first
 * run spec_exit (spec.asm); they are used when spec= plans something behind each exit. */
void vmx_exit(void);
void vmx_exit_short(void);
void vmx_exit_spec(void);
void vmx_exit_short_spec(void);
void vmx_exit_l2(void);
void vmx_exit_l2_spec(void);

/*
 * The door: loads the guest's registers, VMLAUNCH (launched = 0) or VMRESUME, saves them at the
 * exit. The callee-saved registers are clobbered here rather than kept by the assembly: the run
 * loop has next to nothing in them.
 * @pre the VMCS to run is current; its HOST_RSP is regs, its HOST_RIP an exit address; IF = 0
 */
static inline enum vmx_enter vmx_enter(struct regs *regs, u64 launched)
{
    u64 how;
    __asm__ volatile("call vmx_enter_raw"
                     : "=a"(how), "+D"(regs), "+S"(launched)
                     :
                     : "rbx", "rbp", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "memory", "cc");
    return (enum vmx_enter)how;
}

#endif
