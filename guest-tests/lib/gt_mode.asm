; SPDX-License-Identifier: BSD-2-Clause
; A block of code that leaves long mode, runs one snippet in another mode, and comes back with its
; registers or its exception. C copies it from gt_mode_start to gt_mode_end to the start of a 64 KiB
; segment below 1 MiB, fills the struct at its beginning (struct gt_mode_block, gt_mode.h; the
; order here is that one) and calls gt_mode_enter. EBP is the block's linear address outside
; snippets.
; Every selector, far pointer and control-register value comes from the struct.

struc   blk
.in             resd 6                  ; EAX EBX ECX EDX ESI EDI for the snippet
.out            resd 6                  ; the same, afterwards
.flags          resd 1
.vector         resd 1
.error          resd 1
.eip            resd 1
.cs             resd 1
.cr0_seen       resd 1
.kind           resd 1                  ; KIND_*
.snippet        resd 1                  ; linear in 32-bit modes, else an offset
.cr0_flat       resd 1                  ; PE without PG
.cr0_mode       resd 1
.cr0_back       resd 1
.cr3_mode       resd 1
.cr3_back       resd 1
.cr4_mode       resd 1
.cr4_back       resd 1
.efer_mode      resd 1
.efer_back      resd 1
.efer_msr       resd 1
.base           resd 1
.stack          resd 1                  ; linear
.stack16        resd 1                  ; offset
.far_compat     resd 2
.far_64         resd 2
.far_p16        resd 2
.far_real       resd 2
.far_flat       resd 2
.idt32          resd 2
.ivt            resd 2
.data_sel       resd 1
.data16_sel     resd 1
.tss_sel        resd 1
.v86_frame      resd 9
.tr             resd 1
.tss_back       resd 1                  ; a TSS that may be in TR when long mode begins
.pad            resd 1
.rsp64          resq 1
.ret64          resq 1
endstruc

%define KIND_PROTECTED16 1
%define KIND_REAL        2
%define KIND_V86         3


%define AT(label) (label - gt_mode_start)

%macro  LOAD_IN 2                       ; base register and size keyword's prefix are the caller's
        mov     eax, [%1 + blk.in + 0]
        mov     ebx, [%1 + blk.in + 4]
        mov     ecx, [%1 + blk.in + 8]
        mov     edx, [%1 + blk.in + 12]
        mov     esi, [%1 + blk.in + 16]
        mov     edi, [%1 + blk.in + 20]
%endmacro

%macro  STORE_OUT 1
        mov     [%1 + blk.out + 0], eax
        mov     [%1 + blk.out + 4], ebx
        mov     [%1 + blk.out + 8], ecx
        mov     [%1 + blk.out + 12], edx
        mov     [%1 + blk.out + 16], esi
        mov     [%1 + blk.out + 20], edi
%endmacro

%macro  EXPORT 1
global  gt_mode_%1:data hidden
gt_mode_%1:
%endmacro

section .text
bits    64
; void gt_mode_enter(struct gt_mode_block *): the copy's, not this page's. IF=0.
global  gt_mode_enter:function hidden
gt_mode_enter:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [rdi + blk.rsp64], rsp
        lea     rax, [rel .back]
        mov     [rdi + blk.ret64], rax
        mov     ebp, edi
        jmp     far dword [rdi + blk.far_compat]
.back:  pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

section .data
align   16
global  gt_mode_start:data hidden
gt_mode_start:
        times blk_size db 0
EXPORT block_end

; ---- down: compatibility mode -> protected mode ---------------------------------------
bits    32
EXPORT compat
        mov     eax, [ebp + blk.data_sel]
        mov     ss, eax
        mov     ds, eax
        mov     es, eax
        mov     esp, [ebp + blk.stack]
        mov     eax, [ebp + blk.cr0_flat]
        mov     cr0, eax                ; PG = 0 leaves long mode
        mov     ecx, [ebp + blk.efer_msr]
        rdmsr
        mov     eax, [ebp + blk.efer_mode]
        wrmsr
        mov     eax, [ebp + blk.cr3_mode]
        mov     cr3, eax
        mov     eax, [ebp + blk.cr4_mode]
        mov     cr4, eax
        mov     eax, [ebp + blk.cr0_mode]
        mov     cr0, eax
        lidt    [ebp + blk.idt32]
        mov     eax, [ebp + blk.tss_sel]
        ltr     ax
        cmp     dword [ebp + blk.kind], KIND_V86
        je      v86
        cmp     dword [ebp + blk.kind], KIND_PROTECTED16
        jae     far16
        lea     eax, [ebp + AT(done32)]
        push    eax
        push    dword [ebp + blk.snippet]
        LOAD_IN ebp, 0
        ret
