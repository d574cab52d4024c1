/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks IA32_FEATURE_CONTROL without VMX, as a firmware with VMX switched off does. Stays until
 * reset. */
#include <efi.h>
#include <efilib.h>

enum { MSR_FEATURE_CONTROL = 0x3a, LOCK = 1 };

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    InitializeLib(image, st);
    __asm__ volatile("wrmsr" : : "c"(MSR_FEATURE_CONTROL), "a"(LOCK), "d"(0));
    return EFI_SUCCESS;
}
