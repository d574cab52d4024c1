/* SPDX-License-Identifier: BSD-2-Clause */
/* The seeded generator of the randomised tests. Contract in rng.h. */
#include "tests/lib/rng.h"
#include <stdio.h>
#include <stdlib.h>

struct rng rng_start(const char *test)
{
    const char *seed = getenv("NIDUS_SEED");
    struct rng r = {seed ? strtoull(seed, NULL, 0) : 0x20260112u};

    printf("%s: seed 0x%llx\n", test, (unsigned long long)r.s);
    if (r.s == 0)
        r.s = 1;
    return r;
}

u64 rng_next(struct rng *r)
{
    r->s ^= r->s >> 12;
    r->s ^= r->s << 25;
    r->s ^= r->s >> 27;
    return r->s * 0x2545f4914f6cdd1dull;
}

u64 rng_below(struct rng *r, u64 n)
{
    return rng_next(r) % n;
}

u64 rng_edgy(struct rng *r)
{
    u64 v = rng_next(r);

    switch (rng_below(r, 6)) {
    case 0:
        return 1ull << (v & 63);
    case 1:
        return ~0ull >> (v & 63);
    case 2:
        return v & 0xfff;
    case 3:
        return v & rng_next(r) & rng_next(r);
    case 4:
        return v & 0xffffffffu;
    default:
        return v;
    }
}
