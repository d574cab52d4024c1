/* SPDX-License-Identifier: BSD-2-Clause */
/* INIT and SIPI to a processor in VMX operation: an INIT in L2 is an exit, again and again; one in
 * root operation waits for VMXOFF; an L2 that waits for a SIPI exits with its vector. SDM 3C 26.2
 * "Other Causes of VM Exits", SDM 3C 24.8 "Restrictions on VMX Operation" */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"

enum { STORM = 100, INIT = 3, SIPI = 4, WAIT_FOR_SIPI = 3, VECTOR = 0x9f };

static volatile u64 in_root, turns, exits, others, qualification, last, resumed;

static void spin(void)
{
    for (;;)
        __atomic_add_fetch(&resumed, 1, __ATOMIC_SEQ_CST);
}

static void init_in_l2(struct smp_cpu *c, u64 arg)
{
    exits = others = 0;
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, spin);
    while (exits < arg && others < 3) {
        last = smp_enter(c);
        if (last == INIT)
            exits++;
        else
            others++;
    }
    smp_vmx_off(c);
}

static void sipi_in_l2(struct smp_cpu *c, u64 arg)
{
    last = qualification = 0;
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, spin);
    vmx_vmwrite(V_GUEST_ACTIVITY, WAIT_FOR_SIPI);
    exits = arg;
    last = smp_enter(c);
    qualification = vmx_get(V_EXIT_QUALIFICATION);
    smp_vmx_off(c);
}

static void stay_in_root(struct smp_cpu *c, u64 arg)
{
    (void)arg;
    if (!smp_vmx_on(c))
        return;
    in_root = 1;
    while (in_root != 2)
        turns++;
    smp_vmx_off(c);
    in_root = 3;
}

static bool storm_in_l2(unsigned cpu)
{
    unsigned sent = 0;
    exits = 0;
    resumed = 0;
    smp_call(cpu, init_in_l2, STORM);
    while (sent < STORM && smp_until(&resumed, 1 + resumed)) {
        smp_ipi(cpu, GT_APIC_INIT | GT_APIC_ASSERT | GT_APIC_LEVEL);
        sent++;
        if (!smp_until(&exits, sent))
            break;
    }
    bool ok = smp_wait(cpu);
    gt_line("l2.%u: %lu exits for %u INITs, %lu others, last %lx, %s", cpu, exits, sent, others,
            last, ok ? "goes on" : "is lost");
    return ok;
}

/* Root operation blocks the INIT: the loop of stay_in_root() goes on. */
static bool runs_on(void)
{
    u64 before = turns;

    for (unsigned i = 0; i < 20000 && turns < before + 2; i++)
        __builtin_ia32_pause();
    return turns >= before + 2;
}

static void in_root_operation(unsigned cpu)
{
    in_root = 0;
    smp_call(cpu, stay_in_root, 0);
    if (!smp_until(&in_root, 1))
        return;
    smp_ipi(cpu, GT_APIC_INIT | GT_APIC_ASSERT | GT_APIC_LEVEL);
    for (unsigned i = 0; i < 20000; i++)
        __builtin_ia32_pause();
    gt_line("root.%u.blocked: %s", cpu, runs_on() ? "runs on" : "stands still");
    in_root = 2;
    for (unsigned i = 0; i < 20000; i++)
        __builtin_ia32_pause();
    gt_line("root.%u: %s", cpu, in_root == 3 ? "went on behind VMXOFF" : "the INIT came at VMXOFF");
    /* it waits for a SIPI, or it runs and wants an INIT first */
    gt_line("root.%u.again: %s", cpu, smp_sipi(cpu, 0) || smp_start(cpu, 0) ? "up" : "lost");
}

static bool wait_for_sipi(unsigned cpu)
{
    exits = 0;
    smp_call(cpu, sipi_in_l2, 1);
    if (!smp_until(&exits, 1))
        return false;
    for (unsigned i = 0; i < 20000; i++)
        __builtin_ia32_pause();
    smp_ipi(cpu, GT_APIC_SIPI | VECTOR);
    bool ok = smp_wait(cpu);
    gt_line("sipi.%u: exit %lx qualification %lx, %s", cpu, last, qualification,
            ok ? "goes on" : "is lost");
    return ok;
}

TEST_MAIN(smp_init)
{
    if (!smp_begin(4))
        return;
    for (unsigned cpu = 1; cpu < smp_count; cpu++) {
        if (!smp_start(cpu, 0)) {
            gt_fail("cpu %u did not come up", cpu);
            return;
        }
        if (!storm_in_l2(cpu) || !wait_for_sipi(cpu))
            break;
        in_root_operation(cpu);
    }
    smp_end();
}
