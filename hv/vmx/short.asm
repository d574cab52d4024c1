; SPDX-License-Identifier: BSD-2-Clause
; short.asm: the short way, for exits that C answers at once: only the registers that C may clobber
; are saved, and the guest goes on from here. What follows HOST_RIP of vmcs01 (cpuid.asm) and
; crossing.asm. Its window is like that of enter.asm.
bits 64
default rel
%include "offsets.inc"
%include "hv/vmx/door.inc"

global vmx_exit_short_spec:function, vmx_exit_l2_spec:function
global short_other, short_asked, short_violation
global short_window, short_window_end, short_nmi
extern emulate_short, nested_short_exit, nested_short_entry
extern nested_short_access, nested_short_pointer, nested_short_violation, nested_short_give
extern spec_enter, spec_exit
extern exited, window_end, entered_nmi

section .text
vmx_exit_short_spec:
        SAVE_CLOBBERED
        call    spec_exit
        mov     eax, ENC_EXIT_REASON
        vmread  rsi, rax
        cmp     esi, REASON_VMRESUME
        jmp     asked
vmx_exit_l2_spec:
        SAVE_CLOBBERED
        call    spec_exit
        call    nested_short_exit
        jmp     short_asked

align 64
; From crossing.asm: RAX and RCX are stored, ECX is the exit reason, and the flags are of its
; comparison with VMRESUME, which it is not. MOV keeps them.
short_other:
        mov     [rsp + REGS_rdx], rdx
        SAVE_OTHERS
        mov     esi, ecx
asked:  mov     rdi, [gs:PERCPU_self]
        je      .entry
        ja      .vmwrite
        cmp     esi, REASON_VMREAD
        je      .access
        cmp     esi, REASON_CPUID
        jne     .pointer
        call    emulate_short
        test    eax, eax
        jz      exited
        xor     esi, esi                                ; VMRESUME
        mov     rbx, [gs:CPU_regs + REGS_rbx]           ; a result
        jmp     short_window
.pointer:
        cmp     esi, REASON_VMPTRLD
        je      .operand
        cmp     esi, REASON_VMCLEAR
        jne     exited
.operand:
        SAVE_CALLEE_SAVED
        call    nested_short_pointer
        jmp     short_asked
.vmwrite:
        cmp     esi, REASON_VMWRITE
        jne     exited
.access:
        xor     edx, edx
        call    nested_short_access
        mov     esi, eax
        test    eax, eax
        jg      short_window
        jmp     short_unanswered
.entry: call    nested_short_entry
short_asked:                                            ; rax = enum short_way
        mov     esi, eax
        test    eax, eax
        jg      short_window
short_unanswered:
        jz      exited
        cmp     eax, SHORT_VIOLATION_WAY
        je      short_violation
        ja      short_give
        SAVE_CALLEE_SAVED                               ; SHORT_SAVE
        mov     rdi, [gs:PERCPU_self]
        mov     eax, ENC_EXIT_REASON
        vmread  rsi, rax
        or      rdx, -1
        call    nested_short_access
        mov     rbx, [gs:CPU_regs + REGS_rbx]           ; VMREAD may have changed one of them
        mov     rbp, [gs:CPU_regs + REGS_rbp]
        mov     r12, [gs:CPU_regs + REGS_r12]
        mov     r13, [gs:CPU_regs + REGS_r13]
        mov     r14, [gs:CPU_regs + REGS_r14]
        mov     r15, [gs:CPU_regs + REGS_r15]
        jmp     short_asked
short_give:
        call    nested_short_give
        jmp     short_asked
short_violation:
        mov     rdi, [gs:PERCPU_self]
        call    nested_short_violation
        jmp     short_asked
short_window:
        cmp     qword [gs:PERCPU_nmi_pending], 0
        jne     short_work
short_go:
        test    esi, SHORT_LAUNCH_WAY                   ; MOV keeps the flags up to the JNZ
        mov     rax, [gs:CPU_regs + REGS_rax]
        mov     rcx, [gs:CPU_regs + REGS_rcx]
        mov     rdx, [gs:CPU_regs + REGS_rdx]
        mov     rsi, [gs:CPU_regs + REGS_rsi]
        mov     rdi, [gs:CPU_regs + REGS_rdi]
        mov     r8,  [gs:CPU_regs + REGS_r8]
        mov     r9,  [gs:CPU_regs + REGS_r9]
        mov     r10, [gs:CPU_regs + REGS_r10]
        mov     r11, [gs:CPU_regs + REGS_r11]
        jnz     short_launch
        vmresume
        jmp     short_window_end
short_launch:
        vmlaunch
        jmp     short_window_end
short_work:
        call    spec_enter
        cmp     dword [gs:PERCPU_nmi_pending], 0
        je      short_go
        jmp     short_nmi
short_window_end:
        SAVE_CALLEE_SAVED                               ; MOV keeps CF and ZF
        jmp     window_end
short_nmi:
        SAVE_CALLEE_SAVED
        jmp     entered_nmi
