/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hvbit=off: CPUID tells of no hypervisor, neither by its bit nor by a leaf, while Nidus runs (the
 * rig looks for its word of the launch). All lines are the bare machine's.
 *
 * Right: A leaf above the highest gives the data of the highest basic leaf.
 * SDM 2A 3.3 "Instructions (A-L)"
 */
#include "guest-tests/lib/gt.h"

TEST_MAIN(hvbit)
{
    struct gt_cpuid highest = gt_cpuid(gt_cpuid(0, 0).eax, 0);

    gt_line("bit: %u", gt_cpuid(1, 0).ecx >> 31);
    for (u32 leaf = 0x40000000; leaf < 0x40000020; leaf++) {
        struct gt_cpuid r = gt_cpuid(leaf, 0);
        gt_line("%x: %u", leaf,
                r.eax == highest.eax && r.ebx == highest.ebx && r.ecx == highest.ecx &&
                    r.edx == highest.edx);
    }
    gt_check(!gt_under_nidus(), "nobody says NidusNidus");
}
