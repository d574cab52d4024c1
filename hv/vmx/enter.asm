; SPDX-License-Identifier: BSD-2-Clause
; enter.asm: the door to the guest. It takes no decision and touches no VMCS field.
; NMIs: the check of percpu.nmi_pending and the entry must be one step. The handler of NMI and
; #MC (hv/core/trap.c) moves a RIP that it finds inside an enter window to the window's restart.
; Nothing is lost: the guest's registers lie in struct regs until the window is behind, or (on the
; short ways, short.asm and crossing.asm) still in place, and RSP does not change inside a window.
; Speculation: spec.asm.
bits 64
default rel
%include "offsets.inc"
%include "hv/vmx/door.inc"

global vmx_enter_raw:function, enter_windows:data, vmx_exit:function, vmx_exit_spec:function
global exited, window_end, entered_nmi
extern spec_enter, spec_leave, spec_exit, short_window, short_window_end, short_nmi
extern cpuid_window, cpuid_window_end, cpuid_nmi
extern crossing_window, crossing_window_end, crossing_nmi

section .text
align 64
; The body of vmx_enter (regs.h), which declares every register but RSP as clobbered.
; In: rdi = struct regs; rsi = 0 for VMLAUNCH, else VMRESUME; the VMCS to run is current.
; Out: rax = enum vmx_enter.
vmx_enter_raw:
        mov     [rdi + REGS_host_rsp], rsp
window:
        cmp     qword [gs:PERCPU_nmi_pending], 0         ; also mc_pending and entry_spec (percpu.h)
        jne     work
go:     test    rsi, rsi                                ; MOV keeps the flags up to the JZ
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
        jmp     window_end
.launch:
        vmlaunch
        jmp     window_end
work:   call    spec_enter                              ; then looks for an NMI that came meanwhile
        cmp     dword [gs:PERCPU_nmi_pending], 0
        je      go
        jmp     entered_nmi
window_end:                                             ; refused: CF = VMfailInvalid, else ZF
        mov     eax, ENTER_FAIL_VALID
        mov     ecx, ENTER_FAIL_INVALID
        cmovc   eax, ecx
        jmp     not_entered
entered_nmi:
        mov     eax, ENTER_NMI
not_entered:
        call    spec_leave
        jmp     leave_door

align 64
; HOST_RIP. RSP = HOST_RSP = the struct regs of this CPU; everything else is the guest's.
; An interrupt cannot come here (IF = 0); exceptions and NMIs have stacks of their own.
vmx_exit:
        SAVE_CLOBBERED
exited: SAVE_CALLEE_SAVED
        xor     eax, eax                                ; VMX_ENTER_EXIT
leave_door:                                             ; this CALL predicts the RET below:
        call    .over                                   ; else the guest's CALLs would
.stop:  lfence
        jmp     .stop
.over:  pop     rcx
        lfence
        ret

vmx_exit_spec:                                          ; HOST_RIP where spec_exit has work to do
        SAVE_CLOBBERED
        call    spec_exit
        jmp     exited

section .rodata
align 8
enter_windows:                                          ; struct enter_window[4]
        dq      window, window_end, entered_nmi
        dq      cpuid_window, cpuid_window_end, cpuid_nmi
        dq      short_window, short_window_end, short_nmi
        dq      crossing_window, crossing_window_end, crossing_nmi
