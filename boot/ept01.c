/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums of EPT01's leaves. Contract in ept01.h. Pure: the host tests link this file as it is. */
#include "boot/ept01.h"

enum { ENTRIES = 512, TOP = 4, LARGEST = 3, LARGE = 1 << 7, TYPE_AT = 3 };
#define ADDRESS 0x000ffffffffff000ull

static u64 size_at(u32 level)
{
    return 4096ull << (9 * (level - 1));
}

/* SDM 3C 29.3.2 "EPT Translation Mechanism" */
static void add_table(struct ept01_sum *s, u64 table, u32 level, u64 base)
{
    const u64 *entry = (const u64 *)(table & ADDRESS);
    s->tables++;
    for (u32 i = 0; i < ENTRIES; i++) {
        u64 at = base + i * size_at(level);
        if (!entry[i])
            continue;
        if (level > LARGEST || (level > 1 && !(entry[i] & LARGE))) {
            add_table(s, entry[i], level - 1, at);
            continue;
        }
        s->leaf[level - 1][entry[i] >> TYPE_AT & (EPT01_TYPES - 1)]++;
        s->elsewhere += (entry[i] & ADDRESS & ~(size_at(level) - 1)) != at;
    }
}

void ept01_add(struct ept01_sum *s, u64 eptp)
{
    add_table(s, eptp, TOP, 0);
}

/* SDM 3A 11.11 "Memory Type Range Registers (MTRRs)": the names by their encodings. */
static const char *type_name(u32 type)
{
    switch (type) {
    case 0:
        return "UC";
    case 1:
        return "WC";
    case 4:
        return "WT";
    case 5:
        return "WP";
    case 6:
        return "WB";
    default:
        return "reserved";
    }
}

static void add_count(struct line *l, const char *size, u64 count)
{
    line_add(l, size);
    line_add_decimal(l, count);
}

bool ept01_describe(const struct ept01_sum *s, u32 type, struct line *l)
{
    if (!s->leaf[0][type] && !s->leaf[1][type] && !s->leaf[2][type])
        return false;
    line_add(l, type_name(type));
    add_count(l, " 1G ", s->leaf[2][type]);
    add_count(l, " 2M ", s->leaf[1][type]);
    add_count(l, " 4K ", s->leaf[0][type]);
    return true;
}
