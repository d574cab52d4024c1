/* Which exceptions of L2 are exits to L1. Contract in event.h. */
#include "hv/vmcs12/event.h"
#include "hv/arch/cpu.h"

bool event_exits_to_l1(const struct vmcs_image *v12, u8 vector, u32 error)
{
    bool bit = vector < 32 && any(v12->exception_bitmap, BIT(vector));

    if (vector != VEC_PF)
        return bit;
    /* With the bit clear the sense is inverted: an exit when mask and match disagree. */
    return ((error & v12->pf_error_code_mask) == v12->pf_error_code_match) == bit;
}
