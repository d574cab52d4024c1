; SPDX-License-Identifier: BSD-2-Clause
; cpuid.asm: the shortest way, for CPUID by L1 of a leaf that L0 shows unchanged. It does what
; emulate_short (hv/l1/cpuid.c) does, with three registers, and leaves CPUID's results where they
; are. Its window begins when RIP has been advanced: an NMI in it leads to the window's restart,
; which executes CPUID again, as that changes nothing.
bits 64
default rel
%include "offsets.inc"
%include "hv/vmx/door.inc"

global vmx_exit_short:function, cpuid_window, cpuid_window_end, cpuid_nmi
extern short_rest, short_window, entered_nmi, window_end

; Executes CPUID into struct regs. RBX stays where it is, and ESI = 0 says VMRESUME.
%macro ANSWER 0
        mov     eax, [rsp + REGS_rax]
        mov     rcx, [rsp + REGS_rcx]
        cpuid
        mov     [rsp + REGS_rax], rax
        mov     [rsp + REGS_rcx], rcx
        mov     [rsp + REGS_rdx], rdx
        SAVE_OTHERS
        xor     esi, esi
%endmacro

section .text
align 64
; HOST_RIP of vmcs01. RSP = HOST_RSP = the struct regs of this CPU; everything else is the guest's.
vmx_exit_short:
        mov     [rsp + REGS_rax], rax
        mov     [rsp + REGS_rcx], rcx
        mov     eax, ENC_EXIT_REASON
        vmread  rcx, rax
        cmp     ecx, REASON_CPUID
        jne     short_rest
        mov     [rsp + REGS_rdx], rdx
        mov     eax, [rsp + REGS_rax]
        cmp     eax, 63
        ja      plain
        mov     rcx, [rsp + REGS_to_vm]
        mov     rcx, [rcx + VM_leaf_plain]
        bt      rcx, rax
        jnc     plain
        mov     eax, ENC_GUEST_RFLAGS
        vmread  rdx, rax
        mov     eax, ENC_GUEST_INTERRUPTIBILITY
        vmread  rcx, rax
        and     edx, RFLAGS_TF_RF
        and     ecx, BLOCKING_STI_MOV_SS
        or      ecx, edx
        jnz     plain
        mov     eax, ENC_INSTRUCTION_LEN
        vmread  rcx, rax
        mov     eax, ENC_GUEST_RIP
        vmread  rdx, rax
        add     rdx, rcx
        cmp     edx, ecx                                ; RIP stays within its 4 GiB
        jb      plain
        vmwrite rax, rdx
        inc     qword [rsp + REGS_to_cpuids]
        mov     qword [rsp + REGS_to_launched], 1
cpuid_window:
        cmp     qword [gs:PERCPU_nmi_pending], 0
        jne     work
        mov     eax, [rsp + REGS_rax]
        mov     rcx, [rsp + REGS_rcx]
        cpuid
        vmresume
        jmp     cpuid_window_end
plain:  mov     ecx, REASON_CPUID
        mov     rdx, [rsp + REGS_rdx]
        jmp     short_rest
work:   ANSWER                                          ; something waits, or speculation has work
        jmp     short_window
cpuid_window_end:                                       ; refused. MOV keeps CF and ZF
        SAVE_OTHERS
        SAVE_CALLEE_SAVED
        jmp     window_end
cpuid_nmi:
        ANSWER
        SAVE_CALLEE_SAVED
        jmp     entered_nmi
