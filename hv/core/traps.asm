; SPDX-License-Identifier: BSD-2-Clause
; traps.asm: the entries of L0's IDT. Every vector switches to an exception stack (IST), because an
; exit arrives with RSP at struct regs, and a push would overwrite what lies below struct regs.
bits 64
default rel
%include "offsets.inc"

extern trap_handle
global trap_stubs:data

section .text

; The stub of one vector. It builds the last members of struct trap_frame.
; %1: the vector. %2: 1 when the CPU pushes an error code.
%macro STUB 2
align 16
trap_%1:
  %if %2 == 0
        push    0
  %endif
        push    %1
        jmp     trap_common
%endmacro

%assign v 0
%rep 32
  %if v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21 || v == 29 || v == 30
        STUB    %[v], 1
  %else
        STUB    %[v], 0
  %endif
  %assign v v + 1
%endrep

; Completes struct trap_frame, calls trap_handle(frame), and returns to the address that the frame
; then holds.
trap_common:
        push    rax
        push    rcx
        push    rdx
        push    rbx
        push    rbp
        push    rsi
        push    rdi
        push    r8
        push    r9
        push    r10
        push    r11
        push    r12
        push    r13
        push    r14
        push    r15
        mov     rdi, rsp
        cld
        call    trap_handle
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rdi
        pop     rsi
        pop     rbp
        pop     rbx
        pop     rdx
        pop     rcx
        pop     rax
        lea     rsp, [rsp + TRAP_IRET_FRAME]
        iretq

section .rodata
align 8
trap_stubs:
%assign v 0
%rep 32
        dq      trap_ %+ v
  %assign v v + 1
%endrep
