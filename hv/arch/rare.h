/* Which events of one kind get a line in the log. What a guest can cause as often as it likes
 * must not cost L0 a line each time, a millisecond or ten of the serial port; that it goes on
 * must still be told. */
#ifndef HV_ARCH_RARE_H
#define HV_ARCH_RARE_H

#include "hv/arch/types.h"

/* The first `first`, then those whose number is a power of two: never more than
 * first + 64 in all. */
static inline bool rare_is_told(u64 nth, u64 first)
{
    return nth <= first || (nth & (nth - 1)) == 0;
}

#endif
