/* SPDX-License-Identifier: BSD-2-Clause */
/* Executes XCHG BX, BX, at which the emulator's debugger stops if it is told to: emu.py --magic. */
#include <efi.h>

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    (void)image;
    (void)st;
    __asm__ volatile("mov $0x1234567, %%r15; xchg %%bx, %%bx" : : : "r15");
    return EFI_SUCCESS;
}
