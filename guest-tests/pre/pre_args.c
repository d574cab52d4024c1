/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints the load options that it was started with, in brackets, and fails with an odd status:
 * for the tests of chain=. No test by itself. */
#include <efi.h>
#include <efilib.h>

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    EFI_LOADED_IMAGE *self;
    InitializeLib(image, st);
    EFI_STATUS s = BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self);
    if (EFI_ERROR(s))
        return s;
    CHAR16 *text = self->LoadOptions;
    UINTN chars = self->LoadOptionsSize / sizeof *text;
    BOOLEAN whole = text && chars && !text[chars - 1] && StrLen(text) == chars - 1;
    Print(L"args: %d characters [%s]\r\n", chars, whole ? text : L"not terminated");
    return EFI_CRC_ERROR;
}
