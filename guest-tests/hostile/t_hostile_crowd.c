/* SPDX-License-Identifier: BSD-2-Clause */
/* The hostile L1 with many VMCSs: 4 seeds of 1,500 steps; lib/hostile_crowd.c tells what
 * they are. */
#include "guest-tests/lib/hostile.h"

TEST_MAIN(hostile_crowd)
{
    hostile_crowd(1, 4, 1500);
}
