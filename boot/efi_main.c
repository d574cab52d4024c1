/* nidus.efi with fixed options: hands the processor to the core, and goes on as L1. */
#include <efi.h>
#include <efilib.h>

#include "boot/efi_facts.h"
#include "boot/efi_launch.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    static struct boot_info info;
    struct facts facts;
    struct line why;
    InitializeLib(image, table);
    facts_read(&facts);
    info.log = BOOT_LOG_E9;
    if (!nidus_launch(&info, &facts, &why)) {
        Print(L"nidus: cannot run: %a\n", why.text);
        return EFI_UNSUPPORTED;
    }
    Print(L"nidus: L1 runs\n");
    return EFI_SUCCESS;
}
