/*
 * What a processor asks of software against the attacks by speculation, what it offers
 * against them, and what `spec=` makes of both. Pure: from require.h's facts. The core only
 * does what the plan says.
 */
#ifndef BOOT_SPEC_H
#define BOOT_SPEC_H

#include "hv/core/boot_info.h"
#include "boot/require.h"

/* The names that spec= takes, in the order of boot/options.c; those behind `off` are
 * SPEC_* in order. */
#define SPEC_OPTION_AUTO  1u
#define SPEC_OPTION_FULL  2u
#define SPEC_OPTION_OFF   4u
#define SPEC_OPTION_SHIFT 3

/* Sets of SPEC_*. */
struct spec_plan {
    u32 needed; /* the processor does not say that it can do without */
    u32 can;    /* the processor, with its microcode, has what it takes */
    u32 done;   /* what the core shall do: never what it cannot */
};

struct spec_plan spec_plan(const struct facts *f, u32 option);

/* Adds "l1d=on verw=absent ...": on; off (needed, but spec= leaves it out); absent (needed, but
 * this processor or its microcode cannot); needless. */
void spec_describe(const struct spec_plan *p, struct line *l);

#endif
