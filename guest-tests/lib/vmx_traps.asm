; SPDX-License-Identifier: BSD-2-Clause
; The L1 side's way into any code and back out by whatever it raises. The test programs run each
; L1 instruction from a frame they describe (registers, segments, flags, mode) and always come back
; through one of 256 stubs. Owns: the stubs, l1_go, the last trap's record. Policy is in vmx_env.c.
;
; A frame is 25 qwords: 16 registers in encoding order (RSP's slot unused), then RIP, CS, RFLAGS,
; RSP, SS, DS, ES, FS, GS. A trap is the 21 first of them plus vector, error code, CR2, DR6.

        default rel
        bits    64

        global  l1_stubs, l1_go:function, l1_trap:data, l1_back_rsp:data, l1_nmis:data
        extern  l1_unexpected

Q       equ     8                       ; every slot is a qword
DATA0   equ     0x10                    ; L1_DATA of vmx.h; the environment checks the pair at start
CODE0   equ     0x08                    ; L1_CODE64
VECTOR_NMI equ  2

%macro  REGS 2                          ; %1 = load or save, %2 = base; all but RAX, RSP and base
%assign i 0
%rep    16
%define reg REG %+ i
%if     i != 0 && i != 4 && i != %2
%ifidn  %1, load
        mov     R %+ i, [base + Q*i]
%else
        mov     [base + Q*i], R %+ i
%endif
%endif
%assign i i+1
%endrep
%endmacro

%define R0  rax
%define R1  rcx
%define R2  rdx
%define R3  rbx
%define R5  rbp
%define R6  rsi
%define R7  rdi
%define R8  r8
%define R9  r9
%define R10 r10
%define R11 r11
%define R12 r12
%define R13 r13
%define R14 r14
%define R15 r15

        section .data
        align   16
l1_trap:     times 25 dq 0              ; see struct l1_trap
l1_back_rsp: dq 0                       ; 0 = nobody waits for a trap
l1_nmis:     dq 0                       ; NMIs that came while nobody waited

        section .text

; void l1_go(const struct l1_frame *frame);  enters the frame by IRETQ; returns once anything traps.
; Clobbers what a call may; the callee-saved registers lie on the stack that l1_back_rsp names.
l1_go:  push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [l1_back_rsp], rsp
        mov     rax, rdi
        mov     ds, [rax + Q*21]        ; a descriptor that must fault is loaded by the test code
        mov     es, [rax + Q*22]
        mov     fs, [rax + Q*23]
        mov     gs, [rax + Q*24]
        push    qword [rax + Q*20]
        push    qword [rax + Q*19]
        push    qword [rax + Q*18]
        push    qword [rax + Q*17]
        push    qword [rax + Q*16]
%define base rax
        REGS    load, 0
        mov     rax, [rax]
        iretq

; Back from a trap, on the stack of l1_go.
l1_back:
        mov     qword [l1_back_rsp], 0
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

; Stack: RAX, vector, error code, then the CPU's five words. The way back is an IRETQ even from an
; NMI, so that NMI blocking ends.
l1_common:
        cmp     qword [l1_back_rsp], 0
        jne     .wanted
        cmp     qword [rsp], VECTOR_NMI
        jne     .wanted
        inc     qword [l1_nmis]         ; one that L2 left pending: L1 goes on
        add     rsp, 2*Q
        iretq
.wanted:
        push    rax
        lea     rax, [l1_trap]
        REGS    save, 0
        mov     rcx, rax
        pop     qword [rcx]             ; RAX
        pop     qword [rcx + Q*21]      ; vector
        pop     qword [rcx + Q*22]      ; error code
        pop     qword [rcx + Q*16]      ; RIP
        pop     qword [rcx + Q*17]      ; CS
        pop     qword [rcx + Q*18]      ; RFLAGS
        pop     qword [rcx + Q*19]      ; RSP
        pop     qword [rcx + Q*20]      ; SS
        mov     rax, cr2
        mov     [rcx + Q*23], rax
        mov     rax, dr6
        mov     [rcx + Q*24], rax
        mov     eax, DATA0
        mov     ds, eax
        mov     es, eax
        mov     rax, [l1_back_rsp]
        test    rax, rax
        jz      .lost
        push    DATA0
        push    rax
        push    qword 2
        push    CODE0
        lea     rcx, [l1_back]
        push    rcx
        iretq
.lost:  mov     rdi, rcx
        and     rsp, -16
        call    l1_unexpected           ; does not return

        align   16
l1_stubs:
%assign v 0
%rep    256
        align   16
%if v != 8 && v != 10 && v != 11 && v != 12 && v != 13 && v != 14 && v != 17
        push    qword 0                 ; the CPU pushed no error code
%endif
        push    qword v
        jmp     l1_common
%assign v v+1
%endrep

        section .note.GNU-stack noalloc noexec nowrite progbits
