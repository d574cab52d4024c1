; SPDX-License-Identifier: BSD-2-Clause
; sipi.asm: where a processor starts that Nidus wakes by INIT and SIPI (efi_sipi.c). The text is
; copied to a page below 1 MiB, and the words behind it are filled in there.
default rel
%include "offsets.inc"

global sipi_start:data, sipi_words:data, sipi_end:data

%define AT(label) (label - sipi_start)

section .rodata
align 16
bits 16
sipi_start:
        cli
        xor     ebx, ebx
        mov     bx, cs
        mov     ds, bx
        shl     ebx, SIPI_PAGE_SHIFT                    ; ebx = the page, from here on
        o32 lgdt [AT(sipi_words)]
        mov     eax, cr0
        or      al, CR0_PE_BIT
        mov     cr0, eax
        jmp     far dword [AT(to32)]
bits 32
in32:   mov     ax, SIPI_DATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     eax, [ebx + AT(w_cr4)]
        mov     cr4, eax
        mov     eax, [ebx + AT(w_cr3)]
        mov     cr3, eax
        mov     ecx, MSR_EFER
        rdmsr
        or      eax, EFER_LONG_BITS
        wrmsr
        mov     eax, CR0_LONG_BITS
        mov     cr0, eax
        jmp     far [ebx + AT(to64)]
bits 64
in64:   mov     ebx, ebx
        mov     dword [rbx + AT(w_state)], 1
        mov     rsp, [rbx + AT(w_stack)]
        lgdt    [rbx + AT(w_gdtr)]
        lidt    [rbx + AT(w_idtr)]
        mov     rax, [rbx + AT(w_cs)]                   ; the selectors of the other processor
        push    rax
        lea     rax, [rbx + AT(.old_cs)]
        push    rax
        retfq
.old_cs:
        mov     ax, [rbx + AT(w_ss)]
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     rdi, [rbx + AT(w_arg)]
        call    [rbx + AT(w_f)]
        mov     dword [rbx + AT(w_state)], SIPI_ENDED
.stop:  cli
        hlt
        jmp     .stop

align 8
sipi_words:
        dw      SIPI_GDT_LIMIT
        dd      AT(gdt)                                 ; + the page
        dw      0
to32:   dd      AT(in32)                                ; + the page
        dw      SIPI_CODE32, 0
to64:   dd      AT(in64)                                ; + the page
        dw      SIPI_CODE64, 0
w_cr3:  dq      0
w_cr4:  dq      0
w_stack: dq     0
w_f:    dq      0
w_arg:  dq      0
w_cs:   dq      0
w_ss:   dq      0
gdt:    dq      0
        dw      DESC_LIMIT, 0, DESC_CODE_ACCESS, DESC_FLAGS32   ; code of 32 bits, flat
        dw      DESC_LIMIT, 0, DESC_DATA_ACCESS, DESC_FLAGS32   ; data, flat
        dw      DESC_LIMIT, 0, DESC_CODE_ACCESS, DESC_FLAGS64   ; code of 64 bits
w_gdtr: times HANDOFF_DTR_SIZE db 0
w_idtr: times HANDOFF_DTR_SIZE db 0
w_state: dd     0
sipi_end:
