/* SPDX-License-Identifier: BSD-2-Clause */
/* What may and may not be cached of EPT12 and of L2's linear addresses: vmx_stale.c,
 * vmx_missing.c. */
#ifndef GUEST_TESTS_LIB_VMX_STALE_H
#define GUEST_TESTS_LIB_VMX_STALE_H

#include "hv/arch/types.h"

/* What the machine below does with translations that the SDM lets it keep or drop: keeps them all,
 * so that an INVEPT left out must show; drops them all, so that it cannot; or nobody knows. */
enum stale_machine { STALE_MAY, STALE_KEEPS, STALE_DROPS };

/* The whole suite. */
void stale_suite(enum stale_machine machine);

/* Its second half: each kind of change with its INVEPT left out, then made good. */
void stale_missing(enum stale_machine machine);

#endif
