/* SPDX-License-Identifier: BSD-2-Clause */
/* pre_ranges.efi COUNT: takes every second page of a block as reserved memory and keeps it, so that
 * the memory map has COUNT ranges of RAM more: a machine whose map has hundreds of entries. */
#include <efi.h>
#include <efilib.h>

enum { PAGE = 4096 };

/* The number that stands last in the load options. */
static UINTN number(EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *self;
    UINTN count = 0;
    if (EFI_ERROR(BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self)))
        return 0;
    CHAR16 *text = self->LoadOptions;
    for (UINTN n = 0; n < self->LoadOptionsSize / sizeof *text && text[n]; n++)
        count = text[n] >= L'0' && text[n] <= L'9' ? 10 * count + (UINTN)(text[n] - L'0') : 0;
    return count;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    EFI_PHYSICAL_ADDRESS block;
    InitializeLib(image, st);
    UINTN count = number(image), taken = 0;
    EFI_STATUS s = BS->AllocatePages(AllocateAnyPages, EfiLoaderData, 2 * count, &block);
    if (EFI_ERROR(s))
        return s;
    BS->FreePages(block, 2 * count);
    for (UINTN i = 0; i < count; i++) {
        EFI_PHYSICAL_ADDRESS at = block + (2 * i + 1) * PAGE;
        taken += !EFI_ERROR(BS->AllocatePages(AllocateAddress, EfiReservedMemoryType, 1, &at));
    }
    Print(L"ranges: took %d pages of %d\r\n", taken, count);
    return taken == count ? EFI_SUCCESS : EFI_OUT_OF_RESOURCES;
}
