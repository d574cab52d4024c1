/* SPDX-License-Identifier: BSD-2-Clause */
/* An L0 that implements all for which VMCS revision 0x12 has fields: more than L1 may have. */
#ifndef TESTS_LIB_EVERYTHING_H
#define TESTS_LIB_EVERYTHING_H

#include "hv/vmcs12/profile.h"

static inline struct vmx_implemented profile_everything(void)
{
    struct vmx_implemented all = profile_implemented();
    all.cpu2 |= (u32)CPU2_ENABLE_PML;
    all.cr4 = ~0ull;
    return all;
}

#endif
