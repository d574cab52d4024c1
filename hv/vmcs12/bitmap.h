/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSR, I/O and VMCS-shadowing bitmaps: whether a bitmap intercepts an access, and the union of two
 * MSR bitmaps. A page is plain bytes, 4 KiB long, that the caller has mapped or copied.
 * SDM 3C 25.6.4 "I/O-Bitmap Addresses",
 * SDM 3C 25.6.9 "MSR-Bitmap Address", SDM 3C 25.6.15 "VMCS Shadowing Bitmap Addresses"
 */
#ifndef HV_VMCS12_BITMAP_H
#define HV_VMCS12_BITMAP_H

#include "hv/arch/bits.h"

/* The place of one bit in a bitmap page. outside: the bitmap has no bit for the access, so the
 * access always exits. */
struct bitmap_ref {
    bool outside;
    u16 byte; /* offset in the page */
    u8 mask;
};

/* The place of the bit for RDMSR (write: for WRMSR) of an MSR. A caller that cannot map the page
 * reads this one byte. */
struct bitmap_ref msr_bitmap_ref(u32 msr, bool write);

/* True when the MSR bitmap makes the access exit. An MSR outside both ranges always exits. */
bool msr_bitmap_hit(const u8 *page, u32 msr, bool write);

/* True when the I/O bitmaps a (ports 0 to 0x7fff) and b (ports 0x8000 to 0xffff) make an access of
 * size 1, 2 or 4 bytes exit: the bit of some port of the access is set, or the access wraps past
 * port 0xffff. */
bool io_bitmap_hit(const u8 *a, const u8 *b, u32 port, u32 size);

/* True when the VMREAD bitmap or the VMWRITE bitmap makes an access to a field exit. operand: the
 * field encoding as the instruction has it. The access exits when the field's bit is set in the
 * bitmap, or when operand has one of bits 63:15, for which the bitmap has no room. */
bool vmcs_bitmap_hit(const u8 *page, u64 operand);

/*
 * The merged map intercepts what L0 or L1 intercepts. All its words are all ones, apart from a few
 * open words. L0 opens a word when the merged map has stopped an access that neither map
 * intercepts, so the open words are the ones that L2 needs. An open word is the union of both maps'
 * words at the last merge. A merge before every entry makes the open words as exact as the union of
 * the whole pages, and reads no other words.
 */
#define MSR_OPEN_WORDS 16u
struct msr_open {
    u16 word[MSR_OPEN_WORDS]; /* indices of u64s in the page */
    u32 count, next;          /* next: the slot that is reused when all are taken */
};

/* Stores a | b in the open words of out. @pre the other words of out are all ones, and all three
 * pages are aligned to 8 bytes */
KEEPS_REGISTERS void msr_bitmap_merge(const struct msr_open *open, u64 *out, const u64 *a,
                                      const u64 *b);

/* Opens the word of an MSR and merges this word. The call does nothing for an MSR that the bitmaps
 * do not cover. When all slots are taken, the word that was opened first is closed. */
void msr_bitmap_open(struct msr_open *open, u64 *out, const u64 *a, const u64 *b, u32 msr,
                     bool write);

/* True when out intercepts every access that a or b intercepts. */
bool msr_bitmap_covers(const u64 *out, const u64 *a, const u64 *b);

#endif
