/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Nidus answers to CPUID: the promise of ARCHITECTURE.md, "CPUID", for the programs of L1's
 * Linux. Reads nothing but CPUID, so it needs no rights.
 */
#ifndef TESTS_LINUX_LEAVES_H
#define TESTS_LINUX_LEAVES_H

#include <cpuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LEAF_SIGNATURE = 0x40000000, LEAF_VERSION = 0x40000001, LEAF_EXITS = 0x40000002 };
enum { CPUID_HYPERVISOR = 1u << 31, FROM_L1 = 0 };
#define FROM_L2 0x80000000u

static const struct {
    uint32_t number;
    const char *name, *text;
} exit_reasons[] = {
#define EXIT(number, name, text) {number, #name, text},
#include "hv/arch/vmx_exit.def"
#undef EXIT
};
enum { EXIT_REASONS = sizeof exit_reasons / sizeof exit_reasons[0] };

static inline bool under_nidus(void)
{
    uint32_t a, r[3], features;
    __cpuid(1, a, r[0], features, r[2]);
    if (!(features & CPUID_HYPERVISOR))
        return false;
    __cpuid(LEAF_SIGNATURE, a, r[0], r[1], r[2]);
    return memcmp(r, "NidusNidus\0", 12) == 0 && a >= LEAF_VERSION;
}

/* How many exits of the i-th reason this processor has had, from L1 or from L2. */
static inline uint64_t exits_of(size_t i, uint32_t from)
{
    uint32_t a, b, c, d;
    __cpuid_count(LEAF_EXITS, from | exit_reasons[i].number, a, b, c, d);
    return (uint64_t)d << 32 | a;
}

#endif
