/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes all memory but one piece of 2 MiB, and keeps it: the machine on which L0's region does
 * not fit. */
#include <efi.h>
#include <efilib.h>

enum { PAGES_LEFT = 512 };

/* Takes pieces of this size until there are none, then smaller ones. */
static UINTN take_all(void)
{
    UINTN taken = 0;
    for (UINTN piece = 65536; piece;) {
        EFI_PHYSICAL_ADDRESS at;
        if (EFI_ERROR(BS->AllocatePages(AllocateAnyPages, EfiBootServicesData, piece, &at)))
            piece /= 2;
        else
            taken += piece;
    }
    return taken;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    EFI_PHYSICAL_ADDRESS left;
    InitializeLib(image, st);
    EFI_STATUS s = BS->AllocatePages(AllocateAnyPages, EfiBootServicesData, PAGES_LEFT, &left);
    if (EFI_ERROR(s))
        return s;
    UINTN taken = take_all();
    BS->FreePages(left, PAGES_LEFT);
    Print(L"hog: took %d pages\r\n", taken);
    return EFI_SUCCESS;
}
