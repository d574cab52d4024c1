/* SPDX-License-Identifier: BSD-2-Clause */
/* Three processors run L2 in one EPT12 while the fourth changes an entry of it and asks each, by an
 * interrupt, to execute INVEPT. From a processor's INVEPT on, its L2 sees what EPT12 said then or
 * says later, never what it said before. And one processor that is not asked goes on all the same.
 * SDM 3C 29.4.3.4 "Guidelines for Use of the INVEPT Instruction" */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/msr.h"

enum {
    ROUNDS = 200,
    PAGES = 4,
    EXTERNAL = 1,
    VMCALL = 18,
    RWX = 7,
    PROBE = 0x40000000,
    MT_WB_EPT = 6 << 3
};

static u64 *pml4, *leaf;
static u8 *page[PAGES];
static volatile u64 wanted; /* the round that EPT12 now shows */
static volatile u64 stop;
static struct {
    volatile u64 acked, stale, reads, bad, entered;
} cpu_of[SMP_MAX];

/* The first 4 GiB at themselves, but for the probe: one page that changes. */
static void build_ept12(void)
{
    u64 *pdpt = gt_pages(1), *pd = gt_pages(1), *pt = gt_pages(1);
    pml4 = gt_pages(1);
    pml4[0] = (u64)pdpt | RWX;
    for (u64 i = 0; i < 4; i++)
        pdpt[i] = i << 30 | RWX | MT_WB_EPT | 0x80;
    for (u64 i = 0; i < 512; i++)
        pd[i] = (PROBE + (i << 21)) | RWX | MT_WB_EPT | 0x80;
    pdpt[PROBE >> 30] = (u64)pd | RWX;
    pd[0] = (u64)pt | RWX;
    for (u64 i = 0; i < 512; i++)
        pt[i] = (PROBE + (i << 12)) | RWX | MT_WB_EPT;
    leaf = &pt[0];
    for (u64 i = 0; i < PAGES; i++) {
        page[i] = gt_pages(1);
        *(volatile u64 *)page[i] = i;
    }
    *leaf = (u64)page[0] | RWX | MT_WB_EPT;
}

/* L2 finds its processor by GS: struct smp_counts l2 lies in struct smp_cpu. */
static void look(void)
{
    u64 self;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(self));
    struct smp_cpu *c = (struct smp_cpu *)(self - __builtin_offsetof(struct smp_cpu, l2));
    for (;;) {
        u64 oldest = cpu_of[c->number].acked;
        u64 seen = *(const volatile u64 *)PROBE;
        u64 newest = wanted;
        bool fits = false;
        for (u64 r = oldest; r <= newest && r < oldest + PAGES; r++)
            fits |= seen == r % PAGES;
        cpu_of[c->number].stale += !fits;
        cpu_of[c->number].reads++;
        if (cpu_of[c->number].reads % 64 == 0)
            smp_vmcall();
    }
}

static void invept(void)
{
    struct {
        u64 eptp, zero;
    } d = {(u64)pml4 | 0x1e, 0};
    __asm__ volatile("invept %0, %1" : : "m"(d), "r"(1ul) : "memory", "cc");
}

static void run_l2(struct smp_cpu *c, u64 asked)
{
    unsigned n = c->number;
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, look);
    vmx_vmwrite(V_PROC_CTL, vmx_get(V_PROC_CTL) | PROC_SECONDARY);
    vmx_vmwrite(V_PROC2_CTL, PROC2_EPT);
    vmx_vmwrite(V_EPT_POINTER, (u64)pml4 | 0x1e);
    vmx_vmwrite(V_GUEST_RFLAGS, 0x202);
    while (!stop) {
        u64 reason = smp_enter(c);
        cpu_of[n].entered++;
        if (reason == EXTERNAL) {
            gt_apic_write(GT_APIC_EOI, 0);
            if (asked) {
                u64 round = wanted;
                invept();
                cpu_of[n].acked = round;
            }
        } else if (reason == VMCALL) {
            vmx_vmwrite(V_GUEST_RIP, vmx_get(V_GUEST_RIP) + vmx_get(V_EXIT_INSN_LEN));
        } else {
            cpu_of[n].bad = reason;
            break;
        }
    }
    smp_vmx_off(c);
}

static bool change(u64 round)
{
    bool ok = true;
    wanted = round; /* L2 may see the new page from here on */
    *(volatile u64 *)leaf = (u64)page[round % PAGES] | RWX | MT_WB_EPT;
    for (unsigned n = 1; n < smp_count; n++)
        smp_ipi(n, GT_APIC_FIXED | GT_APIC_ASSERT | SMP_VECTOR);
    for (unsigned n = 1; n + 1 < smp_count; n++)
        ok &=
            smp_until(&cpu_of[n].acked, round) && smp_until(&cpu_of[n].reads, cpu_of[n].reads + 4);
    return ok;
}

TEST_MAIN(smp_ept)
{
    bool ok = true;
    if (!smp_begin(4))
        return;
    build_ept12();
    for (unsigned n = 1; n < smp_count; n++)
        ok &= smp_start(n, 0);
    for (unsigned n = 1; n < smp_count; n++)
        smp_call(n, run_l2, n + 1 < smp_count); /* the last one is never asked to INVEPT */
    for (unsigned n = 1; n < smp_count; n++)
        ok &= smp_until(&cpu_of[n].reads, 100);
    u64 done = 0;
    while (ok && done < ROUNDS)
        ok = change(++done);
    stop = 1;
    for (unsigned n = 1; n < smp_count; n++)
        ok &= smp_wait(n);
    for (unsigned n = 1; n + 1 < smp_count; n++)
        gt_line("invept.%u: %lu rounds, stale %lu, bad %lx, L2 %s", n, cpu_of[n].acked,
                cpu_of[n].stale, cpu_of[n].bad, cpu_of[n].reads ? "read" : "did not read");
    gt_line("without.%u: bad %lx, L2 %s", smp_count - 1, cpu_of[smp_count - 1].bad,
            cpu_of[smp_count - 1].reads ? "read" : "did not read");
    gt_line("all: %s after %lu rounds", ok ? "done" : "not done", done);
    smp_end();
}
