/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Measures against attacks by speculation: which ones the processor needs, which ones it has, and
 * which ones L0 takes under the option spec=. Pure: the facts are those of require.h. The core only
 * does what the plan says.
 */
#ifndef BOOT_SPEC_H
#define BOOT_SPEC_H

#include "hv/core/boot_info.h"
#include "boot/require.h"

/* The values of spec=, in the order of boot/options.c. The values behind `off` are the SPEC_* of
 * hv/core/boot_info.h, in their order. */
#define SPEC_OPTION_AUTO  1u
#define SPEC_OPTION_FULL  2u
#define SPEC_OPTION_OFF   4u
#define SPEC_OPTION_SHIFT 3

/* Three sets of SPEC_*. */
struct spec_plan {
    u32 needed; /* the processor does not say that it is safe without these */
    u32 can;    /* the processor, with its microcode, has these */
    u32 done;   /* the core does these; always a part of `can` */
};

/* The plan for this processor. option: a set of SPEC_OPTION_*, and of SPEC_* shifted left by
 * SPEC_OPTION_SHIFT. */
struct spec_plan spec_plan(const struct facts *f, u32 option);

/* Adds "l1d=on verw=absent ..." to the line, a word for each measure:
 *  on        the core takes the measure
 *  off       the measure is needed, but spec= leaves it out
 *  absent    the measure is needed, but this processor or its microcode lacks it
 *  needless  the measure is not needed */
void spec_describe(const struct spec_plan *p, struct line *l);

#endif
