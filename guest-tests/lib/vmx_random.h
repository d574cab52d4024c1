/* SPDX-License-Identifier: BSD-2-Clause */
/* The random-VMCS differential, shared by the short and the long test. */
#ifndef GUEST_TESTS_LIB_VMX_RANDOM_H
#define GUEST_TESTS_LIB_VMX_RANDOM_H

#include "guest-tests/lib/vmx.h"

/*
 * Runs count cases from number first on, one line each. A case depends on the seed and its number
 * only, so any range can be run again, or resumed behind a case that ended the emulator, by the
 * load options seed=N first=N count=N.
 */
void vmx_random(u64 seed, u64 first, u64 count);

/* Its dice, for other generators. All draw from gt_rand(). */
u64 vmx_random_edge(void); /* a value at a boundary */
/* a field that an entry may be tried with; mostly controls and guest state */
int vmx_random_field(void);
/* another value for it, which bare emulator and test program survive */
u64 vmx_random_value(int i, u64 v);
/* takes from the image l2 what the emulator is known to judge wrongly */
void vmx_random_agree(void);

#endif
