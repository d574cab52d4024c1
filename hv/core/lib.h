/* SPDX-License-Identifier: BSD-2-Clause */
/* memcpy, memset and memcmp, as the C standard defines them. */
#ifndef HV_CORE_LIB_H
#define HV_CORE_LIB_H

#include "hv/arch/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
