/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All kinds of changes to an EPT12 that three processors use: the frame, the rights, a leaf that is
 * taken away, another table, a large leaf in a table's place. The first processor makes a change
 * and asks two of the others, by an interrupt, to execute INVEPT. From then on none of the two may
 * use what was before: no read of an old frame, no write into one, no access that is forbidden. The
 * third is never asked. It may use what was cached of any time, but what it sees never goes back.
 * SDM 3C 29.4.3.1 "Operations that Invalidate Cached Mappings", SDM 3C 29.4.3.4 "Guidelines for Use
 * of the INVEPT Instruction"
 */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/msr.h"

enum {
    CPUS = 4,
    ROUNDS = 400,
    BLOCKS = 4,   /* of 2 MiB, each a possible home of the probe */
    FRAMES = 512, /* in a block */
    R = 1,
    W = 2,
    X = 4,
    RWX = 7,
    WB = 6 << 3,
    LARGE = 1 << 7,
    EPTP_FLAGS = 0x1e,
    VIOLATION = 48,
    EXTERNAL = 1,
    INVEPT_OF_ONE = 1,
    STAMPS = 8, /* the word of a frame that the first processor stamps */
};
#define PROBE 0x40000000ul

/* What EPT12 says of the probe in a round. */
struct state {
    u8 *frame;
    bool readable, writable;
};
static volatile struct state states[ROUNDS + 1];
static u64 *pml4, *pd, *pt[2], table;
static u8 *block[BLOCKS];
static volatile u64 wanted, stop;

/* The last round that a processor has executed INVEPT for; what its L2 did. */
static struct {
    volatile u64 acked, reads, writes, violations;
    volatile u64 stale_read, stale_write, went_back, newest_seen, bad;
} of[SMP_MAX];

static void build_ept12(void)
{
    u64 *pdpt = gt_pages(1);

    pml4 = gt_pages(1);
    pd = gt_pages(1);
    pt[0] = gt_pages(1);
    pt[1] = gt_pages(1);
    for (unsigned b = 0; b < BLOCKS; b++)
        block[b] = gt_pages_aligned(FRAMES, FRAMES * 4096);
    pml4[0] = (u64)pdpt | RWX;
    for (u64 i = 0; i < 4; i++)
        pdpt[i] = i << 30 | RWX | WB | LARGE;
    for (u64 i = 0; i < 512; i++)
        pd[i] = (PROBE + (i << 21)) | RWX | WB | LARGE;
    pdpt[PROBE >> 30] = (u64)pd | RWX;
}

/* ---- L2 ---- */

/* A frame tells its round in its first word. One that comes again tells the new round a moment
 * before EPT12 shows it, and whoever has it cached sees that: back by one is not back. */
static void judge_read(unsigned n, u64 oldest, u64 seen, u64 newest)
{
    of[n].reads++;
    of[n].went_back += seen + 1 < of[n].newest_seen;
    of[n].newest_seen = seen;
    of[n].stale_read += seen < oldest || seen > newest || !states[seen].readable;
}

static void look_and_stamp(void)
{
    unsigned n = smp_of_l2()->number;
    volatile u64 *probe = (volatile u64 *)PROBE;

    for (u64 i = 1;; i++) {
        u64 oldest = of[n].acked;
        u64 seen = *probe;

        judge_read(n, oldest, seen, wanted);
        if (i % 3 == 0) {
            probe[STAMPS + n] = i;
            of[n].writes++;
        }
        if (i % 64 == 0)
            smp_vmcall();
    }
}

/* ---- L1 of the three ---- */

static void acknowledge(unsigned n)
{
    u64 round = wanted;
    struct {
        u64 eptp, zero;
    } d = {(u64)pml4 | EPTP_FLAGS, 0};

    __asm__ volatile("invept %0, %1" : : "m"(d), "r"((u64)INVEPT_OF_ONE) : "memory", "cc");
    of[n].acked = round;
}

/* What EPT12 forbids now, or forbade in a round that may still be cached: L2 tries again. */
static void violation(unsigned n, bool asked)
{
    bool write = vmx_get(V_EXIT_QUALIFICATION) & 2, may = false;

    of[n].violations++;
    for (u64 r = of[n].acked; r <= wanted; r++)
        may |= write ? !states[r].writable : !states[r].readable;
    if (asked && !may)
        of[n].bad = VIOLATION;
}

