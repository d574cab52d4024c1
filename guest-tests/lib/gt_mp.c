/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the protocol. Contract in gt_mp.h. */
#include "guest-tests/lib/gt_mp.h"

struct gt_mp *gt_mp(void)
{
    EFI_GUID guid = {0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    struct gt_mp *mp = NULL;

    return BS->LocateProtocol(&guid, NULL, (void **)&mp) == EFI_SUCCESS ? mp : NULL;
}
