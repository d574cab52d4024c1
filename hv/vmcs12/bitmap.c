/* SPDX-License-Identifier: BSD-2-Clause */
/* MSR, I/O and VMCS-shadowing bitmaps. Contract in bitmap.h. */
#include "hv/vmcs12/bitmap.h"

#define MSR_RANGE      0x2000u /* MSRs in each of the two ranges */
#define MSR_HIGH_START 0xc0000000u
#define QUARTER        0x400u /* bytes: read low, read high, write low, write high */

struct bitmap_ref msr_bitmap_ref(u32 msr, bool write)
{
    bool high = msr >= MSR_HIGH_START;
    u32 index = high ? msr - MSR_HIGH_START : msr;

    if (index >= MSR_RANGE)
        return (struct bitmap_ref){.outside = true};
    return (struct bitmap_ref){
        .byte = (u16)((write ? 2 * QUARTER : 0) + (high ? QUARTER : 0) + index / 8),
        .mask = (u8)(1u << (index % 8)),
    };
}

bool msr_bitmap_hit(const u8 *page, u32 msr, bool write)
{
    struct bitmap_ref r = msr_bitmap_ref(msr, write);
    return r.outside || (page[r.byte] & r.mask);
}

bool io_bitmap_hit(const u8 *a, const u8 *b, u32 port, u32 size)
{
    /* "If an I/O operation wraps around the 16-bit I/O-port space, it causes a VM exit."
     * SDM 3C 26.1.3 "Instructions That Cause VM Exits Conditionally" */
    if (port + size > 0x10000)
        return true;

    for (u32 p = port; p < port + size; p++) {
        const u8 *page = p < 0x8000 ? a : b;
        if (page[(p & 0x7fff) / 8] & (1u << (p % 8)))
            return true;
    }
    return false;
}

bool vmcs_bitmap_hit(const u8 *page, u64 operand)
{
    return operand >= 8 * PAGE_SIZE || (page[operand / 8] & (1u << (operand % 8)));
}

void msr_bitmap_merge(const struct msr_open *open, u64 *out, const u64 *a, const u64 *b)
{
    for (u32 i = 0; i < open->count; i++) {
        u32 w = open->word[i];
        out[w] = a[w] | b[w];
    }
}

/* The slot for a word: the one that it has, else a free one, else the slot of the word that was
 * opened first, which this closes. */
static u32 slot_of(struct msr_open *open, u64 *out, u16 word)
{
    for (u32 i = 0; i < open->count; i++)
        if (open->word[i] == word)
            return i;
    if (open->count < MSR_OPEN_WORDS)
        return open->count++;
    u32 slot = open->next;
    open->next = (slot + 1) % MSR_OPEN_WORDS;
    out[open->word[slot]] = ~0ull;
    return slot;
}

void msr_bitmap_open(struct msr_open *open, u64 *out, const u64 *a, const u64 *b, u32 msr,
                     bool write)
{
    struct bitmap_ref r = msr_bitmap_ref(msr, write);
    u16 word = (u16)(r.byte / sizeof(u64));

    if (r.outside)
        return;
    open->word[slot_of(open, out, word)] = word;
    out[word] = a[word] | b[word];
}

bool msr_bitmap_covers(const u64 *out, const u64 *a, const u64 *b)
{
    for (u32 i = 0; i < PAGE_SIZE / sizeof(u64); i++)
        if ((a[i] | b[i]) & ~out[i])
            return false;
    return true;
}
