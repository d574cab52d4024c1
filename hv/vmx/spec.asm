; spec.asm: what is done at the door against attacks by speculation, as boot/ planned it (SPEC_*,
; boot_info.h). enter.asm calls in here only when something is planned, so nothing planned costs nothing.
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
; Before an entry, and nothing of L0's may be touched between this and the entry but the guest's registers.
; Clobbers rax, rcx, rdx, flags.
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
; An entry that was not made: the guest's IA32_SPEC_CTRL may be live. Keeps rax; clobbers rcx, rdx, r8.
spec_leave:
        test    byte [gs:PERCPU_spec], SPEC_CTRL_BIT
        jz      .done
        mov     r8, rax
        ROOT_SPEC_CTRL
        mov     rax, r8
.done:  ret

; Behind an exit, with rax to r11 and rbx saved: the guest's IA32_SPEC_CTRL is kept, L0's comes; each of
; 32 calls puts one entry into the return stack, where it leads to a stop. Clobbers rax, rcx, rdx, flags.
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
data_selector:                                          ; a writable data segment, as VERW wants for its effect
        dw      DATA_SELECTOR
