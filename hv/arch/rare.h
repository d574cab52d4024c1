/* SPDX-License-Identifier: BSD-2-Clause */
/* Which events of one kind get a line in the log. A line on the serial port takes one to ten
 * milliseconds, so L0 must not write a line for each event that a guest can cause at will. L0 still
 * writes one now and then, so that the log shows that the events go on. */
#ifndef HV_ARCH_RARE_H
#define HV_ARCH_RARE_H

#include "hv/arch/types.h"

/* True when event number nth, counted from 1, gets a line: the first `first` events do, then those
 * whose number is a power of two. So at most first + 64 lines are written in all. */
static inline bool rare_is_told(u64 nth, u64 first)
{
    return nth <= first || (nth & (nth - 1)) == 0;
}

#endif
