/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VT-d's unit under Nidus, made up by pre_vtd_unit.efi: L1 sees no DMAR and does not reach the
 * unit's registers, while L0 does. On the bare machine both are there; the lines are the same.
 */
#include "guest-tests/lib/gt.h"

enum {
    CAP = 1, /* in words of 8 bytes, as pre_vtd_unit.c fills in the registers */
    RECORD = 0x200 / 8,
    LEAF_VTD = 0x40000005,
    DRHD_BASE = 56,
};

static u8 *find_table(void)
{
    EFI_GUID acpi2 = ACPI_20_TABLE_GUID;
    u8 *rsdp;
    gt_firmware_enter();
    EFI_STATUS s = LibGetSystemConfigurationTable(&acpi2, (VOID **)&rsdp);
    gt_firmware_leave();
    return s == EFI_SUCCESS ? *(u8 **)(*(u8 **)(rsdp + 24) + 36) : NULL;
}

static bool is_called(const u8 *table, const char *name)
{
    return table[0] == name[0] && table[1] == name[1] && table[2] == name[2] && table[3] == name[3];
}

static u8 sum(const u8 *table)
{
    u8 all = 0;
    for (u32 i = 0; i < *(u32 *)(table + 4); i++)
        all = (u8)(all + table[i]);
    return all;
}

/* What L1 writes there stays with L1: the unit's fault record has its fault as before. */
static void write_registers(volatile u64 *page, bool nidus)
{
    static u64 before[512];
    u32 told = gt_cpuid(LEAF_VTD, 0).ebx;
    for (u32 i = 0; i < 512; i++)
        before[i] = page[i];
    for (u32 i = 0; i < 512; i++)
        page[i] = ~0ull;
    u32 now = gt_cpuid(LEAF_VTD, 0).ebx;
    gt_check(!nidus || now > told, "write: the unit has lost its fault: %u, then %u", told, now);
    for (u32 i = 0; i < 512; i++)
        page[i] = 0;
    now = gt_cpuid(LEAF_VTD, 0).ebx;
    gt_check(!nidus || now > told, "write: the unit has lost its fault: %u, then %u", told, now);
    for (u32 i = 0; i < 512; i++)
        page[i] = before[i];
}

TEST_MAIN(vtd)
{
    bool nidus = gt_under_nidus();
    u8 *table = find_table();
    if (!table) {
        gt_fail("table: none");
        return;
    }
    gt_check(is_called(table, nidus ? "OEMR" : "DMAR"), "table: a wrong name");
    gt_check(sum(table) == 0, "table: sum %x", sum(table));
    volatile u64 *page = *(volatile u64 **)(table + DRHD_BASE);
    struct gt_cpuid r = gt_cpuid(LEAF_VTD, 0);
    gt_check(!nidus || r.eax == 1, "leaf: %u units", r.eax);
    gt_check(!nidus || r.ebx, "leaf: no fault");
    bool seen = page[CAP] || page[RECORD];
    gt_check(seen == !nidus, "registers: %s", seen ? "seen" : "not seen");
    write_registers(page, nidus);
    gt_check(sum(table) == 0, "table: then sum %x", sum(table));
    gt_line("all: looked at");
}