static void run_l2(struct smp_cpu *c, u64 asked)
{
    unsigned n = c->number;

    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, look_and_stamp);
    vmx_vmwrite(V_PROC_CTL, vmx_get(V_PROC_CTL) | PROC_SECONDARY);
    vmx_vmwrite(V_PROC2_CTL, PROC2_EPT);
    vmx_vmwrite(V_EPT_POINTER, (u64)pml4 | EPTP_FLAGS);
    vmx_vmwrite(V_GUEST_RFLAGS, 0x202);
    while (!stop && !of[n].bad) {
        u64 reason = smp_enter(c);

        if (reason == EXTERNAL) {
            gt_apic_write(GT_APIC_EOI, 0);
            if (asked)
                acknowledge(n);
        } else if (reason == REASON_VMCALL) {
            smp_advance();
        } else if (reason == VIOLATION) {
            violation(n, asked);
        } else {
            of[n].bad = reason;
        }
    }
    smp_vmx_off(c);
}

/* ---- the changes ---- */

/* A frame of its own for each round; a large leaf begins with its block's first one. */
static u8 *frame_of(u64 round)
{
    return block[round % BLOCKS] + 4096 * (1 + round / BLOCKS);
}

/* The next state of EPT12, made by one store: to a leaf, or to the entry above it. */
static void show(u64 round, u64 rights, bool large)
{
    u8 *frame = large ? block[round % BLOCKS] : frame_of(round);
    u64 leaf = (u64)frame | rights | WB;

    states[round].frame = frame;
    states[round].readable = rights & R;
    states[round].writable = (rights & (R | W)) == (R | W);
    *(volatile u64 *)frame = round;
    if (!large && round % 5 != 0) {
        wanted = round;
        *(volatile u64 *)pt[table] = leaf;
        *(volatile u64 *)pd = (u64)pt[table] | RWX;
        return;
    }
    table ^= 1;
    *(volatile u64 *)pt[table] = leaf;
    wanted = round;
    *(volatile u64 *)pd = large ? leaf | LARGE : (u64)pt[table] | RWX;
}

static u64 stamps(const volatile u8 *frame)
{
    u64 sum = 0;

    for (unsigned n = 1; n + 1 < smp_count; n++)
        sum = sum * 31 + ((const volatile u64 *)frame)[STAMPS + n];
    return sum;
}

/* Waits until the L2s of those who were asked have gone on by some accesses. */
static bool go_on(void)
{
    bool ok = true;

    for (unsigned n = 1; n + 1 < smp_count; n++) {
        u64 before = of[n].reads + of[n].violations;
        for (u64 i = 0; i < SMP_PATIENCE && of[n].reads + of[n].violations < before + 4; i++)
            __builtin_ia32_pause();
        ok &= of[n].reads + of[n].violations >= before + 4;
    }
    return ok;
}

/* Behind the acknowledgements nobody who was asked writes into the frame of before. */
static bool change(u64 round)
{
    static const u8 rights[] = {RWX, RWX, R, RWX, 0, RWX, R | X, RWX};
    u8 *before = states[round - 1].frame;
    bool ok = true;

    show(round, rights[round % sizeof rights], round % 7 == 3);
    for (unsigned n = 1; n < smp_count; n++)
        smp_ipi(n, GT_APIC_FIXED | GT_APIC_ASSERT | SMP_VECTOR);
    for (unsigned n = 1; n + 1 < smp_count; n++)
        ok &= smp_until(&of[n].acked, round);
    u64 sum = stamps(before);
    ok &= go_on();
    if (before != states[round].frame)
        of[1].stale_write += stamps(before) != sum;
    return ok;
}

static void tell(unsigned n)
{
    bool asked = n + 1 < smp_count;

    if (asked)
        gt_line("asked.%u: %lu rounds, stale reads %lu, back %lu, other exits %lx", n, of[n].acked,
                of[n].stale_read, of[n].went_back, of[n].bad);
    else
        gt_line("forgotten.%u: back %lu, other exits %lx", n, of[n].went_back, of[n].bad);
    gt_check(of[n].reads > 1000 && of[n].writes > 300, "cpu %u: %lu reads, %lu writes", n,
             of[n].reads, of[n].writes);
    gt_check(!asked || of[n].violations > 10, "cpu %u: %lu violations", n, of[n].violations);
}

TEST_MAIN(smp_stale)
{
    u64 round = 0;
    bool ok = true;

    if (!smp_begin_all(CPUS))
        return;
    build_ept12();
    show(round, RWX, false);
    for (unsigned n = 1; n < smp_count; n++)
        smp_call(n, run_l2, n + 1 < smp_count);
    for (unsigned n = 1; n < smp_count; n++)
        ok &= smp_until(&of[n].reads, 100);
    while (ok && round < ROUNDS)
        ok = change(++round);
    stop = 1;
    for (unsigned n = 1; n < smp_count; n++)
        ok &= smp_wait(n);
    for (unsigned n = 1; n < smp_count; n++)
        tell(n);
    gt_line("all: %s after %lu rounds, stale writes %lu", ok ? "done" : "not done", round,
            of[1].stale_write);
    smp_end();
}
