; SPDX-License-Identifier: BSD-2-Clause
; spec.asm: what the door does against attacks by speculation, as boot/ planned it (SPEC_*,
; boot_info.h). enter.asm calls these routines only when something is planned.
bits 64
default rel
%include "offsets.inc"

global spec_enter:function, spec_leave:function, spec_exit:function

section .text
; IA32_SPEC_CTRL gets L0's value: predictions made outside root mode do not steer indirect branches.
; Clobbers rax, rcx, rdx.
%macro ROOT_SPEC_CTRL 0
        mov     ecx, MSR_SPEC_CTRL
        mov     eax, SPEC_CTRL_ROOT
        xor     edx, edx
        wrmsr
%endmacro

align 16
; Called before an entry. Between this routine and the entry, L0 touches only the guest's
; registers. Clobbers rax, rcx, rdx, flags.
spec_enter:
        test    byte [gs:PERCPU_spec], SPEC_CTRL_BIT
        jz      .l1d
        mov     ecx, MSR_SPEC_CTRL
        mov     eax, [gs:PERCPU_guest_spec_ctrl]
        mov     edx, [gs:PERCPU_guest_spec_ctrl + 4]
        wrmsr
.l1d:   test    byte [gs:PERCPU_spec], SPEC_L1D_BIT
        jz      .verw
        mov     ecx, MSR_FLUSH_CMD
        mov     eax, FLUSH_CMD_L1D
        xor     edx, edx
        wrmsr
.verw:  test    byte [gs:PERCPU_spec], SPEC_VERW_BIT
        jz      .done
        verw    [data_selector]
.done:  ret

align 16
; Called when an entry was not made: IA32_SPEC_CTRL may hold the guest's value. Keeps rax.
; Clobbers rcx, rdx, r8.
spec_leave:
        test    byte [gs:PERCPU_spec], SPEC_CTRL_BIT
        jz      .done
        mov     r8, rax
        ROOT_SPEC_CTRL
        mov     rax, r8
.done:  ret

; Called behind an exit, when the registers that C may clobber are saved. Keeps the
; guest's IA32_SPEC_CTRL in memory and loads L0's. Then each of 32 calls puts an entry into the
; return stack, and each entry leads to a stop. Clobbers rax, rcx, rdx, flags.
spec_exit:
        test    byte [gs:PERCPU_spec], SPEC_CTRL_BIT
        jz      .rsb
        mov     ecx, MSR_SPEC_CTRL
        rdmsr
        mov     [gs:PERCPU_guest_spec_ctrl], eax
        mov     [gs:PERCPU_guest_spec_ctrl + 4], edx
        ROOT_SPEC_CTRL
.rsb:   test    byte [gs:PERCPU_spec], SPEC_RSB_BIT
        jz      .done
%assign i 0
%rep RSB_ENTRIES
        call    .over %+ i
.stop %+ i:
        pause
        lfence
        jmp     .stop %+ i
.over %+ i:
  %assign i i + 1
%endrep
        add     rsp, RSB_ENTRIES * ENTRY_SIZE
        lfence
.done:  ret

section .rodata
align 2
data_selector:                                          ; VERW wants a writable data segment
        dw      DATA_SELECTOR
