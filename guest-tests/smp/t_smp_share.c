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

enum { ENTRIES = 300, TOGGLES = 10, DEF_TYPE_E = 1 << 11 };

static u8 *io_a, *io_b, *msr_map, *load_list, *store_list, *vapic, *other_vmcs;
static volatile u64 running, meet, entries[SMP_MAX], strange[SMP_MAX];

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
    vmx_vmwrite(V_ENTRY_MSR_LOAD_COUNT, 4);
    vmx_vmwrite(V_EXIT_MSR_STORE_ADDR, (u64)store_list);
    vmx_vmwrite(V_EXIT_MSR_STORE_COUNT, 0);
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

/* Only MSRs that an entry may load; sometimes one that it may not, so that the entry fails. */
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
    ((volatile u64 *)smp_cpu[1].vmxon)[1 + r % 511] = r;
    ((volatile u64 *)other_vmcs)[1 + r % 511] = r;
}

static void shared_structures(void)
{
    bool ok = true;
    for (u64 i = 0; i < 4; i++)
        ((u64 *)load_list)[2 * i] = MSR_IA32_SYSENTER_CS;
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

/* Two processors with one VMCS current: the SDM says only that software must not. */
static void same_vmcs(struct smp_cpu *c, u64 count)
{
    if (!smp_vmx_on(c))
        return;
    if (c->number == 1)
        smp_vmcs(c, other_vmcs, busy);
    smp_barrier(&meet, smp_count - 1);
    c->launched = false;
    vmx_vmptrld((u64)other_vmcs);
    for (u64 i = 0; i < count; i++) {
        vmx_vmwrite(V_HOST_GS_BASE, (u64)&c->l1);
        vmx_vmwrite(V_GUEST_RIP, (u64)busy);
        vmx_vmwrite(V_EXCEPTION_BITMAP, i);
        entries[c->number] += vmx_get(V_EXCEPTION_BITMAP) == i;
        if (i % 16 == 15) {
            vmx_vmclear((u64)other_vmcs);
            vmx_vmptrld((u64)other_vmcs);
        }
    }
    smp_vmx_off(c);
}

static void one_vmcs_on_several(void)
{
    bool ok = true;
    meet = 0;
    for (unsigned n = 1; n < smp_count; n++)
        smp_call(n, same_vmcs, 200);
    for (unsigned n = 1; n < smp_count; n++)
        ok &= smp_wait(n);
    gt_line("same vmcs: %s", ok ? "all go on" : "one is lost");
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

TEST_MAIN(smp_share)
{
    bool ok = true;
    if (!smp_begin(4))
        return;
    u8 **pages[] = {&io_a, &io_b, &msr_map, &load_list, &store_list, &vapic, &other_vmcs};
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++)
        *pages[i] = gt_pages(1);
    for (unsigned n = 1; n < smp_count; n++)
        ok &= smp_start(n, 0);
    gt_check(ok, "not all came up");
    shared_structures();
    if (gt_under_nidus())
        one_vmcs_on_several();
    else
        gt_line("same vmcs: all go on"); /* a bare processor may do anything */
    meet = 0;
    for (unsigned n = 0; n < smp_count; n++)
        entries[n] = strange[n] = 0;
    ok = smp_all(rendezvous, TOGGLES);
    for (unsigned n = 0; n < smp_count; n++)
        gt_line("rendezvous.%u: %lu, wrong %lu", n, entries[n], strange[n]);
    gt_line("rendezvous: %s", ok ? "all go on" : "one is lost");
    smp_end();
}
