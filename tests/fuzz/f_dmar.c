/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes the DMAR: any bytes as a table. What is accepted has units in whole pages below 4 GiB that
 * do not overlap; hidden and shown again it is the same. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "boot/dmar.h"

static void check_units(const struct dmar *d)
{
    demand(d->count <= BOOT_MAX_UNITS);
    for (u32 i = 0; i < d->count; i++) {
        u64 base = d->unit[i].base, end = base + d->unit[i].size;
        demand(base && !((base | end) & (PAGE_SIZE - 1)) && base < end && end <= 1ull << 32);
        for (u32 k = 0; k < i; k++)
            demand(end <= d->unit[k].base || d->unit[k].base + d->unit[k].size <= base);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct dmar d = {0};
    u8 *table = malloc(size + 1);
    demand(table != NULL);
    memcpy(table, data, size);
    if (size >= 8) { /* mutations hardly find these by themselves */
        memcpy(table, "DMAR", 4);
        table[4] = (u8)size;
        table[5] = (u8)(size >> 8);
        table[6] = (u8)(size >> 16);
        table[7] = 0;
    }
    if (!dmar_read(table, (u32)size, &d)) {
        check_units(&d);
        (void)dmar_reserves(table, (u32)size, data[size / 2] * PAGE_SIZE, SIZE_2M);
        u8 checksum = table[9];
        dmar_hide(table);
        demand(!dmar_is_dmar(table));
        dmar_show(table);
        demand(dmar_is_dmar(table) && table[9] == checksum);
    }
    free(table);
    return 0;
}
