/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cycles.efi: what the instructions that a hypervisor lives on cost, in ticks of the time stamp
 * counter: median, 5th and 95th percentile. The same program under Nidus tells what they cost L1. A
 * trip is an exit of L2 by CPUID with a tight handler: three VMREADs, one VMWRITE, VMRESUME. In the
 * row reads_4k L2 reads 4,000 pages as well, in EPT leaves of 4 KiB, more than a TLB holds.
 * reads_2m and reads_1g are the same in larger leaves: the differences tell what a TLB miss costs.
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"
#include "guest-tests/stick/cycles.h"

u64 vmx_bench(u64 exits, u64 reason, u8 *edit, u64 loops) GT_HIDDEN;

enum { TRIPS = 100, READ_TRIPS = 2, MSR_SMI_COUNT = 0x34, MSR_MPERF = 0xe7, MSR_APERF = 0xe8 };

struct trip {
    const char *name;
    bool ept;
    u32 trips; /* of one VMLAUNCH */
    u32 exit_on, exit_off, entry_on, entry_off;
    u64 reads; /* L2 reads 4,000 pages from here on, in the leaves that the address tells */
    bool violates;
};

/* Where EPT12 shows the arena, in leaves of each size; and nothing. */
enum { READS_4K = 0x41000000, READS_2M = 0x42000000, NOTHING = 0x43000000, PG_READS = PG_EPT_FREE };
#define READS_1G (0x80000000ul + ARENA)

/* Each load and save that Nidus might do without is left out on its own. */
static const struct trip trips[] = {
    {"launch_and_exit", true, 1, 0, 0, 0, 0, 0, false},
    {"trip", false, TRIPS, 0, 0, 0, 0, 0, false},
    {"trip_ept_vpid", true, TRIPS, 0, 0, 0, 0, 0, false},
    {"trip_no_pat", true, TRIPS, 0, EXIT_SAVE_PAT | EXIT_LOAD_PAT, 0, ENTRY_LOAD_PAT, 0, false},
    {"trip_no_save_pat", true, TRIPS, 0, EXIT_SAVE_PAT, 0, 0, 0, false},
    {"trip_no_save_efer", true, TRIPS, 0, EXIT_SAVE_EFER, 0, 0, 0, false},
    {"trip_perf_global", true, TRIPS, EXIT_LOAD_PERF, 0, ENTRY_LOAD_PERF, 0, 0, false},
    {"trip_no_debug", true, TRIPS, 0, EXIT_SAVE_DEBUG, 0, ENTRY_LOAD_DEBUG, 0, false},
    {"trip_ept_violation", true, TRIPS, .violates = true},
    {"reads_4k", true, READ_TRIPS, .reads = READS_4K},
    {"reads_2m", true, READ_TRIPS, .reads = READS_2M},
    {"reads_1g", true, READ_TRIPS, .reads = READS_1G},
};
static const struct trip *trip;

/* Controls as the trip wants them, as far as the processor lets it. False: it does not. */
static bool controls(void)
{
    u64 exit_caps = gt_rdmsr(MSR_VMX_TRUE_EXIT), entry_caps = gt_rdmsr(MSR_VMX_TRUE_ENTRY);

    l2.f[VI_EXIT_CTL] = (l2.f[VI_EXIT_CTL] | trip->exit_on) & ~(u64)trip->exit_off;
    l2.f[VI_ENTRY_CTL] = (l2.f[VI_ENTRY_CTL] | trip->entry_on) & ~(u64)trip->entry_off;
    return (l2.f[VI_EXIT_CTL] & (u32)exit_caps) == (u32)exit_caps &&
           !(l2.f[VI_EXIT_CTL] & ~(exit_caps >> 32)) &&
           (l2.f[VI_ENTRY_CTL] & (u32)entry_caps) == (u32)entry_caps &&
           !(l2.f[VI_ENTRY_CTL] & ~(entry_caps >> 32));
}

/* Pages of 4 KiB that all show one page, and of 2 MiB that all show the arena. */
static void map_reads(void)
{
    enum {
        LEAVES = 512,
        TABLES = 8,
        PD1_4K = (READS_4K - AT_4K) >> 21,
        PD1_2M = (READS_2M - AT_4K) >> 21
    };
    u64 *pd1 = arena(PG_E_PD1), *pt = arena(PG_READS);

    for (unsigned i = 0; i < LEAVES; i++)
        pt[i] = ARENA_AT(PG_DATA_A) | E_RWX | E_WB;
    for (unsigned i = 0; i < TABLES; i++) {
        pd1[PD1_4K + i] = ARENA_AT(PG_READS) | E_RWX;
        pd1[PD1_2M + i] = ARENA | E_RWX | E_WB | E_PS;
    }
}

