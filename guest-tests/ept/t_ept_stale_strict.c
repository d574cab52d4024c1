/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stale-translation suite with translations kept as long as the SDM allows (tlb=strict): a
 * forgotten INVEPT shows. All of it is in lib/vmx_stale.c.
 *
 * Right: An access uses the old translation until L1 executes INVEPT, and never after. SDM 3C
 * 29.4.2 "Creating and Using Cached Translation Information"
 */
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/vmx_stale.h"

TEST_MAIN(ept_stale_strict)
{
    stale_suite(STALE_KEEPS);
}
