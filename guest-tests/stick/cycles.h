/* SPDX-License-Identifier: BSD-2-Clause */
/* cycles.efi: cycles.c has the order and the VM trips, cycles_rows.c single instructions. */
#ifndef GUEST_TESTS_STICK_CYCLES_H
#define GUEST_TESTS_STICK_CYCLES_H

#include "guest-tests/lib/vmx.h"

enum {
    SAMPLES = 10000, /* of a row, unless they take too long */
    SAMPLES_LEAST = 64,
    BUDGET = 10000000, /* ticks that a row's samples may take together */
};

/* Runs once() again and again, and prints "case: MEDIAN P5 P95 SAMPLES" of what it returns. */
void cycles_row(const char *name, u64 (*once)(u64 n));
void cycles_cpu_rows(void); /* instructions that need no VMX operation */
void cycles_vmx_rows(void); /* @pre vmx_on(), l2_init() */

/* The time stamp with everything before it done, and nothing behind it begun. */
static inline u64 cycles_now(void)
{
    u32 lo, hi;

    __asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(lo), "=d"(hi) : : "memory");
    return (u64)hi << 32 | lo;
}

#endif
