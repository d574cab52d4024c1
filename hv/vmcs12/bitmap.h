/*
 * MSR, I/O and VMCS-shadowing bitmaps: is an access intercepted, and two MSR maps in one. Pages
 * are plain bytes that the caller maps or has copied. SDM 3C 25.6.4 "I/O-Bitmap Addresses",
 * SDM 3C 25.6.9 "MSR-Bitmap Address", SDM 3C 25.6.15 "VMCS Shadowing Bitmap Addresses"
 */
#ifndef HV_VMCS12_BITMAP_H
#define HV_VMCS12_BITMAP_H

#include "hv/arch/bits.h"

/* One bit of a bitmap page; outside: the map has no bit for the access, which always exits. */
struct bitmap_ref {
    bool outside;
    u16 byte; /* offset in the page */
    u8 mask;
};

/* The bit that decides RDMSR or WRMSR of an MSR: for a caller that reads one byte only. */
struct bitmap_ref msr_bitmap_ref(u32 msr, bool write);

/* True when the 4 KiB MSR bitmap makes the access exit; MSRs outside both ranges do. */
bool msr_bitmap_hit(const u8 *page, u32 msr, bool write);

/* True when I/O bitmaps A (ports 0-0x7fff) and B make an access of 1, 2 or 4 bytes exit: any
 * port of it has its bit set, or the access wraps past port 0xffff. */
bool io_bitmap_hit(const u8 *a, const u8 *b, u32 port, u32 size);

/* True when the VMREAD bitmap (for VMREAD; the VMWRITE bitmap alike) makes an access to the field
 * `operand` exit: its bit is set, or a bit of 63:15 that the map cannot speak of. */
bool vmcs_bitmap_hit(const u8 *page, u64 operand);

/*
 * The merged map: what L0 or L1 intercepts. Its words are all ones but for the open ones, which are
 * those that L2 needs: open where an access that neither map intercepts was stopped all the same.
 * An open word is the union of both maps' words at the last merge, so a merge before every
 * entry makes the map as exact as the union of the whole pages, and reads open words only.
 */
#define MSR_OPEN_WORDS 16u
struct msr_open {
    u16 word[MSR_OPEN_WORDS]; /* indices of u64s in the page */
    u32 count, next;          /* next: the one that gives way when all are taken */
};

/* out = a | b in the open words. @pre the other words of out are all ones; 8-byte aligned */
void msr_bitmap_merge(const struct msr_open *open, u64 *out, const u64 *a, const u64 *b);

/* Opens the word of an MSR that the maps cover, and merges it. */
void msr_bitmap_open(struct msr_open *open, u64 *out, const u64 *a, const u64 *b, u32 msr,
                     bool write);

/* True when out intercepts all that a or b does. */
bool msr_bitmap_covers(const u64 *out, const u64 *a, const u64 *b);

#endif
