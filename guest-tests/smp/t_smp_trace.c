/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every processor runs an L2 of its own that executes VMCALL some times, all at once. What a trace
 * of that shows is judged by tools/trace/trace_test.py. With trace= each processor reads its own
 * records by CPUID and checks them. divisor=N gives COM2 that speed first, as a hostile L1 would.
 *
 * Right: each entry ends with exit reason 18. SDM 3C 26.1 "Instructions That Cause VM Exits"
 */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/vmx.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/trace/record.h"

enum { ROUNDS = 20, VMCALL = 18 };

static volatile u64 meet;
static struct {
    u64 calls;
    u64 records, foreign, unnumbered, vmcalls; /* by CPUID; what is wrong with them */
    u64 wild;                                  /* subleaves that are none, but answered */
} seen[SMP_MAX];

static void calls(void)
{
    for (;;)
        smp_vmcall();
}

static struct gt_cpuid part(u64 number, u32 which)
{
    return gt_cpuid(LEAF_NIDUS_TRACE,
                    TRACE_LEAF_RECORD | ((u32)(number % TRACE_RECORDS) * 4 + which));
}

/* No two processors see the records of one another, and no index leads out of the ring. */
static void read_back(unsigned n)
{
    static const u32 nothing[] = {3, 8, 0x1000, 0x7fffffff};
    union {
        struct trace_record r;
        struct gt_cpuid part[4];
    } u;
    struct gt_cpuid facts = gt_cpuid(LEAF_NIDUS_TRACE, TRACE_LEAF_STOP);
    u64 end = facts.ecx | (u64)facts.edx << 32;
    if (!facts.eax)
        return;
    for (u64 i = end > TRACE_RECORDS ? end - TRACE_RECORDS : 0; i < end; i++) {
        for (u32 p = 0; p < 4; p++)
            u.part[p] = part(i, p);
        seen[n].records++;
        seen[n].foreign += u.r.cpu != n;
        seen[n].unnumbered += u.r.number != (u32)i;
        seen[n].vmcalls += u.r.kind == TRACE_EXIT && u.r.level == 2 && u.r.reason == VMCALL;
    }
    for (unsigned i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
        seen[n].wild += gt_cpuid(LEAF_NIDUS_TRACE, nothing[i]).eax != 0;
    for (u32 bit = 16; bit < 31; bit++) { /* a place behind the ring is one in the ring */
        struct gt_cpuid far = gt_cpuid(LEAF_NIDUS_TRACE, TRACE_LEAF_RECORD | 1u << bit);
        struct gt_cpuid near = gt_cpuid(LEAF_NIDUS_TRACE, TRACE_LEAF_RECORD);
        seen[n].wild += far.eax != near.eax || far.edx != near.edx;
    }
    gt_cpuid(LEAF_NIDUS_TRACE, TRACE_LEAF_GO);
}

static void work(struct smp_cpu *c, u64 arg)
{
    (void)arg;
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, calls);
    smp_barrier(&meet, smp_count);
    for (unsigned i = 0; i < ROUNDS; i++) {
        seen[c->number].calls += smp_enter(c) == VMCALL;
        smp_advance();
    }
    if (gt_under_nidus())
        read_back(c->number);
    smp_vmx_off(c);
}

enum { COM2 = 0x2f8, LCR = 3, LATCH = 0x80, FORM = 3, LSR = 5, ROOM = 0x20 };

/* 115,200 baud divided by this. */
static void set_speed(u64 divisor)
{
    gt_outb(COM2 + LCR, LATCH | FORM);
    gt_outb(COM2, (u8)divisor);
    gt_outb(COM2 + 1, (u8)(divisor >> 8));
    gt_outb(COM2 + LCR, FORM);
}

TEST_MAIN(smp_trace)
{
    if (!smp_begin_all(0))
        return;
    u64 divisor = vmx_option("divisor", 0);
    if (divisor)
        set_speed(divisor);
    bool ok = smp_all(work, 0);
    if (divisor)
        set_speed(1);
    for (u64 i = 0; i < 100000000 && divisor && !(gt_inb(COM2 + LSR) & ROOM); i++)
        ; /* the port gets its last slow byte away */
    gt_line("all: %s", ok ? "done" : "not done");
    for (unsigned n = 0; n < smp_count; n++) {
        gt_line("%u: %lu VMCALLs", n, seen[n].calls);
        gt_check(seen[n].foreign == 0 && seen[n].unnumbered == 0,
                 "%u: of %lu records %lu foreign, %lu unnumbered", n, seen[n].records,
                 seen[n].foreign, seen[n].unnumbered);
        gt_check(seen[n].wild == 0, "%u: %lu subleaves that are none", n, seen[n].wild);
    }
    smp_end();
}
