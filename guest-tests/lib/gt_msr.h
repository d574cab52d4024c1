/* SPDX-License-Identifier: BSD-2-Clause */
/* Which MSRs Nidus lets nobody reach (hv/arch/msr_policy.def): under it they are #GP. */
#ifndef GUEST_TESTS_LIB_GT_MSR_H
#define GUEST_TESTS_LIB_GT_MSR_H

#include "hv/arch/types.h"

/* The number has no row that lets RDMSR, or WRMSR (`write`), pass; or it is one of more MTRRs than
 * there are. */
bool gt_msr_unlisted(u32 msr, bool write);

#endif
