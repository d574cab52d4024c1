/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nidus-info: what the CPUID leaves of Nidus say, for a person in L1 (or L2). Version, depth,
 * and the VM exits of the CPU it runs on by reason. Reads nothing but CPUID, so needs no
 * rights. The leaves are a promise to others: ARCHITECTURE.md, "CPUID".
 */
#include "tests/linux/leaves.h"

#include <stdio.h>

static uint64_t print_exits(const char *who, uint32_t from)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < EXIT_REASONS; i++) {
        uint64_t n = exits_of(i, from);
        sum += n;
        if (n)
            printf("exits %s %-20s %12llu\n", who, exit_reasons[i].name, (unsigned long long)n);
    }
    return sum;
}

/* The least of many tries: what one exit and its answer cost, where every tick is an
 * instruction. */
static uint64_t cpuid_ticks(void)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 1000; i++) {
        uint32_t a, b, c, d;
        uint64_t start = __builtin_ia32_rdtsc();
        __cpuid(1, a, b, c, d);
        uint64_t ticks = __builtin_ia32_rdtsc() - start;
        least = ticks < least ? ticks : least;
    }
    return least;
}

static void print_ticks(void)
{
    printf("ticks per CPUID %llu (in the emulator a tick is an instruction)\n",
           (unsigned long long)cpuid_ticks());
}

int main(int argc, char **argv)
{
    uint32_t version, depth, c, d;
    if (argc > 1) {
        fprintf(stderr, "usage: nidus-info\n"
                        "Says Nidus's version, its depth, and this processor's VM exits.\n");
        return strcmp(argv[1], "-h") && strcmp(argv[1], "--help") ? 2 : 0;
    }
    if (!under_nidus()) {
        printf("nidus none\n");
        print_ticks();
        return 1;
    }
    __cpuid(LEAF_VERSION, version, depth, c, d);
    printf("nidus version %u depth %u\n", version, depth);
    uint64_t l1 = print_exits("L1", FROM_L1), l2 = print_exits("L2", FROM_L2);
    printf("exits L1 sum %llu, L2 sum %llu, on this CPU since its launch\n", (unsigned long long)l1,
           (unsigned long long)l2);
    print_ticks();
    return 0;
}
