/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring: the last 64 KiB of the log, in memory that a warm reset leaves alone. L0 writes it; L1
 * reads it by CPUID, a later nidus.efi after a reset, and tools/ring.py in a dump of memory. It
 * lies at the start of L0's region, which is 2 MiB aligned, so a reader tries few places. Pure: the
 * caller owns the bytes, which may be anything.
 */
#ifndef HV_RING_RING_H
#define HV_RING_RING_H

#include "hv/arch/types.h"

#define RING_MAGIC 0x474e495273756469ull /* "idusRING" */
#define RING_TEXT  65536u
#define RING_CPUS  64u
#define RING_EXITS 16u

/* Where a processor keeps its last exits, in struct cpu; they are written at each exit, without a
 * sum. */
struct ring_exits {
    u32 at, unused; /* the number of exits; the latest is at - 1, modulo RING_EXITS */
    struct {
        u32 reason, unused;
        u64 rip;
    } exit[RING_EXITS];
};

struct ring {
    u64 magic;
    u64 self;  /* the ring's own physical address */
    u64 total; /* characters that were ever written; the next goes to total modulo RING_TEXT */
    u64 sum;   /* of the text: ring_put keeps it up to date */
    u64 check; /* of the members above */
    u64 cpus;
    u64 exits[RING_CPUS]; /* the physical addresses of struct ring_exits */
    u8 unused[PAGE_SIZE - (6 + RING_CPUS) * sizeof(u64)];
    char text[RING_TEXT];
};

/* Makes an empty ring of *r, whose physical address is `self`. @pre *r is zeroed */
void ring_init(struct ring *r, u64 self);

/* Adds n characters. */
void ring_put(struct ring *r, const char *text, u32 n);

/* True when a ring stands at the physical address `at`, as far as its head tells. */
bool ring_is(const struct ring *r, u64 at) MUST_CHECK;

/* True when the text is what was written. @pre ring_is */
bool ring_whole(const struct ring *r) MUST_CHECK;

/* How many characters there are to read, and number i of them, the oldest first; what no log writes
 * becomes '?'. @pre ring_is; i < ring_length */
u32 ring_length(const struct ring *r);
char ring_char(const struct ring *r, u32 i);

/* What CPUID tells: word 0 of subleaf 0 is RING_TEXT, words 2 and 3 are `total`; subleaf n from 1
 * on has the 16 bytes of the text at 16 * (n - 1). Zeros for another subleaf. */
struct ring_words {
    u32 word[4];
};
struct ring_words ring_words(const struct ring *r, u32 subleaf);

#endif
