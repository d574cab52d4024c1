; SPDX-License-Identifier: BSD-2-Clause
; core_blob.asm: the core's image inside nidus.efi. boot/efi_memory.c copies the image to reserved
; memory.
bits 64
global core_blob:data, core_blob_end:data

section .data align=16
core_blob:
        incbin  "core.bin"
core_blob_end:
