/* SPDX-License-Identifier: BSD-2-Clause */
/* What vmx_pm32.asm and its callers share: a 32-bit L1 program of single instructions, and its way
 * back to long mode. */
#ifndef GUEST_TESTS_LIB_VMX_PM32_H
#define GUEST_TESTS_LIB_VMX_PM32_H

#include "guest-tests/lib/gt.h"

struct pm32_step {
    u32 code, eax, ecx, edx, ebx;
    u32 out_eax, out_ecx, flags, vector, error, cr2, eip;
};
struct pm32_env {
    u32 step, left, cr3, esp, long_cr3;
    u64 long_rsp;
    u32 long_rip;
    u32 cr4; /* bits that are the other way meanwhile: 0 is PAE paging */
} __attribute__((packed));
extern struct pm32_env pm32_env GT_HIDDEN;
extern u32 pm32_base GT_HIDDEN;
extern u8 pm32_stubs[] GT_HIDDEN, pm32_exit[] GT_HIDDEN;
void pm32_run(void) GT_HIDDEN;

#endif
