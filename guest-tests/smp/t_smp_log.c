/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All processors make L0 write into its log at once, by VM entries that it refuses and explains
 * (log=e9 verbose=2 in the manifest). The rig takes every line that begins with "nidus:" out of the
 * transcript, so a line that is torn, or written into another one, is left in it. L1 itself sees
 * its entries refused. SDM 3C 27.2 "Checks on VMX Controls and Host-State Area"
 */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"

enum { CPUS = 4, ENTRIES = 30, REFUSED_HOST = 8 };

static volatile u64 meet, refused[SMP_MAX];

static void nothing(void)
{
    smp_vmcall();
}

static void be_refused(struct smp_cpu *c, u64 entries)
{
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, nothing);
    vmx_vmwrite(V_HOST_CR0, 0);
    smp_barrier(&meet, smp_count);
    for (u64 i = 0; i < entries; i++)
        refused[c->number] += smp_enter(c) == (1ul << 32 | REFUSED_HOST);
    smp_vmx_off(c);
}

TEST_MAIN(smp_log)
{
    if (!smp_begin_all(CPUS))
        return;
    bool ok = smp_all(be_refused, ENTRIES);
    for (unsigned n = 0; n < smp_count; n++)
        gt_line("refused.%u: %lu of %u", n, refused[n], ENTRIES);
    gt_line("all: %s", ok ? "go on" : "one is lost");
    smp_end();
}
