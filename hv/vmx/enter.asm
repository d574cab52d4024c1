; enter.asm: the one door to the guest. No decision is taken here and no VMCS field touched.
;
; NMIs: the check of percpu.nmi_pending and the entry must be one step. The handlers of NMI and
; #MC (hv/core/traps.asm, trap.c) move a RIP that it finds between enter_window and enter_window_end to
; enter_nmi, which returns VMX_ENTER_NMI; nothing is lost, as the guest's registers still lie
; in struct regs and RSP does not change inside the window.
bits 64
default rel
%include "offsets.inc"

global vmx_enter_raw:function, vmx_exit:function
global enter_window, enter_window_end, enter_nmi

section .text
align 64
; enum vmx_enter vmx_enter(struct regs *regs, u64 launched), but for the registers that the C
; wrapper (regs.h) declares clobbered: all but RSP.
; In:  rdi = regs, rsi = 0 for VMLAUNCH, else VMRESUME. The VMCS to run is current.
; Out: rax = enum vmx_enter. Flags clobbered.
vmx_enter_raw:
        mov     [rdi + REGS_host_rsp], rsp
enter_window:
        cmp     qword [gs:PERCPU_nmi_pending], 0         ; and mc_pending
        jne     enter_nmi
        test    rsi, rsi                                ; MOV keeps the flags up to the JZ
        mov     rax, [rdi + REGS_rax]
        mov     rcx, [rdi + REGS_rcx]
        mov     rdx, [rdi + REGS_rdx]
        mov     rbx, [rdi + REGS_rbx]
        mov     rbp, [rdi + REGS_rbp]
        mov     rsi, [rdi + REGS_rsi]
        mov     r8,  [rdi + REGS_r8]
        mov     r9,  [rdi + REGS_r9]
        mov     r10, [rdi + REGS_r10]
        mov     r11, [rdi + REGS_r11]
        mov     r12, [rdi + REGS_r12]
        mov     r13, [rdi + REGS_r13]
        mov     r14, [rdi + REGS_r14]
        mov     r15, [rdi + REGS_r15]
        mov     rdi, [rdi + REGS_rdi]
        jz      .launch
        vmresume
        jmp     enter_window_end
.launch:
        vmlaunch
enter_window_end:                                       ; refused: CF = VMfailInvalid, else ZF
        mov     eax, ENTER_FAIL_VALID
        mov     ecx, ENTER_FAIL_INVALID
        cmovc   eax, ecx
        jmp     enter_return
enter_nmi:
        mov     eax, ENTER_NMI
        jmp     enter_return

align 64
; HOST_RIP. RSP = HOST_RSP = the struct regs of this entry; everything else is the guest's.
; An interrupt cannot come here (IF = 0); exceptions and NMIs have stacks of their own.
vmx_exit:
        mov     [rsp + REGS_rax], rax
        mov     [rsp + REGS_rcx], rcx
        mov     [rsp + REGS_rdx], rdx
        mov     [rsp + REGS_rbx], rbx
        mov     [rsp + REGS_rbp], rbp
        mov     [rsp + REGS_rsi], rsi
        mov     [rsp + REGS_rdi], rdi
        mov     [rsp + REGS_r8],  r8
        mov     [rsp + REGS_r9],  r9
        mov     [rsp + REGS_r10], r10
        mov     [rsp + REGS_r11], r11
        mov     [rsp + REGS_r12], r12
        mov     [rsp + REGS_r13], r13
        mov     [rsp + REGS_r14], r14
        mov     [rsp + REGS_r15], r15
        mov     rsp, [rsp + REGS_host_rsp]
        xor     eax, eax                                ; VMX_ENTER_EXIT
enter_return:
        ret
