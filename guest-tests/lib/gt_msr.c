/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in gt_msr.h. */
#include "guest-tests/lib/gt_msr.h"
#include "guest-tests/lib/gt.h"
#include "hv/arch/msr.h"

enum access { HIDE, PASS, JUDGE, EMULATE };

static const struct {
    u32 first, last;
    enum access read, write;
} policy[] = {
#define MSR(first, last, read, write, rule, reason) {first, last, read, write},
#include "hv/arch/msr_policy.def"
};

bool gt_msr_unlisted(u32 msr, bool write)
{
    static u32 registers; /* of variable ranges, two each */

    if (!registers)
        registers = 2 * (u32)(gt_rdmsr(MSR_IA32_MTRRCAP) & MTRRCAP_VCNT);
    if (msr >= MSR_IA32_MTRR_PHYSBASE0 + registers && msr < MSR_IA32_MTRR_PHYSBASE0 + 64)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(policy); i++)
        if (msr >= policy[i].first && msr <= policy[i].last)
            return (write ? policy[i].write : policy[i].read) == HIDE;
    return true;
}
