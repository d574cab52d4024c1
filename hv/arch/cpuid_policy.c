/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of CPUID, and the numbers in CPUID's answers, which a mask cannot limit. Contract in
 * cpuid_policy.h. */
#include "hv/arch/cpuid_policy.h"

struct row {
    u32 leaf, first, last;
    struct cpuid mask;
};

static const struct row rows[] = {
#define ROW(leaf, first, last, eax, ebx, ecx, edx, what) {leaf, first, last, {eax, ebx, ecx, edx}},
#define CPUID(leaf, ...)                                 ROW(leaf, __VA_ARGS__)
#include "hv/arch/cpuid_policy.def"
};

static const struct cpuid *mask_of(u32 leaf, u32 sub)
{
    static const struct cpuid nothing;
    for (u32 i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].leaf == leaf && sub - rows[i].first <= rows[i].last - rows[i].first)
            return &rows[i].mask;
    return &nothing;
}

static u32 at_most(u32 v, u32 limit)
{
    return v < limit ? v : limit;
}

u32 cpuid_asked(u32 leaf, u32 basic, u32 extended)
{
    u32 last = at_most(basic, CPUID_LAST_LEAF);
    if (leaf <= last || leaf - CPUID_EXTENDED <= at_most(extended, CPUID_LAST_EXT) - CPUID_EXTENDED)
        return leaf;
    return last;
}

/* EAX of the leaves that tell a highest leaf, a highest subleaf or an address width: no number is
 * larger than what the rules here know. */
static u32 limited_eax(u32 leaf, u32 sub, u32 eax)
{
    switch (leaf) {
    case 0:
        return at_most(eax, CPUID_LAST_LEAF);
    case 7:
        return sub ? eax : at_most(eax, 2);
    case CPUID_EXTENDED:
        return at_most(eax, CPUID_LAST_EXT);
    case CPUID_LAST_EXT:
        return at_most(eax & 0xff, CPUID_PHYS_BITS) | at_most(eax >> 8 & 0xff, 48) << 8;
    default:
        return eax;
    }
}

struct cpuid cpuid_shown(u32 leaf, u32 sub, struct cpuid native)
{
    const struct cpuid *mask = mask_of(leaf, sub);
    return (struct cpuid){limited_eax(leaf, sub, native.eax & mask->eax), native.ebx & mask->ebx,
                          native.ecx & mask->ecx, native.edx & mask->edx};
}

u64 cpuid_plain(u32 basic)
{
    u64 plain = 0;
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        struct cpuid m = rows[i].mask;
        bool whole =
            rows[i].first == 0 && rows[i].last == ~0u && (m.eax & m.ebx & m.ecx & m.edx) == ~0u;
        if (whole && rows[i].leaf <= at_most(basic, 63))
            plain |= BIT(rows[i].leaf);
    }
    return basic <= CPUID_LAST_LEAF ? plain : plain & ~1ull;
}
