/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line that says whether Nidus is below: version and depth from its CPUID leaves. Runs last
 * in a boot, so that its line also says that L0 outlived the tests before it.
 */
#include "guest-tests/lib/gt.h"

TEST_MAIN(alive)
{
    struct gt_cpuid r = gt_cpuid(0x40000001, 0);
    char line[64];

    if (gt_under_nidus())
        gt_format(line, sizeof line, "ALIVE %x %x\n", r.eax, r.ebx);
    else
        gt_format(line, sizeof line, "ALIVE none\n");
    gt_raw(line);
}
