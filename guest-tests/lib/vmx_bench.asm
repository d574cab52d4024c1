; SPDX-License-Identifier: BSD-2-Clause
; A hypervisor's tightest exit handler, for benchmarks: reason, RIP and length are read, RIP is
; written, L2 goes on.
; L2 may use RAX, RBX, RCX, RDX and counts in R15; the rest is the handler's. Nothing is saved or
; restored.

        default rel
        bits    64

        global  vmx_bench:function, vmx_bench_two:function

EXIT_REASON equ 0x4402
INSN_LEN    equ 0x440c
GUEST_RIP   equ 0x681e
HOST_RSP    equ 0x6c14
HOST_RIP    equ 0x6c16

        section .text

; u64 vmx_bench(u64 exits, u64 reason, u8 *edit, u64 loops);
; Launches the current VMCS and handles `exits` exits, all with `reason`; before each VMRESUME it
; flips a
; bit of *edit. L2 starts with R15 = loops. Returns the ticks that it took, 0 when an entry failed
; or
; another reason came. IF must be 0.
vmx_bench:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     r12, rdi
        mov     r13, rsi
        mov     r14, rdx
        mov     r15, rcx
        mov     eax, HOST_RSP
        vmwrite rax, rsp
        mov     eax, HOST_RIP
        lea     rcx, [.exit]
        vmwrite rax, rcx
        xchg    bx, bx                                  ; where bench.py counts from
        rdtsc
        mov     ebp, edx
        shl     rbp, 32
        or      rbp, rax
        vmlaunch
.failed:
        xor     eax, eax
        jmp     .leave
.exit:
        mov     r8d, EXIT_REASON
        vmread  r9, r8
        cmp     r9d, r13d
        jne     .failed
        dec     r12
        jz      .done
        mov     r8d, INSN_LEN
        vmread  r10, r8
        mov     r8d, GUEST_RIP
        vmread  r11, r8
        add     r11, r10
        vmwrite r8, r11
        xor     byte [r14], 0x80
        vmresume
        jmp     .failed
.done:
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        sub     rax, rbp
        xchg    bx, bx                                  ; and where to
.leave:
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

; u64 vmx_bench_two(u64 exits, u64 reason, u64 vmcs[2]);
; The same with two VMCSs, both launched: after an exit of one, the VMRESUME is of the other.
vmx_bench_two:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     r12, rdi
        mov     r13, rsi
        mov     r14, rdx
        mov     r15d, 2
.host:  vmptrld [r14]
        mov     eax, HOST_RSP
        vmwrite rax, rsp
        mov     eax, HOST_RIP
        lea     rcx, [.exit]
        vmwrite rax, rcx
        mov     rax, [r14]
        xchg    rax, [r14 + 8]
        mov     [r14], rax
        dec     r15d
        jnz     .host
        xchg    bx, bx
        rdtsc
        mov     ebp, edx
        shl     rbp, 32
        or      rbp, rax
        vmresume
.failed:
        xor     eax, eax
        jmp     vmx_bench.leave
.exit:
        mov     r8d, EXIT_REASON
        vmread  r9, r8
        cmp     r9d, r13d
        jne     .failed
        dec     r12
        jz      vmx_bench.done
        mov     r8d, INSN_LEN
        vmread  r10, r8
        mov     r8d, GUEST_RIP
        vmread  r11, r8
        add     r11, r10
        vmwrite r8, r11
        mov     rax, [r14]
        xchg    rax, [r14 + 8]
        mov     [r14], rax
        vmptrld [r14]
        vmresume
        jmp     .failed

        section .note.GNU-stack noalloc noexec nowrite progbits
