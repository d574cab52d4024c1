/* SPDX-License-Identifier: BSD-2-Clause */
/* All processors run an L2 at once and send each other interrupts and NMIs, one at a time. None may
 * be lost, none may come twice, whichever level the receiver is in. Then a VMCS goes round: VMCLEAR
 * on one processor, VMPTRLD on the next. SDM 3C 25.11.1 "Software Use of Virtual-Machine Control
 * Structures" */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"

enum { ROUNDS = 100, HOPS = 2000, NMI_EXIT = 0, EXTERNAL = 1, VMCALL = 18, CPUS = 4 };

static struct {
    volatile u64 irqs, nmis, calls, bad;
} got[SMP_MAX];
static volatile u64 meet, finished;
static u8 *ring;
static volatile u64 turn, ring_bad, ring_value;

static void calls(void)
{
    for (;;)
        smp_vmcall();
}

static void handle(struct smp_cpu *c, u64 reason)
{
    u64 info = vmx_get(V_EXIT_INTR_INFO);
    if (reason == EXTERNAL) {
        got[c->number].irqs++;
        got[c->number].bad += (info & 0xff) != SMP_VECTOR;
        gt_apic_write(GT_APIC_EOI, 0);
    } else if (reason == NMI_EXIT && (info & 0x7ff) == (INTR_NMI | 2)) {
        got[c->number].nmis++;
        smp_unblock_nmis();
    } else if (reason == VMCALL) {
        got[c->number].calls++;
        smp_advance();
    } else {
        got[c->number].bad++;
    }
}

static u64 total(unsigned n, bool nmi)
{
    return nmi ? got[n].nmis + smp_cpu[n].l1.nmis : got[n].irqs;
}

/* Sends the next event when the last one has come, and runs L2 meanwhile. */
static void work(struct smp_cpu *c, u64 arg)
{
    unsigned next = (c->number + 1) % smp_count;
    u64 sent = 0, nmis = 0;
    (void)arg;
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, calls);
    vmx_vmwrite(V_GUEST_RFLAGS, 0x202); /* some emulators exit only then */
    smp_barrier(&meet, smp_count);
    bool last = false;
    for (u64 i = 0; i < 20000 && finished < smp_count; i++) {
        if (sent < ROUNDS && total(next, false) == sent) {
            sent++;
            smp_ipi(next, GT_APIC_FIXED | GT_APIC_ASSERT | SMP_VECTOR);
        }
        if (nmis < ROUNDS && total(next, true) == nmis) {
            nmis++;
            smp_ipi(next, GT_APIC_NMI | GT_APIC_ASSERT);
        }
        handle(c, smp_enter(c));
        if (!last && total(c->number, false) >= ROUNDS && total(c->number, true) >= ROUNDS &&
            got[c->number].calls >= ROUNDS) {
            last = true;
            __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
        }
    }
    smp_vmx_off(c);
}

/* ---- the ring ---- */

static void count_up(void)
{
    for (;;) {
        ring_value++;
        smp_vmcall();
    }
}

static void hop(struct smp_cpu *c, u64 hop_number)
{
    if (vmx_vmptrld((u64)ring) != VMX_OK)
        ring_bad++;
    c->launched = false;
    ring_bad += vmx_get(V_TSC_OFFSET) != hop_number;
    ring_bad += vmx_get(V_GUEST_SYSENTER_EIP) != 0x1000 + hop_number;
    ring_bad += vmx_get(V_GUEST_ES_LIMIT) != 0xffffffff;
    /* HOST_GS_BASE and HOST_RSP are each processor's */
    vmx_vmwrite(V_HOST_GS_BASE, (u64)&c->l1);
    vmx_vmwrite(V_GUEST_GS_BASE, (u64)&c->l2);
    u64 before = ring_value;
    /* RAX and RBX of L2 may be in use: general registers do not travel in a VMCS */
    struct smp_cpu *owner = &smp_cpu[0];
    if (c != owner)
        CopyMem(c->gpr, owner->gpr, sizeof c->gpr);
    ring_bad += smp_enter(c) != VMCALL || ring_value != before + 1;
    if (c != owner)
        CopyMem(owner->gpr, c->gpr, sizeof c->gpr);
    smp_advance();
    ring_bad += smp_enter(c) != VMCALL; /* launched: VMRESUME */
    smp_advance();
    if (c != owner)
        CopyMem(owner->gpr, c->gpr, sizeof c->gpr);
    vmx_vmwrite(V_TSC_OFFSET, hop_number + 1);
    vmx_vmwrite(V_GUEST_SYSENTER_EIP, 0x1000 + hop_number + 1);
    ring_bad += vmx_vmclear((u64)ring) != VMX_OK;
}

static void go_round(struct smp_cpu *c, u64 hops)
{
    if (!smp_vmx_on(c))
        return;
    if (c->number == 0) {
        smp_vmcs(c, ring, count_up);
        vmx_vmwrite(V_TSC_OFFSET, 0);
        vmx_vmwrite(V_GUEST_SYSENTER_EIP, 0x1000);
        vmx_vmclear((u64)ring);
    }
    smp_barrier(&meet, smp_count);
    smp_take_turns(c, &turn, hops, hop);
    smp_vmx_off(c);
}

TEST_MAIN(smp_l2)
{
    if (!smp_begin_all(CPUS))
        return;
    ring = gt_pages(1);
    gt_device_take(); /* no interrupt but ours on the bootstrap processor */
    gt_sti_nop_cli();
    bool ok = smp_all(work, 0);
    gt_device_give();
    for (unsigned n = 0; n < smp_count; n++)
        gt_line("events.%u: interrupts %lu, NMIs %lu, bad %lu, L2 %s", n, got[n].irqs,
                total(n, true), got[n].bad, got[n].calls ? "ran" : "did not run");
    gt_line("events: %s", ok ? "all done" : "not done");
    u64 hops = vmx_option("hops", HOPS);
    ok = smp_all(go_round, hops);
    gt_line("ring: %s, bad %lu, L2 counted %s", ok ? "done" : "not done", ring_bad,
            ring_value == 2 * hops ? "each entry" : "otherwise");
    smp_end();
}
