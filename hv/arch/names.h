/* SPDX-License-Identifier: BSD-2-Clause */
/* Comparison of names that a person typed. The tables of layouts and of profiles use it. */
#ifndef HV_ARCH_NAMES_H
#define HV_ARCH_NAMES_H

#include "hv/arch/types.h"

static inline bool name_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return *a == *b;
}

#endif
