/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nidus-info: what the CPUID leaves of Nidus say, for a person in L1 (or L2). Version, depth,
 * the VM exits of the CPU it runs on by reason, and how often L1's VMX instructions failed. Reads
 * nothing but CPUID, so needs no rights. `nidus-info log` shows L0's last log lines instead;
 * `nidus-info trace > FILE` writes the records of trace= of all processors, for nidus-trace. The
 * leaves are a promise to others: ARCHITECTURE.md, "CPUID".
 */
#define _GNU_SOURCE
#include "tests/linux/leaves.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "hv/trace/record.h"

enum { LEAF_LOG = 0x40000004, LEAF_FAILS = 0x40000014, LEAF_TRACE = 0x40000015 };

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

/* ---- what failed ---- */

static const char *const errors[] = {
#define VMERR(number, name, insns, text) [number] = text,
#include "hv/arch/vmx_error.def"
#undef VMERR
    [0] = "VMfailInvalid",
    [29] = "of these, INVEPT",
    [30] = "of these, INVVPID",
    [31] = "VM entries that failed with an exit",
    [32] = "uses of stale translations (tlb=strict)",
};

static void print_fails(void)
{
    uint32_t n, b, c, d;
    for (uint32_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        __cpuid_count(LEAF_FAILS, i, n, b, c, d);
        if (n && i >= 1 && i <= 28)
            printf("failed VMfail %u: %s: %u\n", i, errors[i] ? errors[i] : "unknown", n);
        else if (n)
            printf("failed %s: %u\n", errors[i], n);
    }
}

/* ---- the trace ---- */

static bool write_quarter(uint32_t subleaf)
{
    uint32_t r[4];
    __cpuid_count(LEAF_TRACE, subleaf, r[0], r[1], r[2], r[3]);
    return fwrite(r, sizeof r, 1, stdout) == 1;
}

/* The head and all that is left in the ring of the processor that this runs on, which records
 * nothing meanwhile. */
static bool write_ring(void)
{
    uint32_t facts, capacity, low, high;
    __cpuid_count(LEAF_TRACE, TRACE_LEAF_STOP, facts, capacity, low, high);
    uint64_t written = (uint64_t)high << 32 | low;
    bool good = true;
    for (uint32_t i = 0; i < 4 && good; i++)
        good = write_quarter(TRACE_LEAF_HEAD + i);
    for (uint64_t n = written > capacity ? written - capacity : 0; n < written && good; n++)
        for (uint32_t i = 0; i < 4 && good; i++)
            good = write_quarter(TRACE_LEAF_RECORD | ((uint32_t)(n % capacity) * 4 + i));
    __cpuid_count(LEAF_TRACE, TRACE_LEAF_GO, facts, capacity, low, high);
    return good;
}

static int write_trace(void)
{
    uint32_t facts, capacity, c, d;
    __cpuid_count(LEAF_TRACE, TRACE_LEAF_FACTS, facts, capacity, c, d);
    if (facts != (TRACE_VERSION | (uint32_t)sizeof(struct trace_record) << 16) || !capacity) {
        fprintf(stderr, "nidus-info: no trace: nidus.efi was not started with trace=\n");
        return 1;
    }
    if (isatty(STDOUT_FILENO)) {
        fprintf(stderr, "nidus-info: a trace is no text: nidus-info trace > FILE\n");
        return 2;
    }
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    for (int i = 0; i < (cpus < CPU_SETSIZE ? (int)cpus : CPU_SETSIZE); i++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        if (sched_setaffinity(0, sizeof one, &one) != 0)
            continue; /* it is off */
        if (!write_ring())
            break;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("nidus-info: the trace");
        return 1;
    }
    return 0;
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

static void print_ticks(void)
{
    printf("ticks per CPUID %llu (in the emulator a tick is an instruction)\n",
           (unsigned long long)cpuid_ticks());
}

static int usage(const char *word)
{
    fprintf(stderr,
            "usage: nidus-info [log | trace > FILE]\n"
            "Says Nidus's version, its depth, and this processor's VM exits and failed VMX "
            "instructions; or the last lines of its log; or writes the records of trace=.\n");
    return strcmp(word, "-h") && strcmp(word, "--help") ? 2 : 0;
}

int main(int argc, char **argv)
{
    uint32_t version, depth, c, d;
    bool trace = argc == 2 && strcmp(argv[1], "trace") == 0;
    bool log = argc == 2 && strcmp(argv[1], "log") == 0;
    if (argc > 1 && !trace && !log)
        return usage(argv[1]);
    if (trace && under_nidus())
        return write_trace();
    if (log && under_nidus())
        return print_log();
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
    print_fails();
    print_ticks();
    return 0;
}