far16:  jmp     far [ebp + blk.far_p16]
v86:    lea     esp, [ebp + blk.v86_frame]
        LOAD_IN ebp, 0
        iretd

; ---- up again -------------------------------------------------------------------------
done32: pushfd
        call    .here
.here:  pop     ebp
        lea     ebp, [ebp - AT(.here)]
        STORE_OUT ebp
        pop     dword [ebp + blk.flags]
up32:   mov     eax, cr0
        mov     [ebp + blk.cr0_seen], eax
up32_seen:
        str     eax
        mov     [ebp + blk.tr], eax
        mov     eax, [ebp + blk.tss_back]
        ltr     ax
        mov     eax, [ebp + blk.cr0_flat]
        mov     cr0, eax
        mov     eax, [ebp + blk.cr4_back]
        mov     cr4, eax
        mov     eax, [ebp + blk.cr3_back]
        mov     cr3, eax
        mov     ecx, [ebp + blk.efer_msr]
        rdmsr
        mov     eax, [ebp + blk.efer_back]
        wrmsr
        mov     eax, [ebp + blk.cr0_back]
        mov     cr0, eax
        jmp     far [ebp + blk.far_64]

EXPORT flat                             ; from 16-bit code: EBP is set, the segments are not
        mov     eax, [cs:ebp + blk.data_sel]
        mov     ss, eax
        mov     ds, eax
        mov     es, eax
        mov     esp, [ebp + blk.stack]
        jmp     up32_seen

bits    64
EXPORT long
        mov     ebp, ebp
        mov     rsp, [rbp + blk.rsp64]
        xor     eax, eax
        push    rax
        popfq                           ; NT and TF of a snippet end here
        jmp     [rbp + blk.ret64]

; ---- exceptions in protected mode: gates to these, in steps of 16 bytes ----------------
bits    32
align   16
EXPORT stubs32
%assign v 0
%rep    32
        align   16
  %if v == 8 || (v >= 10 && v <= 14) || v == 17
  %else
        push    dword 0
  %endif
        push    dword v
        jmp     near fault32
  %assign v v + 1
%endrep

fault32:
        push    ebp
        call    .here
.here:  pop     ebp
        lea     ebp, [ebp - AT(.here)]
        push    eax
        mov     eax, [cs:ebp + blk.data_sel]
        mov     ds, eax
        mov     es, eax
        pop     eax
        STORE_OUT ds:ebp
        pop     eax                     ; EBP; SS may still be a 16-bit segment
        pop     dword [ds:ebp + blk.vector]
        pop     dword [ds:ebp + blk.error]
        pop     dword [ds:ebp + blk.eip]
        pop     dword [ds:ebp + blk.cs]
        pop     dword [ds:ebp + blk.flags]
        mov     eax, [ds:ebp + blk.data_sel]
        mov     ss, eax
        mov     esp, [ds:ebp + blk.stack]
        jmp     up32

; ---- 16-bit code ----------------------------------------------------------------------
bits    16
EXPORT p16
        mov     ax, [cs:blk.data16_sel]
        mov     ss, ax
        mov     ds, ax
        mov     es, ax
        mov     esp, [blk.stack16]
        cmp     dword [blk.kind], KIND_PROTECTED16
        je      run16
        mov     eax, cr0
        and     al, ~1
        mov     cr0, eax
        jmp     far [blk.far_real]
EXPORT real
        mov     ax, cs
        mov     ss, ax
        mov     ds, ax
        mov     es, ax
        mov     sp, [blk.stack16]
        o32 lidt [blk.ivt]
run16:  push    word AT(done16)
        push    word [blk.snippet]
        LOAD_IN 0, 0
        ret
done16: pushfd
        STORE_OUT 0
        pop     dword [blk.flags]
up16:   mov     ebp, [blk.base]
        mov     eax, cr0
        mov     [blk.cr0_seen], eax
        or      al, 1
        mov     cr0, eax
        jmp     far dword [blk.far_flat]

align   16
EXPORT stubs16
%assign v 0
%rep    32
        align   16
        push    word v
        jmp     near fault16
  %assign v v + 1
%endrep
fault16:
        push    cs
        pop     ds
        STORE_OUT 0
        pop     word [blk.vector]
        pop     word [blk.eip]
        pop     word [blk.cs]
        pop     word [blk.flags]
        mov     ax, cs
        mov     ss, ax
        mov     sp, [blk.stack16]
        jmp     up16
EXPORT iret16                           ; a handler for INT n that returns
        inc     dword [cs:blk.error]
        iret
EXPORT v86_return                       ; where RET leads in virtual-8086 mode: out, by #UD
        ud2

%include "guest-tests/lib/gt_snippets.inc"
%include "guest-tests/lib/gt_task.inc"
EXPORT end

section .note.GNU-stack noalloc noexec nowrite progbits
