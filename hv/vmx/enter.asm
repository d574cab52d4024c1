; enter.asm: the door to the guest. No decision is taken here and no VMCS field touched.
; NMIs: the check of percpu.nmi_pending and the entry must be one step. The handler of NMI and
; #MC (hv/core/trap.c) moves a RIP that it finds inside an enter window to the window's restart.
; Nothing is lost: the guest's registers lie in struct regs until the window is behind, or (on the
; short way) still in place, and RSP does not change inside a window. Speculation: spec.asm.
bits 64
default rel
%include "offsets.inc"

global vmx_enter_raw:function, enter_windows:data
global vmx_exit:function, vmx_exit_short:function, vmx_exit_spec:function, vmx_exit_short_spec:function
extern emulate_short, spec_enter, spec_leave, spec_exit

section .text
align 64
; enum vmx_enter vmx_enter(struct regs *regs, u64 launched), but for the registers that the C
; wrapper (regs.h) declares clobbered: all but RSP.
; In: rdi = regs, rsi = 0: VMLAUNCH, else VMRESUME; its VMCS is current. Out: rax.
vmx_enter_raw:
        mov     [rdi + REGS_host_rsp], rsp
window:
        cmp     qword [gs:PERCPU_nmi_pending], 0         ; and mc_pending and entry_spec
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
work:   call    spec_enter                              ; an NMI in there is seen here
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

; What C leaves alone, from the guest into struct regs.
%macro SAVE_CALLEE_SAVED 0
        mov     [gs:CPU_regs + REGS_rbp], rbp
        mov     [gs:CPU_regs + REGS_r12], r12
        mov     [gs:CPU_regs + REGS_r13], r13
        mov     [gs:CPU_regs + REGS_r14], r14
        mov     [gs:CPU_regs + REGS_r15], r15
%endmacro

; What C may clobber, and RBX, which CPUID returns in.
%macro SAVE_CLOBBERED 0
        mov     [rsp + REGS_rax], rax
        mov     [rsp + REGS_rcx], rcx
        mov     [rsp + REGS_rdx], rdx
        mov     [rsp + REGS_rbx], rbx
        mov     [rsp + REGS_rsi], rsi
        mov     [rsp + REGS_rdi], rdi
        mov     [rsp + REGS_r8],  r8
        mov     [rsp + REGS_r9],  r9
        mov     [rsp + REGS_r10], r10
        mov     [rsp + REGS_r11], r11
        mov     rsp, [rsp + REGS_host_rsp]
%endmacro

align 64
; HOST_RIP. RSP = HOST_RSP = the struct regs of this CPU; everything else is the guest's.
; An interrupt cannot come here (IF = 0); exceptions and NMIs have stacks of their own.
vmx_exit:
        SAVE_CLOBBERED
exited: SAVE_CALLEE_SAVED
        xor     eax, eax                                ; VMX_ENTER_EXIT
leave_door:                                             ; no CALL since the exit is this RET's: this one is,
        call    .over                                   ; or it would be predicted by what the guest left
.stop:  lfence
        jmp     .stop
.over:  pop     rcx
        lfence
        ret

vmx_exit_spec:                                          ; HOST_RIP where spec_exit has something to do
        SAVE_CLOBBERED
        call    spec_exit
        jmp     exited
vmx_exit_short_spec:
        SAVE_CLOBBERED
        call    spec_exit
        jmp     short_saved

align 64
; HOST_RIP of vmcs01, as above. The short way in and out for exits that C answers at once.
vmx_exit_short:
        SAVE_CLOBBERED
short_saved:
        mov     rdi, [gs:PERCPU_self]
        call    emulate_short
        test    al, al
        jz      exited
short_window:
        cmp     qword [gs:PERCPU_nmi_pending], 0
        jne     short_work
short_go:
        mov     rax, [gs:CPU_regs + REGS_rax]
        mov     rcx, [gs:CPU_regs + REGS_rcx]
        mov     rdx, [gs:CPU_regs + REGS_rdx]
        mov     rbx, [gs:CPU_regs + REGS_rbx]
        mov     rsi, [gs:CPU_regs + REGS_rsi]
        mov     rdi, [gs:CPU_regs + REGS_rdi]
        mov     r8,  [gs:CPU_regs + REGS_r8]
        mov     r9,  [gs:CPU_regs + REGS_r9]
        mov     r10, [gs:CPU_regs + REGS_r10]
        mov     r11, [gs:CPU_regs + REGS_r11]
        vmresume
        jmp     short_window_end
short_work:
        call    spec_enter
        cmp     dword [gs:PERCPU_nmi_pending], 0
        je      short_go
        jmp     short_nmi
short_window_end:
        SAVE_CALLEE_SAVED                               ; MOV keeps CF and ZF
        jmp     window_end
short_nmi:
        SAVE_CALLEE_SAVED
        jmp     entered_nmi

section .rodata
align 8
enter_windows:                                          ; struct enter_window[2]
        dq      window, window_end, entered_nmi
        dq      short_window, short_window_end, short_nmi
