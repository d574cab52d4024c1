/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the DMAR. Contract in dmar.h. "Virtualization Technology for Directed I/O", chapter 8
 * "BIOS Considerations" */
#include "boot/dmar.h"

#include "boot/bytes.h"

enum {
    LENGTH = 4,
    CHECKSUM = 9,
    HEADER_SIZE = 48, /* the common header, address width, flags */
    STRUCTURE_MIN = 4,
    DRHD = 0,
    DRHD_PAGES = 5, /* low 4 bits: the logarithm of the number of pages */
    DRHD_BASE = 8,
    DRHD_SIZE = 16,
    RMRR = 1,
    RMRR_BASE = 8,
    RMRR_LAST = 16,
    RMRR_SIZE = 24,
};

/* The structure at `at`: its type, and its length in *length. False when the table ends before. */
static bool structure(const u8 *table, u32 size, u32 at, u32 *type, u32 *length)
{
    if (size - at < STRUCTURE_MIN)
        return false;
    *type = (u32)little_endian(table + at, 2);
    *length = (u32)little_endian(table + at + 2, 2);
    return *length >= STRUCTURE_MIN && *length <= size - at;
}

/* Old tables have a zero where newer ones have the number of pages, and mean one page. What the
 * registers say of further pages, boot/vtd_unit.c knows. */
static const char *add_unit(struct dmar *d, const u8 *drhd, u32 length)
{
    if (length < DRHD_SIZE)
        return "a unit of the DMAR is cut off";
    u64 base = little_endian(drhd + DRHD_BASE, 8), size = PAGE_SIZE << (drhd[DRHD_PAGES] & 15);
    if (!base || base & (PAGE_SIZE - 1))
        return "a unit of the DMAR has no address";
    if (base + size > 1ull << 32 || base + size < base)
        return "a unit of the DMAR is not below 4 GiB";
    for (u32 i = 0; i < d->count; i++)
        if (base < d->unit[i].base + d->unit[i].size && d->unit[i].base < base + size)
            return "two units of the DMAR have one address";
    if (d->count == BOOT_MAX_UNITS)
        return "the DMAR has too many units";
    d->unit[d->count++] = (struct boot_range){base, size};
    return NULL;
}

/* What is neither DRHD nor RMRR says which devices a unit has, and no unit here is for some devices
 * alone: all are programmed alike. */
const char *dmar_read(const u8 *table, u32 size, struct dmar *d)
{
    u32 type = 0, length = 0;
    if (size < HEADER_SIZE || little_endian(table + LENGTH, 4) != size || !dmar_is_dmar(table))
        return "the DMAR has a wrong length";
    for (u32 at = HEADER_SIZE; at < size; at += length) {
        if (!structure(table, size, at, &type, &length))
            return "a structure of the DMAR has a wrong length";
        const char *why = type == DRHD ? add_unit(d, table + at, length) : NULL;
        if (!why && type == RMRR && length < RMRR_SIZE)
            why = "a reserved range of the DMAR is cut off";
        if (why)
            return why;
    }
    return NULL;
}

bool dmar_reserves(const u8 *table, u32 size, u64 base, u64 bytes)
{
    u32 type = 0, length = 0;
    for (u32 at = HEADER_SIZE; at < size; at += length) {
        if (!structure(table, size, at, &type, &length))
            return false;
        if (type != RMRR)
            continue;
        u64 first = little_endian(table + at + RMRR_BASE, 8);
        u64 last = little_endian(table + at + RMRR_LAST, 8);
        if (first < base + bytes && base <= last)
            return true;
    }
    return false;
}

/* CAVEAT(vtd-hidden) "OEMx" is a name for what only the maker of a machine knows.
 * ACPI 5.2.6 "System Description Table Header" */
static const char shown[] = "DMAR", hidden[] = "OEMR";

static void give_name(u8 *table, const char *to)
{
    for (u32 i = 0; i < 4; i++) {
        table[CHECKSUM] = (u8)(table[CHECKSUM] + table[i] - (u8)to[i]);
        table[i] = (u8)to[i];
    }
}

void dmar_hide(u8 *table)
{
    give_name(table, hidden);
}

void dmar_show(u8 *table)
{
    give_name(table, shown);
}

bool dmar_is_dmar(const u8 *table)
{
    return has_signature(table, shown);
}
