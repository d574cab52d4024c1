; handoff.asm: from the firmware's context to the core's, and back as L1.
;
; This code's own pages and the page of struct handoff are mapped at the same address by the
; firmware and by L0's page tables, so the switch of CR3 happens under its feet. Interrupts are
; off from the capture to L1's first instruction.
bits 64
default rel
%include "offsets.inc"

global handoff:function, handoff_end

section .text
align 64
; u64 handoff(struct handoff *h);
; In:  rdi = h, with l0_* and seg filled in. Out: rax = enum handoff_status; 0: the caller is now
; L1.
; Clobbers what the ABI lets it. On return CR0, CR3, CR4, DR7 and EFER are the caller's. A shadow
; stack
; of the caller's is not used while CR4.CET is 0, and every CALL here has its RET, so SSP is the
; caller's too.
handoff:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        pushfq                                          ; the caller's IF comes back by POPFQ
        cli
        cld

        ; 1. Capture: what the switch below changes, and what only this side can name.
        sgdt    [rdi + HANDOFF_gdtr]
        sidt    [rdi + HANDOFF_idtr]
        lea     rax, [.resume]
        mov     [rdi + HANDOFF_rip], rax
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

        ; 2. Switch: NX and write protection on, no breakpoints, L0's tables. CR4 keeps what long
        ; mode
        ; stands on: no global or tagged translations, no shadow stack, no keys while L0 runs.
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
        mov     rax, [rdi + HANDOFF_l0_cr3]
        mov     cr3, rax
        mov     rsp, [rdi + HANDOFF_l0_stack]

        ; 3. The core. It comes back only when it could not launch.
        mov     rbx, rdi
        call    [rdi + HANDOFF_l0_entry]

        ; 4. A refusal: everything as it was. CR4 in two steps: SMEP must not meet the firmware's
        ; pages, and PCIDE may be set only while CR3 names PCID 0.
        mov     r8, rax
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
        mov     rax, r8

.resume:                                                ; L1's first instruction, with rax = 0
        popfq
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret
handoff_end:
