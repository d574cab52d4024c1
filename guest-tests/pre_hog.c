/* Takes memory until 1 MiB is free, and keeps it: the machine on which L0's region does not
 * fit. */
#include <efi.h>
#include <efilib.h>

enum { PAGES_LEFT = 256 };

static UINTN free_pages(void)
{
    UINTN count, key, size, pages = 0;
    UINT32 version;
    UINT8 *map = (UINT8 *)LibMemoryMap(&count, &key, &size, &version);
    for (UINTN i = 0; i < count; i++) {
        EFI_MEMORY_DESCRIPTOR *d = (EFI_MEMORY_DESCRIPTOR *)(map + i * size);
        if (d->Type == EfiConventionalMemory)
            pages += d->NumberOfPages;
    }
    FreePool(map);
    return pages;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    InitializeLib(image, st);
    for (UINTN piece = 65536; piece && free_pages() > PAGES_LEFT;) {
        EFI_PHYSICAL_ADDRESS at;
        if (piece > free_pages() - PAGES_LEFT ||
            EFI_ERROR(BS->AllocatePages(AllocateAnyPages, EfiBootServicesData, piece, &at)))
            piece /= 2;
    }
    Print(L"hog: %d pages left\r\n", free_pages());
    return EFI_SUCCESS;
}
