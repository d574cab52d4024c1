/*
 * Counts processors. Contract in efi_cpus.h. The count of the MP services protocol contains
 * processors that are switched off, because such a processor can be woken. A firmware may have no
 * such protocol, so the ACPI MADT is asked, too. The larger number counts.
 */
#include "boot/efi_cpus.h"

#include <efi.h>
#include <efilib.h>

#include "boot/madt.h"

/* PI specification, volume 2, 13.4 "MP Services Protocol": the member used here. */
struct mp_services {
    EFI_STATUS(EFIAPI *get_number)(struct mp_services *self, UINTN *all, UINTN *enabled);
};

/* The number of processors that the MP services protocol tells, or 0 when the firmware has no such
 * protocol. */
static u32 count_by_mp_services(void)
{
    EFI_GUID guid = {0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    struct mp_services *mp;
    UINTN all, enabled;
    if (EFI_ERROR(BS->LocateProtocol(&guid, NULL, (VOID **)&mp)) ||
        EFI_ERROR(mp->get_number(mp, &all, &enabled)))
        return 0;
    return (u32)all;
}

/* ACPI 5.2.5.3 "Root System Description Pointer (RSDP) Structure" */
struct PACKED rsdp {
    char signature[8];
    u8 checksum;
    char oem[6];
    u8 revision;
    u32 rsdt;
    u32 length;
    u64 xsdt;
};

struct PACKED acpi_header {
    char signature[4];
    u32 length;
    u8 rest[28];
};

/* The number of processors in the ACPI table at this physical address, or 0 when it is no MADT. */
static u32 count_in_table(u64 address)
{
    const struct acpi_header *table = (const void *)(uintptr_t)address;
    return table ? madt_count_enabled((const u8 *)table, table->length) : 0;
}

/* The largest number of processors in a table of the root table. The root table holds unaligned
 * physical addresses of `width` bytes: 4 in an RSDT, 8 in an XSDT. */
static u32 count_under_root(u64 address, u32 width)
{
    const struct acpi_header *root = (const void *)(uintptr_t)address;
    u32 best = 0;
    for (u32 at = sizeof *root; root && at + width <= root->length; at += width) {
        u64 table = 0;
        CopyMem(&table, (const u8 *)root + at, width);
        u32 n = count_in_table(table);
        best = n > best ? n : best;
    }
    return best;
}

/* A firmware may have root pointers of ACPI 1 and of ACPI 2. The larger count holds. */
static u32 count_by_acpi(void)
{
    EFI_GUID acpi2 = ACPI_20_TABLE_GUID, acpi1 = ACPI_TABLE_GUID;
    u32 best = 0;
    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *entry = &ST->ConfigurationTable[i];
        const struct rsdp *rsdp = entry->VendorTable;
        bool is2 = !CompareGuid((EFI_GUID *)&entry->VendorGuid, &acpi2);
        if (!is2 && CompareGuid((EFI_GUID *)&entry->VendorGuid, &acpi1))
            continue;
        bool has_xsdt = is2 && rsdp->revision >= 2 && rsdp->xsdt;
        u32 n = has_xsdt ? count_under_root(rsdp->xsdt, 8) : count_under_root(rsdp->rsdt, 4);
        best = n > best ? n : best;
    }
    return best;
}

struct cpus cpus_count(void)
{
    u32 mp = count_by_mp_services(), acpi = count_by_acpi();
    if (acpi > mp)
        return (struct cpus){acpi, "ACPI MADT"};
    if (mp)
        return (struct cpus){mp, "MP services protocol"};
    return (struct cpus){1, "the firmware is silent"};
}
