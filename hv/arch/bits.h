/* SPDX-License-Identifier: BSD-2-Clause */
/* Bits, fields and addresses: small pure helpers that every folder may use. */
#ifndef HV_ARCH_BITS_H
#define HV_ARCH_BITS_H

#include "hv/arch/types.h"

#define BIT(n) (1ull << (n))

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Bits lo..hi of v, both ends included, shifted down to bit 0. */
static inline u64 bits(u64 v, unsigned hi, unsigned lo)
{
    return (v >> lo) & (~0ull >> (63 - (hi - lo)));
}

static inline bool any(u64 v, u64 mask)
{
    return (v & mask) != 0;
}

static inline bool all(u64 v, u64 mask)
{
    return (v & mask) == mask;
}

static inline bool is_aligned(u64 v, u64 size)
{
    return (v & (size - 1)) == 0;
}

/* True when bits 63:width-1 of the linear address are all equal. width: 48 or 57.
 * SDM 1 3.3.7.1 "Canonical Addressing" */
static inline bool is_canonical(u64 gla, unsigned width)
{
    u64 top = gla >> (width - 1);
    return top == 0 || top == (~0ull >> (width - 1));
}

/* True when the physical address has no bit at or above MAXPHYADDR. */
static inline bool fits_phys(u64 addr, unsigned maxphyaddr)
{
    return (addr >> maxphyaddr) == 0;
}

#endif
