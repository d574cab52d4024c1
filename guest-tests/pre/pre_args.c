/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints the load options that it was started with, in brackets, and fails with an odd status:
 * for the tests of chain=. Under Nidus, how many pages of L0's region this processor has touched as
 * well, which no launch may count. No test by itself. */
#include <efi.h>
#include <efilib.h>

enum { SIGNATURE = 0x40000000, EXITS = 0x40000002, NIDU = 0x7564694e };

struct words {
    UINT32 a, b, c, d;
};

static struct words cpuid(UINT32 leaf, UINT32 sub)
{
    struct words w;
    __asm__ volatile("cpuid" : "=a"(w.a), "=b"(w.b), "=c"(w.c), "=d"(w.d) : "a"(leaf), "c"(sub));
    return w;
}

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
    if (cpuid(SIGNATURE, 0).b == NIDU)
        Print(L"args: pages of L0's touched: %d\r\n", cpuid(EXITS, 0).b);
    return EFI_CRC_ERROR;
}
