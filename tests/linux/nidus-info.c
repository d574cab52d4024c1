/*
 * nidus-info [log]: what the CPUID leaves of Nidus say, for a person in L1 (or L2). Version, depth,
 * and the VM exits of the CPU it runs on by reason; with "log", L0's last log lines instead. Reads
 * nothing but CPUID, so needs no rights. The leaves are a promise to others: ARCHITECTURE.md,
 * "CPUID".
 */
#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    LEAF_SIGNATURE = 0x40000000,
    LEAF_VERSION = 0x40000001,
    LEAF_EXITS = 0x40000002,
    LEAF_LOG = 0x40000004
};
enum { CPUID_HYPERVISOR = 1u << 31 };
#define SUBLEAF_FROM_L2 0x80000000u

static const struct {
    uint32_t number;
    const char *name, *text;
} reasons[] = {
#define EXIT(number, name, text) {number, #name, text},
#include "hv/arch/vmx_exit.def"
#undef EXIT
};

static uint64_t exits(uint32_t subleaf)
{
    uint32_t a, b, c, d;
    __cpuid_count(LEAF_EXITS, subleaf, a, b, c, d);
    return (uint64_t)d << 32 | a;
}

static bool under_nidus(void)
{
    uint32_t a, r[3], features;
    __cpuid(1, a, r[0], features, r[2]);
    if (!(features & CPUID_HYPERVISOR))
        return false;
    __cpuid(LEAF_SIGNATURE, a, r[0], r[1], r[2]);
    return memcmp(r, "NidusNidus\0", 12) == 0 && a >= LEAF_VERSION;
}

static uint64_t print_exits(const char *who, uint32_t from)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        uint64_t n = exits(from | reasons[i].number);
        sum += n;
        if (n)
            printf("exits %s %-20s %12llu\n", who, reasons[i].name, (unsigned long long)n);
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

/* Subleaf 0 tells the ring's size and how many characters were ever written; subleaf n has the 16
 * bytes from 16 * (n - 1) on. */
static int print_log(void)
{
    uint32_t size, b, lo, hi, last, words[4];
    __cpuid(LEAF_SIGNATURE, last, words[0], words[1], words[2]);
    if (last < LEAF_LOG)
        return 1;
    __cpuid_count(LEAF_LOG, 0, size, b, lo, hi);
    uint64_t total = (uint64_t)hi << 32 | lo;
    for (uint64_t i = total < size ? 0 : total - size; i < total; i++) {
        uint32_t at = (uint32_t)(i % size);
        __cpuid_count(LEAF_LOG, at / 16 + 1, words[0], words[1], words[2], words[3]);
        putchar(((const char *)words)[at % 16]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    uint32_t version, depth, c, d;
    if (argc > 1 && strcmp(argv[1], "log") == 0)
        return under_nidus() ? print_log() : 1;
    if (!under_nidus()) {
        printf("nidus none\nticks per CPUID %llu\n", (unsigned long long)cpuid_ticks());
        return 1;
    }
    __cpuid(LEAF_VERSION, version, depth, c, d);
    printf("nidus version 0x%x depth %u\n", version, depth);
    uint64_t l1 = print_exits("L1", 0), l2 = print_exits("L2", SUBLEAF_FROM_L2);
    printf("exits L1 sum %llu, L2 sum %llu, on this CPU since its launch\n", (unsigned long long)l1,
           (unsigned long long)l2);
    printf("ticks per CPUID %llu\n", (unsigned long long)cpuid_ticks());
    return 0;
}
