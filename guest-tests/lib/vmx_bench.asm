; SPDX-License-Identifier: BSD-2-Clause
; A hypervisor's tightest exit handler, for benchmarks: reason, RIP and length are read, RIP is
; written, L2 goes on.
; L2 may use RAX, RBX, RCX, RDX and counts in R15; the rest is the handler's. Nothing is saved or
; restored.

        default rel
        bits    64

        global  vmx_bench:function, vmx_bench_two:function, vmx_bench_write:function
        global  vmx_bench_fill:function, vmx_trips:function

EXIT_REASON equ 0x4402
INSN_LEN    equ 0x440c
GUEST_PHYS  equ 0x2400
GUEST_RIP   equ 0x681e
HOST_RSP    equ 0x6c14
HOST_RIP    equ 0x6c16

; The beginning of each: R12 exits, R13 reason, R14 the third argument.
%macro  BEGIN 0
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     r12, rdi
        mov     r13, rsi
        mov     r14, rdx
%endmacro

; An exit of the current VMCS comes to .exit, on this stack.
%macro  EXITS_HERE 0
        mov     eax, HOST_RSP
        vmwrite rax, rsp
        mov     eax, HOST_RIP
        lea     rcx, [.exit]
        vmwrite rax, rcx
%endmacro

; RBP: the TSC. bench.py counts from here.
%macro  START_CLOCK 0
        xchg    bx, bx
        rdtsc
        mov     ebp, edx
        shl     rbp, 32
        or      rbp, rax
%endmacro

; What each handler does first: to .failed at another reason, behind the last exit to %1.
%macro  COUNT 1
        mov     r8d, EXIT_REASON
        vmread  r9, r8
        cmp     r9d, r13d
        jne     .failed
        dec     r12
        jz      %1
%endmacro

; The same, and RIP goes behind the instruction.
%macro  HANDLE 1
        COUNT   %1
        mov     r8d, INSN_LEN
        vmread  r10, r8
        mov     r8d, GUEST_RIP
        vmread  r11, r8
        add     r11, r10
        vmwrite r8, r11
%endmacro

        section .data
        align   8
written: dq     0                       ; by vmx_bench_write
home:   dq      0                       ; its stack

        section .text

; u64 vmx_bench(u64 exits, u64 reason, u8 *edit, u64 loops);
; Launches the current VMCS and handles `exits` exits, all with `reason`; before each VMRESUME it
; flips a bit of *edit. L2 starts with R15 = loops. Returns the ticks that it took, 0 when an entry
; failed or another reason came. IF must be 0.
vmx_bench:
        BEGIN
        mov     r15, rcx
        EXITS_HERE
        START_CLOCK
        vmlaunch
.failed:
        xor     eax, eax
        jmp     .leave
.exit:
        HANDLE  .done
        xor     byte [r14], 0x80
        vmresume
        jmp     .failed
.done:
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        sub     rax, rbp
        xchg    bx, bx                                  ; and bench.py counts to here
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
        BEGIN
        mov     r15d, 2
.host:  vmptrld [r14]
        EXITS_HERE
        mov     rax, [r14]
        xchg    rax, [r14 + 8]
        mov     [r14], rax
        dec     r15d
        jnz     .host
        START_CLOCK
        vmresume
.failed:
        xor     eax, eax
        jmp     vmx_bench.leave
.exit:
        HANDLE  vmx_bench.done
        mov     rax, [r14]
        xchg    rax, [r14 + 8]
        mov     [r14], rax
        vmptrld [r14]
        vmresume
        jmp     .failed

; u64 vmx_bench_write(u64 exits, u64 reason, u64 encoding, u64 bits);
; The same as vmx_bench, but before each VMRESUME it changes these bits of the VMCS field. They may
; be bits of HOST_RSP that leave room on the stack.
vmx_bench_write:
        BEGIN
        mov     r15, rcx
        EXITS_HERE
        mov     [home], rsp
        vmread  rax, r14
        mov     [written], rax
        START_CLOCK
        vmlaunch
.failed:
        xor     eax, eax
        jmp     .home
.exit:
        HANDLE  .done
        mov     r11, [written]
        xor     r11, r15
        mov     [written], r11
        mov     r8, r14
        vmwrite r8, r11
        vmresume
        jmp     .failed
.done:
        mov     rsp, [home]
        jmp     vmx_bench.done
.home:  mov     rsp, [home]
        jmp     vmx_bench.leave

; u64 vmx_bench_fill(u64 exits, u64 reason, u64 *leaves, u64 leaf, u64 from);
; The exits are EPT violations of an L2 that starts with RBX = from, RCX = exits, RDX = 4096. The
; handler writes `leaf` to leaves[(the address - from) / 4096], and L2 does the access again.
vmx_bench_fill:
        BEGIN
        mov     r15, rcx
        mov     r11, r8
        EXITS_HERE
        START_CLOCK
        mov     rbx, r11
        mov     rcx, r12
        mov     edx, 4096
        vmlaunch
.failed:
        xor     eax, eax
        jmp     vmx_bench.leave
.exit:
        COUNT   vmx_bench.done
        mov     r8d, GUEST_PHYS
        vmread  r10, r8
        sub     r10, r11
        shr     r10, 9
        and     r10, ~7
        mov     [r14 + r10], r15
        vmresume
        jmp     .failed

; u64 vmx_trips(bool (*at_exit)(u64 number));
; Launches the current VMCS and calls at_exit at each exit, with its number from 1 on; then
; VMRESUME, until at_exit says false. L2's registers are not kept. Returns 0, or 1 when an entry
; ended with VMfail. IF must be 0.
vmx_trips:
        BEGIN
        sub     rsp, 8                                  ; calls find the stack aligned
        mov     r13, rdi
        xor     r12d, r12d
        EXITS_HERE
        vmlaunch
.failed:
        mov     eax, 1
        jmp     .leave
.exit:
        inc     r12
        mov     rdi, r12
        call    r13
        test    al, al
        jz      .done
        vmresume
        jmp     .failed
.done:
        xor     eax, eax
.leave:
        add     rsp, 8
        jmp     vmx_bench.leave

        section .note.GNU-stack noalloc noexec nowrite progbits
