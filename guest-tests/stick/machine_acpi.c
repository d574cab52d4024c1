/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI tables, those raw that Nidus depends on, and VT-d units. Contract in machine.h. */
#include "guest-tests/stick/machine.h"

enum { HEADER = 36, RAW_MAX = 16 * 1024, TABLES_MAX = 128, PER_LINE = 32 };

static u32 word(const u8 *at)
{
    u32 v;

    CopyMem(&v, (void *)at, sizeof v);
    return v;
}

static u64 quad(const u8 *at)
{
    u64 v;

    CopyMem(&v, (void *)at, sizeof v);
    return v;
}

static void letters(char *out, const u8 *at, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        out[i] = at[i] > ' ' && at[i] < 0x7f ? (char)at[i] : '?';
    out[n] = 0;
}

static void say_raw(const char *name, const u8 *table, u32 length)
{
    char hex[2 * PER_LINE + 1];

    for (u32 at = 0; at < length && at < RAW_MAX; at += PER_LINE) {
        u32 n = 0;

        for (; n < PER_LINE && at + n < length; n++)
            gt_format(hex + 2 * n, 3, "%02x", table[at + n]);
        gt_line("raw: %s %x %s", name, at, hex);
    }
}

/* VT-d 10.4 "Register Descriptions": VER, CAP, ECAP, GSTS, PMEN. */
static void say_unit(u64 base)
{
    volatile u32 *r = (volatile u32 *)base;

    if (base == 0 || base >> 32) {
        gt_line("vtd: %lx not read", base);
        return;
    }
    gt_line("vtd: %lx ver %x cap %x%08x ecap %x%08x gsts %x pmen %x", base, r[0], r[3], r[2], r[5],
            r[4], r[7], r[25]);
}

/* VT-d 8.1 "DMA Remapping Reporting Structure": the units, by their structures of type 0. */
static void say_units(const u8 *dmar, u32 length)
{
    enum { FIRST = 48, UNIT_BASE = 8, UNIT = 0, LEAST = 4 };
    u32 at = FIRST;

    while (at + LEAST <= length) {
        u32 kind = word(dmar + at) & 0xffff, size = word(dmar + at) >> 16;

        if (size < LEAST || at + size > length)
            break;
        if (kind == UNIT && size >= UNIT_BASE + 8)
            say_unit(quad(dmar + at + UNIT_BASE));
        at += size;
    }
}

static void say_table(const u8 *table)
{
    static const char *const raw[] = {"DMAR", "APIC", "FACP", "MCFG"};
    u32 length = word(table + 4);
    char name[5], oem[7];

    letters(name, table, 4);
    letters(oem, table + 10, 6);
    gt_line("acpi: %s length %x revision %u oem %s", name, length, table[8], oem);
    if (length < HEADER || length > 1u << 24)
        return;
    for (unsigned i = 0; i < sizeof raw / sizeof *raw; i++)
        if (strcmpa((const CHAR8 *)name, (const CHAR8 *)raw[i]) == 0)
            say_raw(name, table, length);
    if (strcmpa((const CHAR8 *)name, (const CHAR8 *)"DMAR") == 0)
        say_units(table, length);
    if (strcmpa((const CHAR8 *)name, (const CHAR8 *)"FACP") == 0 && word(table + 36))
        say_raw("FACS", (const u8 *)(u64)word(table + 36), 64);
}

/* ACPI 5.2.5 "Root System Description Pointer (RSDP)" */
void machine_say_acpi(void)
{
    EFI_GUID acpi2 = ACPI_20_TABLE_GUID, acpi1 = ACPI_TABLE_GUID;
    const u8 *rsdp = NULL, *root;
    bool wide = false;
    u32 length, size;

    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++) {
        EFI_CONFIGURATION_TABLE *t = &ST->ConfigurationTable[i];

        if (CompareGuid(&t->VendorGuid, &acpi2) == 0)
            rsdp = t->VendorTable, wide = true;
        else if (!wide && CompareGuid(&t->VendorGuid, &acpi1) == 0)
            rsdp = t->VendorTable;
    }
    if (rsdp == NULL) {
        gt_line("acpi: none");
        return;
    }
    wide = wide && rsdp[15] >= 2 && quad(rsdp + 24) != 0;
    root = (const u8 *)(wide ? quad(rsdp + 24) : word(rsdp + 16));
    size = wide ? 8 : 4;
    length = word(root + 4);
    for (u32 i = 0; i < TABLES_MAX && HEADER + (i + 1) * size <= length; i++) {
        const u8 *entry = root + HEADER + i * size;
        u64 at = wide ? quad(entry) : word(entry);

        if (at != 0)
            say_table((const u8 *)at);
    }
}
