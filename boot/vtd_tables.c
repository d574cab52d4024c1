/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds second-level tables. Contract in vtd_tables.h. "Virtualization Technology for Directed
 * I/O", chapter 9 "Translation Structure Formats" */
#include "boot/vtd_tables.h"

#define SIZE_4G   (4ull << 30)
#define SIZE_512G (512ull << 30)

#define SL_READ_WRITE 3ull
#define SL_LARGE      0x80ull
#define SL_ADDRESS    (~0xfffull)
#define PRESENT       1ull
#define DOMAIN_1      (1ull << 8) /* 0 is not to be used by a unit in caching mode */
#define BUSES         256u
#define FUNCTIONS     256u

static u64 round_up(u64 v, u64 to)
{
    return (v + to - 1) & ~(to - 1);
}

u64 vtd_tables_top(u64 ram_top, bool leaf_1g)
{
    if (leaf_1g) /* a whole table costs what one entry of it does */
        return round_up(ram_top, SIZE_512G);
    return round_up(ram_top > SIZE_4G ? ram_top : SIZE_4G, SIZE_1G);
}

u64 vtd_tables_pages(const struct vtd_shape *s)
{
    u64 tables_3 = round_up(s->top, SIZE_512G) / SIZE_512G;
    return 1 + tables_3 + (s->leaf_1g ? 2 : s->top / SIZE_1G);
}

static u64 take(struct vtd_tables *t)
{
    return t->base + PAGE_SIZE * t->pages++;
}

static u64 *table_below(struct vtd_tables *t, u64 *entry)
{
    if (!*entry)
        *entry = take(t) | SL_READ_WRITE;
    return (u64 *)(*entry & SL_ADDRESS);
}

struct vtd_tables vtd_tables_build(u64 base, const struct vtd_shape *s, u64 hole, u64 size)
{
    struct vtd_tables t = {base, 0};
    u64 *level_4 = (u64 *)take(&t);
    for (u64 at = 0; at < s->top;) {
        u64 *level_3 = table_below(&t, &level_4[at / SIZE_512G]), *entry;
        entry = &level_3[at / SIZE_1G % 512];
        if (s->leaf_1g && (at + SIZE_1G <= hole || hole + size <= at)) {
            *entry = at | SL_READ_WRITE | SL_LARGE;
            at += SIZE_1G;
            continue;
        }
        u64 *level_2 = table_below(&t, entry);
        for (u64 end = at + SIZE_1G; at < end; at += SIZE_2M)
            if (at - hole >= size)
                level_2[at / SIZE_2M % 512] = at | SL_READ_WRITE | SL_LARGE;
    }
    return t;
}

void vtd_roots_build(u64 root, u64 context, const struct vtd_tables *t, u32 levels)
{
    for (u32 i = 0; i < BUSES; i++)
        ((u64 *)root)[2 * i] = context | PRESENT;
    for (u32 i = 0; i < FUNCTIONS; i++) {
        u64 *entry = &((u64 *)context)[2 * i];
        entry[0] = (t->base + (levels == VTD_LEVELS_4 ? 0 : PAGE_SIZE)) | PRESENT;
        entry[1] = levels | DOMAIN_1;
    }
}
