/*
 * MSR and I/O bitmaps: is an access intercepted, and the union of two maps. Pages are plain
 * bytes that the caller maps or has copied. SDM 3C 25.6.4 "I/O-Bitmap Addresses",
 * SDM 3C 25.6.9 "MSR-Bitmap Address"
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

/* Set or clear the bit of an MSR that the map covers; others are left alone. */
void msr_bitmap_set(u8 *page, u32 msr, bool write, bool intercept);

/* True when I/O bitmaps A (ports 0-0x7fff) and B make an access of 1, 2 or 4 bytes exit: any
 * port of it has its bit set, or the access wraps past port 0xffff. */
bool io_bitmap_hit(const u8 *a, const u8 *b, u32 port, u32 size);

/* out = a | b over 4 KiB, 8-byte aligned; out may be a or b. */
void bitmap_union(u64 *out, const u64 *a, const u64 *b);

#endif
