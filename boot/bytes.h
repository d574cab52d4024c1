/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's tables as bytes: their numbers need not be aligned. */
#ifndef BOOT_BYTES_H
#define BOOT_BYTES_H

#include "hv/arch/types.h"

/* The number of so many bytes, up to 8, the lowest byte first. */
static inline u64 little_endian(const u8 *at, u32 bytes)
{
    u64 v = 0;
    while (bytes--)
        v = v << 8 | at[bytes];
    return v;
}

/* True when the four characters of a table's name stand there. */
static inline bool has_signature(const u8 *at, const char *signature)
{
    for (u32 i = 0; i < 4; i++)
        if (at[i] != (u8)signature[i])
            return false;
    return true;
}

#endif
