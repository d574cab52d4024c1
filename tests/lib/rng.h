/* SPDX-License-Identifier: BSD-2-Clause */
/* A seeded generator for the randomised tests (xorshift64*): the seed is printed, so a failure
 * can be run again. */
#ifndef TESTS_RNG_H
#define TESTS_RNG_H

#include "hv/arch/types.h"

struct rng {
    u64 s;
};

/* The generator of a test; prints the seed, which NIDUS_SEED=number in the environment sets. */
struct rng rng_start(const char *test);

u64 rng_next(struct rng *r);

/* A number below n (n > 0). */
u64 rng_below(struct rng *r, u64 n);

/* A value biased to boundaries: few bits, all ones, small, or anything. */
u64 rng_edgy(struct rng *r);

#endif
