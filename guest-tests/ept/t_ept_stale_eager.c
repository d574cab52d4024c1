/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stale-translation suite with translations dropped whenever the SDM allows (tlb=eager).
 * All of it is in lib/vmx_stale.c.
 *
 * Right: Each access finds what EPT12 holds at the VM entry. SDM 3C 29.4.3.2 "Operations that Need
 * Not Invalidate Cached Mappings"
 */
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/vmx_stale.h"

TEST_MAIN(ept_stale_eager)
{
    stale_suite(STALE_DROPS);
}
