/* The table of CPUID and what the masks alone cannot say: the numbers. Contract in cpuid_policy.h. */
#include "hv/arch/cpuid_policy.h"

struct row {
    u32 leaf, first, last;
    struct cpuid mask;
};

static const struct row rows[] = {
#define ROW(leaf, first, last, eax, ebx, ecx, edx, what) {leaf, first, last, {eax, ebx, ecx, edx}},
#define CPUID(leaf, ...) ROW(leaf, __VA_ARGS__)
#include "hv/arch/cpuid_policy.def"
};

static struct cpuid mask_of(u32 leaf, u32 sub)
{
    for (u32 i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].leaf == leaf && sub - rows[i].first <= rows[i].last - rows[i].first)
            return rows[i].mask;
    return (struct cpuid){0};
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

/* Highest leaves and subleaves, and widths: no wider than what the rules here know. */
static void limit_numbers(u32 leaf, u32 sub, struct cpuid *r)
{
    if (leaf == 0)
        r->eax = at_most(r->eax, CPUID_LAST_LEAF);
    if (leaf == 7 && sub == 0)
        r->eax = at_most(r->eax, 2);
    if (leaf == CPUID_EXTENDED)
        r->eax = at_most(r->eax, CPUID_LAST_EXT);
    if (leaf == CPUID_LAST_EXT)
        r->eax = at_most(r->eax & 0xff, CPUID_PHYS_BITS) | at_most(r->eax >> 8 & 0xff, 48) << 8;
}

struct cpuid cpuid_shown(u32 leaf, u32 sub, struct cpuid native)
{
    struct cpuid mask = mask_of(leaf, sub);
    struct cpuid r = {native.eax & mask.eax, native.ebx & mask.ebx, native.ecx & mask.ecx,
                      native.edx & mask.edx};
    limit_numbers(leaf, sub, &r);
    return r;
}

u64 cpuid_plain(u32 basic)
{
    u64 plain = 0;
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        struct cpuid m = rows[i].mask;
        bool whole = rows[i].first == 0 && rows[i].last == ~0u && (m.eax & m.ebx & m.ecx & m.edx) == ~0u;
        if (whole && rows[i].leaf <= at_most(basic, 63))
            plain |= BIT(rows[i].leaf);
    }
    return basic <= CPUID_LAST_LEAF ? plain : plain & ~1ull;
}
