/* SPDX-License-Identifier: BSD-2-Clause */
/* The table, its look-up and the bitmap. Contract in msr_policy.h. */
#include "hv/arch/msr_policy.h"

static const struct msr_row rows[] = {
#define MSR(first, last, read, write, rule, reason) \
    {first, last, MSR_##read, MSR_##write, MSR_RULE_##rule},
#include "hv/arch/msr_policy.def"
#undef MSR
};

/* A binary search: an access that exits needs only a few steps through the long table. */
const struct msr_row *msr_policy_row(u32 msr)
{
    u32 low = 0, high = ARRAY_LEN(rows);
    while (low < high) {
        u32 mid = (low + high) / 2;
        if (msr > rows[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    return low < ARRAY_LEN(rows) && msr >= rows[low].first ? &rows[low] : NULL;
}

/* Four bitmaps of 1 KiB: reads of the low and the high range, then writes. */
#define RANGE_HIGH   0xc0000000u
#define RANGE_SIZE   0x2000u
#define BITMAP_HIGH  1024u
#define BITMAP_WRITE 2048u

static void let_pass(u8 *bitmap, u32 msr)
{
    u32 high = msr >= RANGE_HIGH ? BITMAP_HIGH : 0, n = msr % RANGE_SIZE;
    bitmap[high + n / 8] &= (u8) ~(1u << (n % 8));
}

void msr_policy_bitmap(u8 bitmap[PAGE_SIZE], u32 hidden)
{
    __builtin_memset(bitmap, 0xff, PAGE_SIZE);
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        const struct msr_row *row = &rows[i];
        if (any(hidden, BIT(row->rule)))
            continue;
        for (u32 msr = row->first; msr <= row->last; msr++) {
            if (row->read == MSR_PASS)
                let_pass(bitmap, msr);
            if (row->write == MSR_PASS)
                let_pass(bitmap + BITMAP_WRITE, msr);
        }
    }
}
