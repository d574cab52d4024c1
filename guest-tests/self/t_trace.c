/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One L2 that executes VMCALL a few times, with next to nothing around it: what a trace of it shows
 * is judged by tools/trace/trace_test.py. With trace= the program reads the records of its own by
 * CPUID, too, and checks what it can: their numbers, and that the question itself is not recorded.
 * hold=1 stays there for ever, so that somebody can write the machine's memory to a file.
 *
 * Right: each entry ends with exit reason 18. SDM 3C 26.1 "Instructions That Cause VM Exits"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/trace/record.h"

enum { ROUNDS = 3, LOOKED_AT = 200 };

static void calls(void)
{
    l2_world(L2_64);
    l2_code("", 0);
    l2_write();
    l2_enter(false);
    gt_line("first: exit %lu", l2_seen[VI_EXIT_REASON]);
    for (unsigned i = 0; i < ROUNDS; i++) {
        l2_again(l2.f[VI_GUEST_RIP]);
        gt_line("again: exit %lu", l2_seen[VI_EXIT_REASON]);
    }
    l1_state_restore();
}

/* ---- the trace, where there is one ----------------------------------------------------------- */

static u64 written(u32 leaf)
{
    struct gt_cpuid r = gt_cpuid(LEAF_NIDUS_TRACE, leaf);
    return r.ecx | (u64)r.edx << 32;
}

static struct trace_record record(u64 number)
{
    union {
        struct trace_record r;
        struct gt_cpuid part[4];
    } u;
    for (u32 i = 0; i < 4; i++)
        u.part[i] =
            gt_cpuid(LEAF_NIDUS_TRACE, TRACE_LEAF_RECORD | ((u32)(number % TRACE_RECORDS) * 4 + i));
    return u.r;
}

static void read_back(void)
{
    u32 facts = gt_cpuid(LEAF_NIDUS_TRACE, TRACE_LEAF_FACTS).eax;
    if (!gt_under_nidus() || facts == 0)
        return;
    gt_check(facts == (TRACE_VERSION | 64 << 16), "facts: %x", facts);
    u64 end = written(TRACE_LEAF_STOP), again = written(TRACE_LEAF_FACTS), calls_seen = 0;
    bool l1_seen = false;
    gt_check(end == again, "stopped: %lx then %lx", end, again);
    for (u64 n = end > LOOKED_AT ? end - LOOKED_AT : 0; n < end; n++) {
        struct trace_record r = record(n);
        gt_check(r.number == (u32)n && r.kind >= TRACE_EXIT && r.kind <= TRACE_STALE,
                 "record %lx: number %x, kind %x", n, r.number, r.kind);
        calls_seen += r.kind == TRACE_EXIT && r.level == 2 && r.reason == 18;
        l1_seen |= r.kind == TRACE_EXIT && r.level == 1;
        gt_check(r.kind != TRACE_EXIT || r.reason != 10 || (u32)r.d != LEAF_NIDUS_TRACE,
                 "record %lx: the question itself", n);
    }
    gt_check(calls_seen >= ROUNDS, "VMCALLs: %lu", calls_seen);
    (void)written(TRACE_LEAF_GO);
    gt_cpuid(1, 0);
    gt_check(!l1_seen || written(TRACE_LEAF_FACTS) > end, "goes on");
    gt_check(gt_cpuid(LEAF_NIDUS_TRACE, 3).eax == 0, "a subleaf that is none");
}

static void hold(void)
{
    if (!vmx_option("hold", 0))
        return;
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    gt_line("holds");
    for (;;)
        gt_cpuid(1, 0);
}

TEST_MAIN(trace)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        calls();
        read_back();
        hold();
    }
    vmx_end();
}
