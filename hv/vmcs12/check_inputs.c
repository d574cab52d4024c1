/* SPDX-License-Identifier: BSD-2-Clause */
/* Which groups of rules read which field. Contract in check.h. */
#include "hv/vmcs12/check_inputs.h"

u32 check_groups_of(enum vmcs_field field)
{
    return check_readers[field];
}
