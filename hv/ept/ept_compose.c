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

/* While the page is clean in EPT12, EPT02 forbids writes: the first write must exit to L0. */
static u8 permissions(const struct compose_env *env, const struct ept12_leaf *leaf12,
                      const struct ept01_leaf *leaf01)
{
    u8 perm = leaf12->perm & leaf01->perm;
    return (u8)(env->ad && !leaf12->dirty ? perm & ~EPT_W : perm);
}

static u64 type_bits(const struct ept12_leaf *leaf12)
{
    return EPT_MT(leaf12->memtype) | (leaf12->ipat ? EPT_IPAT : 0);
}

struct ept02_leaf ept_compose(const struct compose_env *env, gpa2_t gpa2,
                              const struct ept12_leaf *leaf12, const struct ept01_leaf *leaf01)
{
    u64 size = smallest(leaf12->size, leaf01->size, env->max_size);
    u64 at = gpa2.a & ~(size - 1);
    u64 gpa1 = leaf12->base.a + (at & (leaf12->size - 1));
    u64 hpa = leaf01->base.a + (gpa1 & (leaf01->size - 1));
    u8 perm = permissions(env, leaf12, leaf01);
    struct ept02_leaf leaf02 = {EPT02_EMPTY, size, GPA2(at)};

    if (perm == 0)
        return leaf02;

    leaf02.entry = hpa | perm | type_bits(leaf12);
    if (size > PAGE_SIZE)
        leaf02.entry |= EPT_PS;
    /* EPT12 has these flags already, so the processor need not set them in EPT02. */
    if (env->ad)
        leaf02.entry |= EPT_A | (perm & EPT_W ? EPT_D : 0);
    /* The CPU may deliver a #VE only for a violation that EPT12 itself causes. Where EPT02 has
     * fewer rights than EPT12, a violation may be L0's. */
    if (leaf12->suppress_ve || perm != leaf12->perm)
        leaf02.entry |= EPT_SUPPRESS_VE;
    return leaf02;
}
