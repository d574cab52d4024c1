; SPDX-License-Identifier: BSD-2-Clause
; sbat.asm: the generations by which shim revokes an image that somebody signed (Secure Boot).
bits 64

section .sbat progbits alloc noexec nowrite align=4096
        incbin  "boot/sbat.csv"
