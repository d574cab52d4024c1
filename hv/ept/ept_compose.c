/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT12's leaf over EPT01's: EPT02's leaf. Contract in ept.h.
 *
 * Memory type: while EPT is in use "the MTRRs have no effect on the memory type used for an
 * access" (SDM 3C 29.3.7.2 "Memory Type Used for Translated Guest-Physical Addresses"). EPT01's
 * type stands for the MTRRs. So on the CPU that L1 sees, only EPT12's type and IPAT meet L2's PAT,
 * and EPT02 gets the type and IPAT of EPT12 unchanged.
 */
#include "hv/ept/ept.h"

static u64 smallest(u64 a, u64 b, u64 c)
{
    u64 ab = a < b ? a : b;
    return ab < c ? ab : c;
}

struct ept02_leaf ept_compose(const struct compose_env *env, gpa2_t gpa2,
                              const struct ept12_leaf *leaf12, const struct ept01_leaf *leaf01)
{
    u64 size = smallest(leaf12->size, leaf01->size, env->max_size);
    u64 at = gpa2.a & ~(size - 1);
    gpa1_t gpa1 = GPA1(leaf12->base.a + (at & (leaf12->size - 1)));
    return (struct ept02_leaf){
        ept_compose_entry(env->ad, leaf12->entry, leaf12->perm, gpa1, size, leaf01), size,
        GPA2(at)};
}
