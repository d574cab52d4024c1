/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the firmware's tables. Contract in efi_tables.h. madt.c, mptable.c and dmar.c read them. */
#include "boot/efi_tables.h"

#include <efi.h>
#include <efilib.h>

#include "boot/madt.h"
#include "boot/mptable.h"

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

/* The list so far, and the processors that one more table names if they are more. */
struct list {
    u32 *ids;
    u32 max, count;
};

/* A firmware may have root pointers of ACPI 1 and of ACPI 2. The longer list holds. */
static void look_for_processors(u8 *table, u32 size, void *list)
{
    struct list *l = list;
    u32 count = madt_processors(table, size, NULL, 0);
    if (count > l->count)
        l->count = madt_processors(table, size, l->ids, l->max);
}

/* The root table holds unaligned physical addresses of `width` bytes: 4 in an RSDT, 8 in an XSDT.
 * */
static void look_under_root(u64 address, u32 width, tables_look_f *look, void *arg)
{
    const struct acpi_header *root = (const void *)(uintptr_t)address;
    for (u32 at = sizeof *root; root && at + width <= root->length; at += width) {
        u64 table = 0;
        CopyMem(&table, (const u8 *)root + at, width);
        if (table)
            look((u8 *)table, ((const struct acpi_header *)table)->length, arg);
    }
}

void tables_each(tables_look_f *look, void *arg)
{
    EFI_GUID acpi2 = ACPI_20_TABLE_GUID, acpi1 = ACPI_TABLE_GUID;
    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *entry = &ST->ConfigurationTable[i];
        const struct rsdp *rsdp = entry->VendorTable;
        bool is2 = !CompareGuid((EFI_GUID *)&entry->VendorGuid, &acpi2);
        if (!is2 && CompareGuid((EFI_GUID *)&entry->VendorGuid, &acpi1))
            continue;
        bool has_xsdt = is2 && rsdp->revision >= 2 && rsdp->xsdt;
        look_under_root(has_xsdt ? rsdp->xsdt : rsdp->rsdt, has_xsdt ? 8 : 4, look, arg);
    }
}

/* Where the MP floating pointer structure may be: the first KiB of the extended BIOS data area, the
 * last KiB of base memory, the BIOS's ROM. MultiProcessor Specification 1.4, chapter 4 */
#define EBDA_SEGMENT 0x40eu
#define KIB          1024u
#define BASE_END     0xa0000u
#define ROM          0xf0000u
#define ROM_SIZE     0x10000u
#define TABLE_MAX    0x10000u

static void look_at_mp_table(struct list *l)
{
    uintptr_t bios_data = EBDA_SEGMENT;
    __asm__("" : "+r"(bios_data)); /* the compiler takes so low an address for a null pointer */
    u32 ebda = (u32) * (const volatile u16 *)bios_data << 4;
    const struct {
        u32 at, size;
    } places[] = {{ebda, KIB}, {BASE_END - KIB, KIB}, {ROM, ROM_SIZE}};
    for (u32 i = 0; i < sizeof places / sizeof *places; i++) {
        if (!places[i].at)
            continue;
        u32 table = mptable_find((const u8 *)(uintptr_t)places[i].at, places[i].size);
        if (table && !l->count)
            l->count = mptable_processors((const u8 *)(uintptr_t)table, TABLE_MAX, l->ids, l->max);
    }
}

u32 tables_processors(u32 *ids, u32 max, const char **source)
{
    struct list l = {ids, max, 0};
    *source = "ACPI MADT";
    tables_each(look_for_processors, &l);
    if (l.count)
        return l.count;
    *source = "MP table";
    look_at_mp_table(&l);
    return l.count;
}
