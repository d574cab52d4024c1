/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The random-VMCS differential, 20,000 cases of another seed: for make test-long.
 *
 * Right: What is right is t_vmx_random.c's.
 */
#include "guest-tests/lib/vmx_random.h"

TEST_MAIN(vmx_random_long)
{
    vmx_random(2, 0, 20000);
}
