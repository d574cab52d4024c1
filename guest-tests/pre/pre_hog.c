/* SPDX-License-Identifier: BSD-2-Clause */
/* pre_hog.efi [MIB]: takes all memory but one piece of 2 MiB, or of MIB, and keeps it: the machine
 * on which L0's region does not fit. */
#include <efi.h>
#include <efilib.h>

enum { PAGES_A_MIB = 256, MIB_LEFT = 2 };

/* The number that stands last in the load options, or 2. */
static UINTN pages_left(EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *self;
    UINTN mib = 0;
    if (EFI_ERROR(BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self)))
        return MIB_LEFT * PAGES_A_MIB;
    CHAR16 *text = self->LoadOptions;
    for (UINTN n = 0; n < self->LoadOptionsSize / sizeof *text && text[n]; n++)
        mib = text[n] >= L'0' && text[n] <= L'9' ? 10 * mib + (UINTN)(text[n] - L'0') : 0;
    return (mib ? mib : MIB_LEFT) * PAGES_A_MIB;
}

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
    UINTN pages = pages_left(image);
    EFI_STATUS s = BS->AllocatePages(AllocateAnyPages, EfiBootServicesData, pages, &left);
    if (EFI_ERROR(s))
        return s;
    UINTN taken = take_all();
    BS->FreePages(left, pages);
    Print(L"hog: took %d pages\r\n", taken);
    return EFI_SUCCESS;
}
