/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cycles.efi: what the instructions that a hypervisor lives on cost, in ticks of the time stamp
 * counter: median, 5th and 95th percentile. The same program under Nidus tells what they cost L1. A
 * trip is an exit of L2 by CPUID with a tight handler: three VMREADs, one VMWRITE, VMRESUME.
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"
#include "guest-tests/stick/cycles.h"

u64 vmx_bench(u64 exits, u64 reason, u8 *edit, u64 loops) GT_HIDDEN;

enum { TRIPS = 100, MSR_SMI_COUNT = 0x34 };

struct trip {
    const char *name;
    bool ept;
    u32 trips; /* of one VMLAUNCH */
    u32 exit_on, exit_off, entry_on, entry_off;
};

/* Each load and save that Nidus might do without is left out on its own. */
static const struct trip trips[] = {
    {"launch_and_exit", true, 1, 0, 0, 0, 0},
    {"trip", false, TRIPS, 0, 0, 0, 0},
    {"trip_ept_vpid", true, TRIPS, 0, 0, 0, 0},
    {"trip_no_pat", true, TRIPS, 0, EXIT_SAVE_PAT | EXIT_LOAD_PAT, 0, ENTRY_LOAD_PAT},
    {"trip_no_save_pat", true, TRIPS, 0, EXIT_SAVE_PAT, 0, 0},
    {"trip_no_save_efer", true, TRIPS, 0, EXIT_SAVE_EFER, 0, 0},
    {"trip_perf_global", true, TRIPS, EXIT_LOAD_PERF, 0, ENTRY_LOAD_PERF, 0},
    {"trip_no_debug", true, TRIPS, 0, EXIT_SAVE_DEBUG, 0, ENTRY_LOAD_DEBUG},
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
    l2_code(loop, sizeof loop - 1);
    return controls();
}

/* The ticks of one trip: a hundred of them, divided; or VMLAUNCH and one exit. */
static u64 once_trip(u64 n)
{
    u64 t;

    (void)n;
    l2_write();
    t = vmx_bench(trip->trips, REASON_CPUID, arena(PG_SCRATCH), 0);
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

static void say_smis(const char *when)
{
    u32 low = 0, high = 0;

    GT_TRY("rdmsr", : "=a"(low), "=d"(high) : "c"(MSR_SMI_COUNT) : GT_CLOBBERS);
    if (gt_exc.vector == GT_NONE)
        gt_line("smi.%s: %u", when, low);
}

TEST_MAIN(cycles)
{
    say_smis("before");
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
    say_smis("after");
}
