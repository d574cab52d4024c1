; SPDX-License-Identifier: BSD-2-Clause
; The entry of every vector, and the bracket a test body runs in.
; C sees one frame layout (struct gt_frame in gt.h) and decides everything; no number of C's
; is needed here: the frame is built by pushes in the struct's order.

default rel
bits 64
extern  gt_trap                         ; void gt_trap(struct gt_frame *)

section .text

; 256 stubs of equal size: the address of vector v's is gt_stubs + v * 16.
; SDM 3A 6.15 "Exception and Interrupt Reference": 8, 10-14, 17 and 21 push an error code.
global  gt_stubs:data hidden
align   16
gt_stubs:
%assign v 0
%rep    256
        align   16
  %if v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21
  %else
        push    qword 0
  %endif
        push    qword v
        jmp     near trap_common
  %assign v v + 1
%endrep

; In: vector and error code above the CPU's frame. Out: IRETQ to the frame, as C left it.
trap_common:
        push    rax
        push    rbx
        push    rcx
        push    rdx
        push    rsi
        push    rdi
        push    rbp
        push    r8
        push    r9
        push    r10
        push    r11
        push    r12
        push    r13
        push    r14
        push    r15
        cld
        mov     rdi, rsp
        mov     rbx, rsp
        and     rsp, -16                ; an IST or RSP0 may be aligned, a frame is not
        call    gt_trap
        mov     rsp, rbx
trap_return:
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rbp
        pop     rdi
        pop     rsi
        pop     rdx
        pop     rcx
        pop     rbx
        pop     rax
        add     rsp, 2 * 8              ; vector, error code
        iretq

; void gt_guard(void (*body)(void)): calls body; gt_guard_out, entered with RSP = gt_guard_rsp,
; returns from it early. Clobbers what a call does.
global  gt_guard:function hidden
global  gt_guard_out:function hidden
gt_guard:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        push    rax                     ; keeps the stack aligned
        mov     [gt_guard_rsp], rsp
        call    rdi
gt_guard_out:
        pop     rax
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

; void gt_enter_asm(const struct gt_frame *f, u64 *rsp, u16 data): see gt_private.h. IF=0
; throughout.
global  gt_enter_asm:function hidden
global  gt_enter_out:function hidden
gt_enter_asm:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [rsi], rsp
        mov     ds, edx
        mov     es, edx
        mov     rsp, rdi
        jmp     trap_return
gt_enter_out:
        xor     eax, eax                ; the context's flags came back with it: DF, AC, IF
        push    rax
        popfq
        mov     eax, ss                 ; the handler's SS is GT_DATA
        mov     ds, eax
        mov     es, eax
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

; void gt_load_segments(u16 cs, u16 data): far return to the new CS; DS, ES and SS = data.
global  gt_load_segments:function hidden
gt_load_segments:
        mov     ss, esi
        mov     ds, esi
        mov     es, esi
        pop     rax
        movzx   edi, di
        push    rdi
        push    rax
        retfq

section .data
global  gt_guard_rsp:data hidden
align   8
gt_guard_rsp:   dq 0

section .note.GNU-stack noalloc noexec nowrite progbits
