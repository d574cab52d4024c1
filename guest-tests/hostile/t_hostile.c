/* SPDX-License-Identifier: BSD-2-Clause */
/* The hostile L1: 20 seeds of 2,000 steps; lib/hostile.h tells what it is and how to run others. */
#include "guest-tests/lib/hostile.h"

TEST_MAIN(hostile)
{
    hostile(1, 20, 2000);
}
