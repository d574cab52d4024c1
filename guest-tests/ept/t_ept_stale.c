/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stale-translation suite with translations as the SDM lets a machine keep them (tlb=default).
 * All of it is in lib/vmx_stale.c.
 *
 * Right: An access may use an old translation until L1 executes INVEPT, and never after. SDM 3C
 * 29.4.3.1 "Operations that Invalidate Cached Mappings"
 */
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/vmx_stale.h"

TEST_MAIN(ept_stale)
{
    stale_suite(STALE_MAY);
}
