; SPDX-License-Identifier: BSD-2-Clause
; The door of the test hypervisor: registers into L2, VMLAUNCH or VMRESUME, registers out again.
; It decides nothing and writes no VMCS field; HOST_RIP is vmx_door_exit, HOST_RSP is of no
; importance because the exit side finds its stack by a RIP-relative load.

        default rel
        bits    64

        global  vmx_door:function, vmx_door_exit:function, vmx_door_out:data

Q       equ     8

        section .data
        align   16
vmx_door_out: times 18 dq 0             ; 16 registers after (slot 4: RSP), RFLAGS, DR7
door_rsp:     dq 0

        section .text

%macro  LOAD_L2 0
        mov     rax, [rdi + Q*0]
        mov     rcx, [rdi + Q*1]
        mov     rdx, [rdi + Q*2]
        mov     rbx, [rdi + Q*3]
        mov     rbp, [rdi + Q*5]
        mov     rsi, [rdi + Q*6]
        mov     r8,  [rdi + Q*8]
        mov     r9,  [rdi + Q*9]
        mov     r10, [rdi + Q*10]
        mov     r11, [rdi + Q*11]
        mov     r12, [rdi + Q*12]
        mov     r13, [rdi + Q*13]
        mov     r14, [rdi + Q*14]
        mov     r15, [rdi + Q*15]
        mov     rdi, [rdi + Q*7]
%endmacro

; int vmx_door(const u64 gpr[16], bool resume);
; Out: 0 = a VM exit (or a failed entry that loaded host state), 1 = VMfail. IF must be 0.
; On a VMfail the stack pointer and everything else must be as before: that is what RSP's slot and
; the register copy let the caller check.
vmx_door:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [door_rsp], rsp
        test    esi, esi
        jnz     .resume
        LOAD_L2
        vmlaunch
        jmp     .failed
.resume:
        LOAD_L2
        vmresume
.failed:
        call    save_out
        mov     eax, 1
        jmp     leave
vmx_door_exit:
        mov     [vmx_door_out + Q*4], rsp
        mov     rsp, [door_rsp]
        call    save_out
        xor     eax, eax
leave:  mov     rsp, [door_rsp]
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

; Registers and RFLAGS to vmx_door_out; flags first, as nothing later may disturb them.
save_out:
        pushfq
        push    rax
        lea     rax, [vmx_door_out]
        mov     [rax + Q*1], rcx
        mov     [rax + Q*2], rdx
        mov     [rax + Q*3], rbx
        mov     [rax + Q*5], rbp
        mov     [rax + Q*6], rsi
        mov     [rax + Q*7], rdi
        mov     [rax + Q*8], r8
        mov     [rax + Q*9], r9
        mov     [rax + Q*10], r10
        mov     [rax + Q*11], r11
        mov     [rax + Q*12], r12
        mov     [rax + Q*13], r13
        mov     [rax + Q*14], r14
        mov     [rax + Q*15], r15
        pop     qword [rax]
        pop     qword [rax + Q*16]
        mov     rcx, dr7
        mov     [rax + Q*17], rcx
        ret

        section .note.GNU-stack noalloc noexec nowrite progbits
