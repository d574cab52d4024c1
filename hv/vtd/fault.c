/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads fault records. Contract in fault.h. */
#include "hv/vtd/fault.h"

static u32 read32(u64 at)
{
    return *(const volatile u32 *)at;
}

static u64 read64(u64 at)
{
    return *(const volatile u64 *)at;
}

static void write32(u64 at, u32 v)
{
    *(volatile u32 *)at = v;
}

/* The record that FSTS calls the first may be any of the ring. When the ring was full, the unit
 * keeps no further fault until its overflow bit is cleared, so that comes last. */
bool vtd_take_fault(u64 base, struct vtd_fault *f)
{
    u32 status = read32(base + VTD_FSTS);
    u64 cap = read64(base + VTD_CAP);
    u32 n = VTD_FSTS_FIRST(status);
    if (!(status & VTD_FSTS_PENDING) || n >= VTD_CAP_NFR(cap)) {
        if (status & VTD_FSTS_OVERFLOW)
            write32(base + VTD_FSTS, VTD_FSTS_OVERFLOW);
        return false;
    }
    u64 record = base + VTD_CAP_FRO(cap) + n * VTD_RECORD_SIZE;
    u64 low = read64(record), high = read64(record + 8);
    if (!(high & VTD_RECORD_VALID))
        return false;
    *f = (struct vtd_fault){
        .address = low & VTD_RECORD_ADDRESS,
        .source = (u16)high,
        .reason = (u8)(high >> 32),
        .read = (high & VTD_RECORD_READ) != 0,
    };
    write32(record + 12, (u32)(VTD_RECORD_VALID >> 32)); /* writing a 1 clears it */
    return true;
}
