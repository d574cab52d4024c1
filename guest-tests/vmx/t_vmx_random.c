/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The random-VMCS differential, 2,000 cases of one seed; lib/vmx_random.h tells how
 * to run others.
 *
 * Right: Each entry ends as the rules of its fields say, in the order of the groups. SDM 3C 27.1
 * "Basic VM-Entry Checks"
 */
#include "guest-tests/lib/vmx_random.h"

TEST_MAIN(vmx_random)
{
    vmx_random(1, 0, 2000);
}