/* MOV EBX, where; MOV ECX, 4000; MOV EAX, [RBX]; ADD RBX, 4160; DEC ECX; JNZ; and then a CPUID. The
 * stride goes through the sets of a cache as well. */
static void read_code(u32 where)
{
    static char code[] = "\xbb....\xb9\xa0\x0f\0\0\x8b\x03\x48\x81\xc3\x40\x10\0\0\xff\xc9\x75\xf3"
                         "\x31\xc0\x0f\xa2\xeb\xe3";

    CopyMem(code + 1, &where, sizeof where);
    l2_code(code, sizeof code - 1);
}

/* PUSH RAX, again and again: the handler goes on behind as many bytes as the processor says, which
 * is undefined for an EPT violation. */
static void violating_code(void)
{
    static char pushes[2048];

    SetMem(pushes, sizeof pushes, 0x50);
    l2_code(pushes, sizeof pushes);
    l2.f[VI_GUEST_RSP] = NOTHING + 0x800;
}

static bool world(void)
{
    static const char loop[] = "\x31\xc0\x0f\xa2\xeb\xfa"; /* XOR EAX, EAX; CPUID; JMP */

    if (trip->ept)
        ept_world(L2_64, 0);
    else
        l2_world(L2_64);
    if (trip->ept && vmx_has2(PROC2_VPID)) {
        l2.f[VI_PROC2_CTL] |= PROC2_VPID;
        l2.f[VI_VPID] = 1;
    }
    l2.f[VI_PREEMPTION_TIMER] = 0x7fffffff;
    if (trip->violates)
        violating_code();
    else if (trip->reads)
        read_code((u32)trip->reads);
    else
        l2_code(loop, sizeof loop - 1);
    if (trip->ept)
        map_reads();
    return controls();
}

/* The ticks of one trip: a hundred of them, divided; or VMLAUNCH and one exit. */
static u64 once_trip(u64 n)
{
    u64 t;

    (void)n;
    l2_write();
    t = vmx_bench(trip->trips, trip->violates ? REASON_EPT_VIOLATION : REASON_CPUID,
                  arena(PG_SCRATCH), 0);
    l1_state_restore();
    return t / trip->trips;
}

static void trip_rows(void)
{
    for (unsigned i = 0; i < sizeof trips / sizeof *trips; i++) {
        trip = &trips[i];
        if (trip->ept && !ept_usable())
            continue;
        if (!world()) {
            gt_line("%s: not here", trip->name);
            continue;
        }
        if (once_trip(0) == 0) {
            gt_line("%s: refused, exit reason %lx error %lx", trip->name, vmx_get(V_EXIT_REASON),
                    vmx_get(V_INSN_ERROR));
            continue;
        }
        cycles_row(trip->name, once_trip);
    }
}

static bool try_msr(u32 msr, u64 *v)
{
    u32 low = 0, high = 0;

    GT_TRY("rdmsr", : "=a"(low), "=d"(high) : "c"(msr) : GT_CLOBBERS);
    *v = (u64)high << 32 | low;
    return gt_exc.vector == GT_NONE;
}

static void say_smis(const char *when)
{
    u64 count;

    if (try_msr(MSR_SMI_COUNT, &count))
        gt_line("smi.%s: %u", when, (u32)count);
}

/* What a tick was worth: MPERF counts at the nominal frequency while the processor runs, APERF at
 * the actual one. */
static void say_frequency(void)
{
    static u64 tsc, mperf, aperf;
    u64 m = 0, a = 0, now = gt_rdtsc();
    bool there = try_msr(MSR_MPERF, &m) && try_msr(MSR_APERF, &a);

    if (tsc && there)
        gt_line("frequency: tsc %lu mperf %lu aperf %lu", now - tsc, m - mperf, a - aperf);
    else if (tsc)
        gt_line("frequency: tsc %lu, no MPERF and APERF", now - tsc);
    tsc = now;
    mperf = m;
    aperf = a;
}

TEST_MAIN(cycles)
{
    say_smis("before");
    say_frequency();
    cycles_cpu_rows();
    if (gt_cpuid(1, 0).ecx >> 5 & 1) {
        vmx_begin();
        if (vmx_on()) {
            l2_init();
            cycles_vmx_rows();
            l2_init();
            trip_rows();
        }
        vmx_end();
    }
    say_frequency();
    say_smis("after");
}
