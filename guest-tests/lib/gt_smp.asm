; SPDX-License-Identifier: BSD-2-Clause
; Processors that come up: the trampoline from a SIPI to 64-bit C, handlers that count, and the door
; of each processor's L2. gt_smp.c copies the trampoline below 1 MiB and fills in its last words.

        default rel

        global  smp_trampoline:data, smp_trampoline_end:data, smp_trampoline_words:data
        global  smp_nmi:function, smp_irq:function, smp_enter_asm:function, smp_exit:function
        global  smp_faults:data

COUNT_NMIS  equ 8
COUNT_IRQS  equ 16
COUNT_FAULT equ 24
COUNT_RIP   equ 32
COUNT_ERROR equ 40
CPU_STACK   equ 48
CPU_RSP     equ 56
CPU_GPR     equ 64
APIC_EOI    equ 0xfee000b0
MSR_EFER    equ 0xc0000080
MSR_FS_BASE equ 0xc0000100
Q           equ 8

        section .data
        align   4096
        bits    16
%define AT(label) (label - smp_trampoline)
; Stores registers to `found`, four bytes each; `at` is the offset behind them.
%assign at 0
%macro  FOUND 1-*
  %rep %0
        mov     eax, %1
        mov     [cs:AT(found) + at], eax
    %assign at at + 4
    %rotate 1
  %endrep
%endmacro
smp_trampoline:
        cli
        mov     [cs:AT(saved)], eax
        mov     [cs:AT(saved) + 4], ebx
        mov     [cs:AT(saved) + 8], ecx
        mov     [cs:AT(saved) + 12], edx
        mov     [cs:AT(saved) + 16], esi
        mov     [cs:AT(saved) + 20], edi
        mov     [cs:AT(saved) + 24], ebp
        mov     [cs:AT(saved) + 28], esp
        mov     eax, cr0
        mov     [cs:AT(saved) + 32], eax
        mov     word [cs:AT(saved) + 40], cs
        FOUND   ds, es, ss, fs, gs, cr2, cr3, cr4, dr0, dr1, dr2, dr3, dr6, dr7
        o32 sgdt [cs:AT(found) + at]
        o32 sidt [cs:AT(found) + at + 8]
        mov     ecx, MSR_EFER
        rdmsr
        mov     [cs:AT(found) + at + 16], eax
        mov     ecx, MSR_FS_BASE
        rdmsr
        mov     [cs:AT(found) + at + 20], eax
        mov     ecx, MSR_FS_BASE + 1    ; GS
        rdmsr
        mov     [cs:AT(found) + at + 24], eax
        xor     ebx, ebx
        mov     bx, cs
        mov     ds, bx
        shl     ebx, 4                  ; the page
        movzx   esp, word [AT(stack16)]
        mov     ss, [AT(stack16) + 2]
        pushfd
        pop     dword [AT(saved) + 36]
        o32 lgdt [AT(gdtr)]
        mov     eax, 0x11
        mov     cr0, eax
        jmp     far dword [AT(to32)]
        bits    32
in32:   mov     ax, 0x88                ; GT_DATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     eax, 0x620              ; PAE, OSFXSR, OSXMMEXCPT
        mov     cr4, eax
        mov     eax, [ebx + AT(w_cr3)]
        mov     cr3, eax
        mov     ecx, MSR_EFER
        rdmsr
        or      eax, 0x900              ; LME, NXE
        wrmsr
        mov     eax, 0x80010033
        mov     cr0, eax
        jmp     far [ebx + AT(to64)]
        bits    64
in64:   mov     rsp, [rbx + AT(w_cpu)]
        mov     rdi, rsp
        mov     rsp, [rdi + CPU_STACK]
        lea     rsi, [rbx + AT(smp_trampoline_words)]
        call    [rbx + AT(w_main)]
        hlt

        align   8
; What gt_smp.c fills in: GDTR, where to go in 32-bit and in 64-bit mode, CR3, the processor, C.
smp_trampoline_words:
gdtr:   dw      0
        dd      0
        dw      0
to32:   dd      AT(in32)                ; + the page
        dw      0x90, 0                 ; GT_CODE32
to64:   dd      AT(in64)
        dw      0x80, 0                 ; GT_CODE64
w_cr3:  dq      0
w_cpu:  dq      0
w_main: dq      0
stack16: dw     0xff0, 0
        dd      0
saved:  times 12 dd 0
found:  times 22 dd 0
smp_trampoline_end:

        section .text
        bits    64
smp_nmi:
        lock inc qword [gs:COUNT_NMIS]
        iretq
smp_irq:
        push    rax
        lock inc qword [gs:COUNT_IRQS]
        mov     eax, APIC_EOI
        mov     dword [rax], 0
        pop     rax
        iretq

%macro  FAULT 2
        align   16
  %if %2 == 0
        push    0
  %endif
        push    %1 + 1
        jmp     fault
%endmacro
        align   16
smp_faults:
%assign v 0
%rep 32
  %if v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21
        FAULT   v, 1
  %else
        FAULT   v, 0
  %endif
  %assign v v + 1
%endrep
fault:  pop     qword [gs:COUNT_FAULT]
        pop     qword [gs:COUNT_ERROR]
        pop     qword [gs:COUNT_RIP]
.stop:  cli
        hlt
        jmp     .stop

%macro  EACH 1
        %1      rcx, 1
        %1      rdx, 2
        %1      rbx, 3
        %1      rbp, 5
        %1      rsi, 6
        %1      r8, 8
        %1      r9, 9
        %1      r10, 10
        %1      r11, 11
        %1      r12, 12
        %1      r13, 13
        %1      r14, 14
        %1      r15, 15
%endmacro
%macro  LOAD 2
        mov     %1, [rdi + CPU_GPR + Q * %2]
%endmacro
%macro  SAVE 2
        mov     [gs:CPU_GPR + Q * %2], %1
%endmacro

; u64 smp_enter_asm(struct smp_cpu *cpu, u64 launched): 0 after an exit, 1 or 2 as enum vmx_status.
smp_enter_asm:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [rdi + CPU_RSP], rsp
        mov     eax, 0x6c14             ; HOST_RSP
        vmwrite rax, rsp
        test    rsi, rsi
        mov     rax, [rdi + CPU_GPR]
        EACH    LOAD
        mov     rdi, [rdi + CPU_GPR + Q * 7]
        jz      .launch
        vmresume
        jmp     .failed
.launch:
        vmlaunch
.failed:
        mov     eax, 1
        mov     ecx, 2
        cmovz   eax, ecx
        jmp     out
smp_exit:
        SAVE    rax, 0
        EACH    SAVE
        SAVE    rdi, 7
        xor     eax, eax
out:    pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret
