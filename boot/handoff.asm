; SPDX-License-Identifier: BSD-2-Clause
; handoff.asm: from the firmware's context to the core's, and back as L1.
;
; The firmware's page tables and L0's page tables map the pages of this code and of struct handoff
; at the same address, so this code goes on running when CR3 changes. Interrupts are off from the
; capture to L1's first instruction.
bits 64
default rel
%include "offsets.inc"

global handoff:function, handoff_leave:function, bridge_nmi:function
global bridge_mc:function, handoff_end

section .text
align 64
; u64 handoff(struct handoff *h);
; In: rdi = h, with l0_*, seg and info filled in. Out: rax = enum handoff_status; 0 means that the
; caller is now L1.
; Clobbers what the ABI allows. On return CR0, CR3, CR4, DR7 and EFER have the caller's values. The
; caller may have a shadow stack. The CPU does not use a shadow stack while CR4.CET is 0, and each
; CALL here has its RET, so SSP also has the caller's value.
handoff:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        pushfq                                          ; POPFQ restores the caller's IF
        cli
        cld

        ; 1. Capture the registers that the switch below changes, and the address where L1 starts.
        sgdt    [rdi + HANDOFF_gdtr]
        sidt    [rdi + HANDOFF_idtr]
        lea     rax, [.resume]
        mov     [rdi + HANDOFF_rip], rax
        lea     rax, [.back]
        mov     [rdi + HANDOFF_back], rax
        mov     [rdi + HANDOFF_rsp], rsp
        pushfq
        pop     qword [rdi + HANDOFF_rflags]
        mov     rax, cr0
        mov     [rdi + HANDOFF_cr0], rax
        mov     rax, cr2
        mov     [rdi + HANDOFF_cr2], rax
        mov     rax, cr3
        mov     [rdi + HANDOFF_cr3], rax
        mov     rax, cr4
        mov     [rdi + HANDOFF_cr4], rax
        mov     rax, dr7
        mov     [rdi + HANDOFF_dr7], rax
        mov     ecx, MSR_EFER
        rdmsr
        mov     [rdi + HANDOFF_efer], eax
        mov     [rdi + HANDOFF_efer + 4], edx
        lgdt    [rdi + HANDOFF_bridge_gdtr]             ; the same descriptors, at an address that
        lidt    [rdi + HANDOFF_bridge_idtr]             ; both page tables map

        ; 2. Switch: turn NX and write protection on and breakpoints off, and load L0's tables. CR4
        ; keeps only the bits that long mode needs. So while L0 runs there are no global or tagged
        ; translations, no shadow stack and no protection keys.
        or      eax, EFER_NXE_BIT
        wrmsr
        mov     eax, DR7_RESET_BITS
        mov     dr7, rax
        mov     rax, [rdi + HANDOFF_cr4]
        and     eax, CR4_SWITCH_BITS
        mov     cr4, rax
        mov     rax, cr0
        or      rax, CR0_WP_BIT
        mov     cr0, rax
        lea     rsp, [rdi + HANDOFF_bridge_stack + HANDOFF_STACK_BYTES]
        mov     rax, [rdi + HANDOFF_l0_cr3]
        mov     cr3, rax
        mov     rsp, [rdi + HANDOFF_l0_stack]

        ; 3. Call the core. The core returns only when it could not launch.
        mov     rbx, rdi
        call    [rdi + HANDOFF_l0_entry]

.back:
        ; 4. The core has not launched, or this processor has left Nidus again: restore everything.
        ; CR4 changes in two steps. The first turns SMEP off before the firmware's pages come back.
        ; The second may set PCIDE, for which CR3 must name PCID 0.
        mov     r8, rax
        lgdt    [rbx + HANDOFF_bridge_gdtr]
        lidt    [rbx + HANDOFF_bridge_idtr]
        lea     rsp, [rbx + HANDOFF_bridge_stack + HANDOFF_STACK_BYTES]
        mov     ax, [rbx + HANDOFF_ss]
        mov     ss, ax
        movzx   eax, word [rbx + HANDOFF_cs]
        push    rax
        lea     rax, [.old_cs]
        push    rax
        retfq
.old_cs:
        mov     rax, cr4
        and     eax, CR4_SWITCH_BITS
        mov     cr4, rax
        mov     rcx, [rbx + HANDOFF_cr3]
        mov     rax, rcx
        and     rax, PAGE_MASK
        mov     cr3, rax
        mov     rax, [rbx + HANDOFF_cr4]
        mov     cr4, rax
        mov     cr3, rcx
        mov     rax, [rbx + HANDOFF_cr0]
        mov     cr0, rax
        mov     rax, [rbx + HANDOFF_dr7]
        mov     dr7, rax
        mov     ecx, MSR_EFER
        mov     eax, [rbx + HANDOFF_efer]
        mov     edx, [rbx + HANDOFF_efer + 4]
        wrmsr
        mov     rsp, [rbx + HANDOFF_rsp]
        call    give_back_tables
        mov     rax, r8
        jmp     .out

        ; L1's first instruction. CPUID exits: what is true of the way to L1 and back is known here,
        ; where everything can still be undone.
.resume:
        mov     eax, LEAF_SIGNATURE
        cpuid
        xor     eax, eax                                ; HANDOFF_OK
.out:
        popfq
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

%include "boot/bridge.inc"
handoff_end:
