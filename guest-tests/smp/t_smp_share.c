/* SPDX-License-Identifier: BSD-2-Clause */
/* What an L1 may share between processors and L0 must bear: bitmaps, MSR areas, a virtual-APIC
 * page, a VMXON region and VMCS pages that one processor scribbles on while others enter L2 with
 * them; and the change of memory types by all processors together, as operating systems do it. SDM
 * 3A 11.11.8 "MTRR Considerations in MP Systems" */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/msr.h"

enum {
    ENTRIES = 300,
    TOGGLES = 10,
    LISTED = 4,
    SAME = 200,
    MSR_READ = 31,
    WRMSR_EXIT = 32,
    DEF_TYPE_E = 1 << 11
};

static u8 *io_a, *io_b, *msr_map, *load_list, *store_list, *exit_list, *vapic, *other_vmcs;
static volatile u64 running, meet, entries[SMP_MAX], strange[SMP_MAX];

static void forget(void)
{
    meet = 0;
    for (unsigned n = 0; n < smp_count; n++)
        entries[n] = strange[n] = 0;
}

static void busy(void)
{
    for (;;) {
        u64 v = gt_rdmsr(MSR_IA32_SYSENTER_CS);
        gt_outb(0x80, (u8)v);
        gt_cpuid(0, 0);
    }
}

/* Every exit that such an L2 may make; an entry that its MSR area makes fail is one of them. */
static bool expected(u64 reason)
{
    static const u16 may[] = {0, 1, 10, 18, 30, 31, 43, 44, 56};
    if (reason >> 32 || reason & 1ul << 31)
        return true;
    for (unsigned i = 0; i < sizeof may / sizeof *may; i++)
        if (reason == may[i])
            return true;
    return false;
}

static void enter_with_shared(struct smp_cpu *c, u64 count)
{
    unsigned n = c->number;
    if (!smp_vmx_on(c))
        return;
    smp_vmcs(c, c->vmcs, busy);
    vmx_vmwrite(V_PROC_CTL,
                vmx_get(V_PROC_CTL) | PROC_IO_BITMAPS | PROC_MSR_BITMAPS | PROC_TPR_SHADOW);
    vmx_vmwrite(V_IO_BITMAP_A, (u64)io_a);
    vmx_vmwrite(V_IO_BITMAP_B, (u64)io_b);
    vmx_vmwrite(V_MSR_BITMAP, (u64)msr_map);
    vmx_vmwrite(V_VIRTUAL_APIC_ADDR, (u64)vapic);
    vmx_vmwrite(V_ENTRY_MSR_LOAD_ADDR, (u64)load_list);
    vmx_vmwrite(V_ENTRY_MSR_LOAD_COUNT, LISTED);
    vmx_vmwrite(V_EXIT_MSR_STORE_ADDR, (u64)store_list);
    vmx_vmwrite(V_EXIT_MSR_STORE_COUNT, LISTED);
    vmx_vmwrite(V_EXIT_MSR_LOAD_ADDR, (u64)exit_list);
    vmx_vmwrite(V_EXIT_MSR_LOAD_COUNT, LISTED);
    for (u64 i = 0; i < count; i++) {
        u64 reason = smp_enter(c);
        entries[n]++;
        strange[n] += !expected(reason);
        if (!(reason >> 31))
            vmx_vmwrite(V_GUEST_RIP, (u64)busy);
    }
    smp_vmx_off(c);
    __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
}

/* Only MSRs that an entry may load; sometimes one that it may not, so that the entry fails. What an
 * exit stores and loads is always possible: it would end L1's processor otherwise. */
static void scribble(void)
{
    static const u32 msr[] = {MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
                              MSR_IA32_FS_BASE};
    u64 r = gt_rand();
    ((volatile u64 *)msr_map)[r % 512] = r & 1 ? 0 : ~0ul;
    ((volatile u64 *)io_a)[r >> 16 & 511] = r & 2 ? 0 : ~0ul;
    ((volatile u64 *)io_b)[r >> 16 & 511] = r & 4 ? 0 : ~0ul;
    ((volatile u64 *)vapic)[r >> 32 & 511] = 0;
    ((volatile u64 *)load_list)[2 * (r >> 8 & 3)] = r & 3 ? msr[r >> 10 & 3] : 2;
    ((volatile u64 *)load_list)[2 * (r >> 8 & 3) + 1] = 0x1000 + (r >> 20 & 0xff);
    ((volatile u64 *)store_list)[2 * (r >> 12 & 3)] = msr[r >> 14 & 3];
    ((volatile u64 *)exit_list)[2 * (r >> 40 & 3)] = msr[(r >> 50) % 3]; /* no FS base */
    ((volatile u64 *)exit_list)[2 * (r >> 44 & 3) + 1] = 0x1000 + (r >> 46 & 0xff);
    ((volatile u64 *)smp_cpu[1].vmxon)[1 + r % 511] = r;
    ((volatile u64 *)other_vmcs)[1 + r % 511] = r;
}

static void shared_structures(void)
{
    bool ok = true;
    for (u64 i = 0; i < LISTED; i++)
        ((u64 *)load_list)[2 * i] = ((u64 *)store_list)[2 * i] = ((u64 *)exit_list)[2 * i] =
            MSR_IA32_SYSENTER_CS;
    running = smp_count - 1;
    for (unsigned n = 1; n < smp_count; n++)
        smp_call(n, enter_with_shared, ENTRIES);
    for (u64 i = 0; running && i < SMP_PATIENCE; i++)
        scribble();
    for (unsigned n = 1; n < smp_count; n++)
        ok &= smp_wait(n);
    for (unsigned n = 1; n < smp_count; n++)
        gt_line("shared.%u: %lu entries, strange exits %lu", n, entries[n], strange[n]);
    gt_line("shared: %s", ok ? "all go on" : "one is lost");
}

/* All enter L2 by one VMCS, which is current on all. The SDM says that software must not, and no
 * more: so only a run under Nidus does it, nothing of it is recorded, and what is judged is that
 * each processor finds its own last VMWRITE and goes on. */
static void same_vmcs(struct smp_cpu *c, u64 count)
{
    if (!smp_vmx_on(c))
        return;
    if (c->number == 1) {
        smp_vmcs(c, other_vmcs, busy);
        vmx_vmclear((u64)other_vmcs);
    }
    smp_barrier(&meet, smp_count - 1);
    c->launched = false;
    vmx_vmptrld((u64)other_vmcs);
    for (u64 i = 0; i < count; i++) {
        vmx_vmwrite(V_HOST_GS_BASE, (u64)&c->l1);
        vmx_vmwrite(V_GUEST_GS_BASE, (u64)&c->l2);
        vmx_vmwrite(V_GUEST_RIP, (u64)busy);
        vmx_vmwrite(V_GUEST_RSP, (u64)c->l2_stack - 8);
        vmx_vmwrite(V_TSC_OFFSET, i << 8 | c->number);
        entries[c->number] += smp_enter(c) == MSR_READ;
        strange[c->number] += vmx_get(V_TSC_OFFSET) != (i << 8 | c->number);
        if (i % 16 == 15) {
            vmx_vmclear((u64)other_vmcs);
            vmx_vmptrld((u64)other_vmcs);
            c->launched = false;
        }
    }
    smp_vmx_off(c);
}

static void one_vmcs_on_several(void)
{
    bool ok = true;
    forget();
    SetMem(other_vmcs, 4096, 0); /* scribble() was there */
    for (unsigned n = 1; n < smp_count; n++)
        smp_call(n, same_vmcs, SAME);
    for (unsigned n = 1; n < smp_count; n++)
        ok &= smp_wait(n);
    gt_check(ok, "same vmcs: one is lost");
    for (unsigned n = 1; n < smp_count; n++)
        gt_check(entries[n] == SAME && strange[n] == 0, "same vmcs.%u: %lu entries, %lu foreign", n,
                 entries[n], strange[n]);
}

/* Nidus counts each processor's exits apart. */
static u64 wrmsr_exits(void)
{
    struct gt_cpuid r = gt_cpuid(0x40000002, WRMSR_EXIT);

    return r.eax | (u64)r.edx << 32;
}

static void write_and_count(struct smp_cpu *c, u64 times)
{
    u64 def = gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE), before = wrmsr_exits();

    for (u64 i = 0; i < times + c->number; i++)
        gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, def);
    entries[c->number] = wrmsr_exits() - before;
}

static void own_counts(void)
{
    gt_check(smp_all(write_and_count, SAME), "counts: one is lost");
    for (unsigned n = 0; n < smp_count; n++)
        gt_check(entries[n] == SAME + n, "counts.%u: %lu exits by WRMSR of %u", n, entries[n],
                 SAME + n);
}

/* All with interrupts and caches off, MTRRs off, on again, together. */
static void rendezvous(struct smp_cpu *c, u64 times)
{
    u64 def = gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE);
    for (u64 i = 0; i < times; i++) {
        smp_barrier(&meet, smp_count);
        u64 cr0 = gt_read_cr0();
        gt_write_cr0(cr0 | 1ul << 30);
        __asm__ volatile("wbinvd" : : : "memory");
        gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, def & ~(u64)DEF_TYPE_E);
        strange[c->number] += gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE) != (def & ~(u64)DEF_TYPE_E);
        smp_barrier(&meet, smp_count);
        gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, def);
        strange[c->number] += gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE) != def;
        gt_write_cr0(cr0);
        smp_barrier(&meet, smp_count);
        entries[c->number]++;
    }
}

/* A processor's MTRRs are its own, whatever the others write meanwhile. */
static void own_mtrr(struct smp_cpu *c, u64 times)
{
    u32 last = MSR_IA32_MTRR_PHYSBASE0 + 2 * (u32)((gt_rdmsr(MSR_IA32_MTRRCAP) & MTRRCAP_VCNT) - 1);
    u64 was = gt_rdmsr(last);

    for (u64 i = 0; i < times; i++) {
        u64 mine = (u64)(c->number + 1) << 24 | (i & 1) << 20;
        smp_barrier(&meet, smp_count);
        gt_wrmsr(last, mine);
        smp_barrier(&meet, smp_count);
        strange[c->number] += gt_rdmsr(last) != mine;
        entries[c->number]++;
    }
    gt_wrmsr(last, was);
}

TEST_MAIN(smp_share)
{
    if (!smp_begin_all(4))
        return;
    u8 **pages[] = {&io_a,       &io_b,      &msr_map, &load_list,
                    &store_list, &exit_list, &vapic,   &other_vmcs};
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++)
        *pages[i] = gt_pages(1);
    shared_structures();
    if (gt_under_nidus()) {
        one_vmcs_on_several();
        own_counts();
    }
    forget();
    bool ok = smp_all(rendezvous, TOGGLES);
    for (unsigned n = 0; n < smp_count; n++)
        gt_line("rendezvous.%u: %lu, wrong %lu", n, entries[n], strange[n]);
    gt_line("rendezvous: %s", ok ? "all go on" : "one is lost");
    forget();
    ok = smp_all(own_mtrr, TOGGLES);
    for (unsigned n = 0; n < smp_count; n++)
        gt_line("mtrr.%u: %lu, wrong %lu", n, entries[n], strange[n]);
    gt_line("mtrr: %s", ok ? "all go on" : "one is lost");
    smp_end();
}
