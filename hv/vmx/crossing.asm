; SPDX-License-Identifier: BSD-2-Clause
; crossing.asm: the shortest way between L2 and L1. What it calls keeps all registers but RAX
; (KEEPS_REGISTERS, hv/arch/types.h), so that from the exit to the entry they are the guest's, and
; nothing is stored but RAX. Its window is like that of enter.asm.
bits 64
default rel
%include "offsets.inc"
%include "hv/vmx/door.inc"

global vmx_exit_l2:function, short_rest
global crossing_window, crossing_window_end, crossing_nmi
extern nested_short_exit, nested_short_entry
extern short_other, short_asked, short_violation, short_window, window_end, entered_nmi

section .text
align 64
; HOST_RIP of vmcs02 when the short path is on: may lead to L1 at once.
vmx_exit_l2:
        mov     [rsp + REGS_rax], rax
        mov     rsp, [rsp + REGS_host_rsp]
        call    nested_short_exit
        jmp     crossing

align 64
; From vmx_exit_short (cpuid.asm): RAX and RCX are stored, ECX is the exit reason.
short_rest:
        cmp     ecx, REASON_VMRESUME
        jne     short_other
        mov     rcx, [rsp + REGS_rcx]
        mov     rsp, [rsp + REGS_host_rsp]
        call    nested_short_entry
crossing:                                               ; rax = enum short_way
        test    eax, eax
        jle     plain
crossing_window:
        cmp     qword [gs:PERCPU_nmi_pending], 0
        jne     work
        test    eax, SHORT_LAUNCH_WAY                   ; MOV keeps the flags up to the JNZ
        mov     rax, [gs:CPU_regs + REGS_rax]
        jnz     launch
        vmresume
        jmp     crossing_window_end
launch:
        vmlaunch
        jmp     crossing_window_end
work:
        SAVE_BESIDE_RAX
        mov     esi, eax
        jmp     short_window
crossing_window_end:                                    ; refused. MOV keeps CF and ZF
        SAVE_BESIDE_RAX
        SAVE_CALLEE_SAVED
        jmp     window_end
crossing_nmi:
        SAVE_BESIDE_RAX
        SAVE_CALLEE_SAVED
        jmp     entered_nmi
plain:                                                  ; SHORT_NOT or another question
        SAVE_BESIDE_RAX
        cmp     eax, SHORT_VIOLATION_WAY
        jne     short_asked
        jmp     short_violation
