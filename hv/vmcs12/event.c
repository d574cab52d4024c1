/* SPDX-License-Identifier: BSD-2-Clause */
/* Which exceptions of L2 are exits to L1. Contract in event.h. */
#include "hv/vmcs12/event.h"
#include "hv/arch/cpu.h"

bool event_exits_to_l1(const struct vmcs_image *v12, u8 vector, u32 error)
{
    bool bit = vector < 32 && any(v12->exception_bitmap, BIT(vector));

    if (vector != VEC_PF)
        return bit;
    /* With the bit set, a #PF exits when mask and match agree. With the bit clear, it exits when
     * they disagree. */
    return ((error & v12->pf_error_code_mask) == v12->pf_error_code_match) == bit;
}
