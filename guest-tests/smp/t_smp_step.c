/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A processor sends itself an INIT: as L1, and as an L2. tools/rig/debug_test.py lets gdb step over
 * the store that does it.
 *
 * Right: the first waits for a SIPI, the second exits with reason 3. SDM 3C 26.2 "Other Causes of
 * VM Exits"
 */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"

static volatile u64 sends, survived, reason, flags, pending;
static volatile u32 *icr;

/* The next command goes to the processor itself. */
static void aim(struct smp_cpu *c)
{
    icr = (u32 *)((gt_rdmsr(MSR_APIC_BASE) & ~0xffful) + GT_APIC_ICR);
    gt_apic_write(GT_APIC_ICR_HIGH, c->apic_id << 24);
}

/* Without an RDMSR, which would be an exit of L2's. */
static void send(void)
{
    sends++;
    *icr = GT_APIC_INIT | GT_APIC_ASSERT | GT_APIC_LEVEL;
    for (;;)
        survived++;
}

static void in_l1(struct smp_cpu *c, u64 arg)
{
    (void)arg;
    aim(c);
    send();
}

static void in_l2(struct smp_cpu *c, u64 arg)
{
    (void)arg;
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, send);
    aim(c);
    reason = smp_enter(c);
    flags = vmx_get(V_GUEST_RFLAGS);
    pending = vmx_get(V_GUEST_PENDING_DEBUG);
    smp_vmx_off(c);
}

TEST_MAIN(smp_step)
{
    if (!smp_begin_all(0))
        return;
    smp_call(1, in_l1, 0);
    smp_until(&sends, 1);
    smp_until(&survived, 100); /* it does not, so this takes its time */
    gt_line("l1: %s", smp_sipi(1, 0) ? "up again" : "lost");
    smp_call(1, in_l2, 0);
    bool on = smp_wait(1);
    gt_line("l2: %s, exit %lu, flags %lx, pending %lx", on ? "goes on" : "lost", reason, flags,
            pending);
    gt_check(sends == 2 && survived == 0, "%lu sent, %lu turns behind", sends, survived);
    smp_end();
}
