; SPDX-License-Identifier: BSD-2-Clause
; A 32-bit L1: leaves IA-32e mode for legacy protected mode with PAE or 32-bit paging, runs a list
; of steps there (each a piece of code that ends in RET), and comes back. VMX operation has to begin
; and end inside, because CR0.PG is fixed to 1 in it. Owns the two mode switches and the 32-bit
; traps; t_vmx_l1_32.c owns the list.
;
; A step is 12 dwords: code, EAX, ECX, EDX, EBX in; EAX, ECX, flags, vector, error code, CR2, EIP
; out.
; Vector 0x100 means a VM exit came back, 0x1ff that the code simply returned.

        default rel

        global  pm32_run:function, pm32_exit:function, pm32_stubs, pm32_env:data

STEP    equ     48
CODE32  equ     0x18                    ; SEL_CODE32 and SEL_CODE64 of vmx.h
CODE64  equ     0x08
EFER    equ     0xc0000080
BIT_LME equ     8
BIT_PG  equ     31
VEC_EXIT equ    0x100
VEC_RET equ     0x1ff

        section .data
        align   16
pm32_env:                               ; struct pm32_env: what C fills in
.step:  dd 0                            ; current step
.left:  dd 0                            ; steps left
.cr3:   dd 0                            ; PAE page-directory-pointer table, or page directory
.esp:   dd 0                            ; the stack of every step, also HOST_RSP
.long_cr3: dd 0
.long_rsp: dq 0
.long_rip: dd 0
.cr4:   dd 0                            ; bits of CR4 that are the other way in 32-bit mode

        section .text
        bits    64

; void pm32_run(void);  @pre pm32_env filled in, a 32-bit IDT loaded, everything below 4 GiB
pm32_run:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        lea     rbp, [pm32_env]
        mov     [rbp + pm32_env.long_rsp - pm32_env], rsp
        mov     rax, cr3
        mov     [rbp + pm32_env.long_cr3 - pm32_env], eax
        lea     rax, [back64]
        mov     [rbp + pm32_env.long_rip - pm32_env], eax
        lea     rax, [in32]
        push    CODE32
        push    rax
        retfq
back64: mov     rsp, [pm32_env.long_rsp]
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

        bits    32
in32:   mov     eax, cr0                ; compatibility mode: paging off leaves IA-32e mode
        btr     eax, BIT_PG
        mov     cr0, eax
        mov     ecx, EFER
        rdmsr
        btr     eax, BIT_LME
        wrmsr
        call    flip
        mov     eax, [ebp + pm32_env.cr3 - pm32_env]
        mov     cr3, eax
        mov     eax, cr0
        bts     eax, BIT_PG
        mov     cr0, eax

next:   cmp     dword [ebp + pm32_env.left - pm32_env], 0
        je      leave32
        dec     dword [ebp + pm32_env.left - pm32_env]
        mov     esp, [ebp + pm32_env.esp - pm32_env]
        mov     esi, [ebp + pm32_env.step - pm32_env]
        mov     eax, [esi + 4]
        mov     ecx, [esi + 8]
        mov     edx, [esi + 12]
        mov     ebx, [esi + 16]
        push    dword 0x8d7             ; arithmetic flags set, so that what clears one shows
        popfd
        call    [esi]
        push    dword 0                 ; as a trap's stack would be: error code, vector
        push    dword VEC_RET

; Stack: vector, error code, perhaps EIP. EBP is anyone's.
record: pushfd
        push    eax
        call    .here
.here:  pop     ebp
        add     ebp, pm32_base - .here  ; the distance from .text to .data is patched in below
        mov     ebp, [ebp]
        mov     esi, [ebp + pm32_env.step - pm32_env]
        pop     dword [esi + 20]        ; EAX
        mov     [esi + 24], ecx
        pop     dword [esi + 28]        ; flags
        pop     dword [esi + 32]        ; vector
        pop     dword [esi + 36]        ; error code
        mov     eax, cr2
        mov     [esi + 40], eax
        mov     eax, [esp]
        mov     [esi + 44], eax         ; EIP of a trap
        add     dword [ebp + pm32_env.step - pm32_env], STEP
        jmp     next

pm32_exit:
        push    dword 0
        push    dword VEC_EXIT
        jmp     record

leave32:
        mov     eax, cr0
        btr     eax, BIT_PG
        mov     cr0, eax
        mov     ecx, EFER
        rdmsr
        bts     eax, BIT_LME
        wrmsr
        call    flip
        mov     eax, [ebp + pm32_env.long_cr3 - pm32_env]
        mov     cr3, eax
        mov     eax, cr0
        bts     eax, BIT_PG
        mov     cr0, eax
        push    dword CODE64
        push    dword [ebp + pm32_env.long_rip - pm32_env]
        retf

flip:   mov     eax, cr4
        xor     eax, [ebp + pm32_env.cr4 - pm32_env]
        mov     cr4, eax
        ret

        align   16
pm32_stubs:
%assign v 0
%rep    32
        align   16
%if v != 8 && v != 10 && v != 11 && v != 12 && v != 13 && v != 14 && v != 17
        push    dword 0
%endif
        push    dword v
        jmp     record
%assign v v+1
%endrep

        global  pm32_base:data
        align   4
pm32_base: dd 0                         ; address of pm32_env, written by C before the first run

        section .note.GNU-stack noalloc noexec nowrite progbits
