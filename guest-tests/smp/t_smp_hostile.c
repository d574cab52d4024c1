/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processors that write, at any time, what another one's VMX instructions, entries and exits read:
 * EPT12 at every level, the bitmaps, the MSR areas, the virtual-APIC page, a shadow VMCS, the EPTP
 * list, the #VE area, page tables of L2 and operands in memory; under Nidus also the page of the
 * VMCS that is active, which nobody there reads before VMPTRLD. Every outcome that the SDM allows
 * is right, and which it is depends on time. So only this is recorded: that nobody stops, that L1
 * finds its own state behind each exit, and that nothing else is told. SDM 3C 25.11.1 "Software Use
 * of Virtual-Machine Control Structures"
 */
#include "guest-tests/lib/gt_attack.h"
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/msr.h"

enum { ROUNDS = 1500, ANEW = 50, LOG_LEAF = 0x40000004 };
enum { RWX = ATTACK_RWX, WB = ATTACK_WB, LARGE = ATTACK_LARGE, LIST = ATTACK_LIST };
enum { VIOLATION = 48, MISCONFIG = 49, VMFUNC = 59, BELOW_TPR = 43 };
enum { ENTRY_GUEST = 33, ENTRY_MSR = 34 };
#define PROBE 0x8000000000ul /* guest-physical: the second entry of the PML4 */

static struct victim victim[SMP_MAX];
static u32 revision;
static bool nidus;
static volatile u64 stop;
static unsigned runners;

static void build(struct victim *v, unsigned n)
{
    u64 *low = gt_pages(1);

    for (unsigned i = 0; i < 2; i++) {
        v->pml4[i] = gt_pages(1);
        v->frame[i] = gt_pages(1);
    }
    v->pdpt = gt_pages(1);
    v->pd = gt_pages(1);
    v->pt = gt_pages(1);
    for (u64 i = 0; i < 4; i++)
        low[i] = i << 30 | RWX | WB | LARGE;
    v->pml4[0][0] = v->pml4[1][0] = (u64)low | RWX;
    v->msr_bitmap = gt_pages(1);
    v->io_bitmap = gt_pages(1);
    v->vmread_bitmap = gt_pages(1);
    v->vmwrite_bitmap = gt_pages(1);
    v->vapic = gt_pages(1);
    v->ve_area = gt_pages(1);
    v->entry_load = gt_pages(1);
    v->exit_store = gt_pages(1);
    v->exit_load = gt_pages(1);
    v->eptp_list = gt_pages(1);
    v->shadow = gt_pages(1);
    v->other_vmcs = gt_pages(1);
    v->operand = gt_pages(1);
    v->probe = gt_pages(1);
    v->page = gt_pages(1);
    v->probe_pte = gt_map_page((u64)v->probe);
    *v->probe_pte = PROBE | RWX;
    v->page_pte = gt_map_page((u64)v->page);
    v->page_good = *v->page_pte;
    *(u32 *)v->other_vmcs = revision;
    v->vmcs = smp_cpu[n].vmcs;
    v->exit_store[0] = v->exit_load[0] = MSR_IA32_KERNEL_GS_BASE;
}

/* ---- the attackers --------------------------------------------------------------------------- */

static void attack(struct smp_cpu *c, u64 arg)
{
    u64 state = 0x9e3779b97f4a7c15 * (c->number + 1);

    (void)arg;
    for (unsigned i = c->number; !stop; i++)
        attack_once(&victim[1 + i % runners], &state);
}

/* ---- L2 -------------------------------------------------------------------------------------- */

static void l2_body(void)
{
    struct victim *v = &victim[smp_of_l2()->number];
    u64 a, b;

    for (u64 i = 1;; i++) {
        a = v->probe[0];
        v->probe[8] = i;
        gt_wrmsr(MSR_IA32_KERNEL_GS_BASE, i);
        a += gt_rdmsr(MSR_IA32_KERNEL_GS_BASE) + gt_rdmsr(MSR_IA32_PAT);
        __asm__ volatile("outb %%al, $0x80" : : "a"((u8)i));
        __asm__ volatile("vmread %1, %0" : "=m"(*v->page) : "r"((u64)V_GUEST_RSP) : "cc");
        __asm__ volatile("vmwrite %0, %1" : : "m"(v->page[1]), "r"((u64)V_GUEST_RIP) : "cc");
        __asm__ volatile(".byte 0x0f, 0x01, 0xd4" : : "a"(0), "c"(i & 3) : "memory");
        __asm__ volatile("mov %%cr8, %0\n\tmov %1, %%cr8" : "=&r"(b) : "r"(i & 15));
        v->page[2] = a + b;
        smp_vmcall();
    }
}

/* ---- L1 -------------------------------------------------------------------------------------- */

/* What an exit loads, in one word. */
static u64 own_state(void)
{
    u64 state[] = {gt_read_cr0(),
                   gt_read_cr3(),
                   gt_read_cr4(),
                   gt_rdmsr(MSR_IA32_EFER),
                   gt_rdmsr(MSR_IA32_GS_BASE),
                   gt_read_dr7()},
        sum = 0;

    for (unsigned i = 0; i < sizeof state / sizeof *state; i++)
        sum = (sum ^ state[i]) * 0x100000001b3;
    return sum;
}

static void repair(struct victim *v)
{
    *(volatile u64 *)v->pt = attack_leaf(v, 0);
    *(volatile u64 *)v->pd = (u64)v->pt | RWX;
    *(volatile u64 *)v->pdpt = (u64)v->pd | RWX;
    for (unsigned i = 0; i < 2; i++)
        ((volatile u64 *)v->pml4[i])[1] = (u64)v->pdpt | RWX;
    *(volatile u64 *)v->page_pte = v->page_good;
    *(volatile u32 *)v->shadow = revision | 1u << 31;
    *(volatile u32 *)(v->vapic + 0x80) = 0xf0;
    *(volatile u32 *)(v->ve_area + 4) = 0;
    for (unsigned i = 0; i < LIST; i++) {
        v->entry_load[2 * i] = MSR_IA32_KERNEL_GS_BASE;
        v->entry_load[2 * i + 1] = i;
    }
}

/* An attacker may have written any field into the page before VMPTRLD read it. */
static void vmcs_anew(struct smp_cpu *c, struct victim *v)
{
    static const u32 zero[] = {V_PF_ERROR_MASK, V_PF_ERROR_MATCH, V_CR3_TARGET_COUNT,
                               V_TSC_OFFSET,    V_CR0_MASK,       V_CR4_MASK};
    u64 lists = v->anew & 1;
    u32 want2 = PROC2_EPT | PROC2_VPID | PROC2_VMFUNC | PROC2_SHADOW | PROC2_EPT_VE;

    (void)vmx_vmclear((u64)c->vmcs);
    v->page_is_idle = nidus && v->anew % 8 == 7; /* then VMPTRLD reads what attackers wrote */
    if (nidus)
        SetMem(c->vmcs, 4096, 0);
    smp_vmcs(c, c->vmcs, l2_body);
    v->page_is_idle = nidus;
    for (unsigned i = 0; i < sizeof zero / sizeof *zero; i++)
        vmx_vmwrite(zero[i], 0);
    const struct {
        u32 field;
        u64 value;
    } own[] = {
        /* clang-format off */
        {V_PROC_CTL, vmx_get(V_PROC_CTL) | PROC_SECONDARY | PROC_MSR_BITMAPS | PROC_IO_BITMAPS |
                     PROC_TPR_SHADOW},
        {V_PROC2_CTL, want2 & (u32)(gt_rdmsr(MSR_VMX_PROC2) >> 32)},
        {V_EPT_POINTER, (u64)v->pml4[0] | ATTACK_EPTP}, {V_EPTP_LIST_ADDR, (u64)v->eptp_list},
        {V_VM_FUNCTION_CTL, 1}, {V_VPID, 1 + c->number}, {V_TPR_THRESHOLD, 4},
        {V_VIRT_EXCEPTION_INFO, (u64)v->ve_area}, {V_VMCS_LINK_PTR, (u64)v->shadow},
        {V_VMREAD_BITMAP, (u64)v->vmread_bitmap}, {V_VMWRITE_BITMAP, (u64)v->vmwrite_bitmap},
        {V_MSR_BITMAP, (u64)v->msr_bitmap}, {V_VIRTUAL_APIC_ADDR, (u64)v->vapic},
        {V_IO_BITMAP_A, (u64)v->io_bitmap}, {V_IO_BITMAP_B, (u64)v->io_bitmap},
        {V_ENTRY_MSR_LOAD_ADDR, (u64)v->entry_load}, {V_ENTRY_MSR_LOAD_COUNT, lists * LIST},
        {V_EXIT_MSR_STORE_ADDR, (u64)v->exit_store}, {V_EXIT_MSR_STORE_COUNT, lists},
        {V_EXIT_MSR_LOAD_ADDR, (u64)v->exit_load}, {V_EXIT_MSR_LOAD_COUNT, lists},
        /* clang-format on */
    };
    for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
        vmx_vmwrite(own[i].field, own[i].value);
    v->anew++;
}

/* Instructions of L1 whose operands change under them. Whatever VMCS one of them loaded is left. */
static void operands(struct smp_cpu *c, const struct victim *v, u64 i)
{
    const u64 *at = v->operand + (i & 3) * 2;
    u64 value = i;

    __asm__ volatile("vmptrld %0" : : "m"(*at) : "cc", "memory");
    __asm__ volatile("vmwrite %0, %1" : : "m"(*at), "r"((u64)V_TSC_OFFSET) : "cc", "memory");
    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((u64)V_TSC_OFFSET) : "cc");
    __asm__ volatile("invept %0, %1" : : "m"(*at), "r"(1 + (i & 1)) : "cc", "memory");
    __asm__ volatile("invvpid %0, %1" : : "m"(*at), "r"(i & 3) : "cc", "memory");
    if (*(const volatile u64 *)at == (u64)v->other_vmcs)
        (void)vmx_vmclear((u64)v->other_vmcs);
    (void)vmx_vmptrld((u64)c->vmcs);
    (void)vmx_vmwrite(V_TSC_OFFSET, 0);
}

/* Goes on behind an exit; false when it is none that this L2 can have. */
static bool answer(struct victim *v, u64 reason)
{
    u64 info = vmx_get(V_EXIT_INTR_INFO) & 0xff;

    if (reason == (REASON_ENTRY_FAILED | ENTRY_GUEST) ||
        reason == (REASON_ENTRY_FAILED | ENTRY_MSR)) {
        v->refused[reason & 1]++;
        repair(v);
        return true;
    }
    if (reason >= 64)
        return false;
    v->seen[reason]++;
    switch (reason) {
    case REASON_EXCEPTION:
        repair(v);
        return info == 14 || info == 20;
    case VIOLATION:
    case MISCONFIG:
        repair(v);
        return true;
    case BELOW_TPR:
        return true;
    case REASON_VMCALL:
    case VMFUNC:
    case 23: /* VMREAD, VMWRITE */
    case 25:
    case 30: /* I/O, RDMSR, WRMSR */
    case 31:
    case 32:
        smp_advance();
        return true;
    default:
        return false;
    }
}

static void run(struct smp_cpu *c, u64 arg)
{
    struct victim *v = &victim[c->number];
    u64 own;

    (void)arg;
    if (!smp_vmx_on(c))
        return;
    own = own_state();
    repair(v);
    for (u64 i = 0; i < ROUNDS && !v->bad; i++) {
        u64 reason;

        if (i % ANEW == 0)
            vmcs_anew(c, v);
        if (i % 7 == 0)
            operands(c, v, i);
        reason = smp_enter(c);
        v->lost += own_state() != own;
        if (reason >> 32) { /* the TPR, or what an attacker left in the page */
            v->failed++;
            repair(v);
            vmcs_anew(c, v);
        } else if (!answer(v, reason)) {
            v->bad = reason << 8 | (vmx_get(V_EXIT_INTR_INFO) & 0xff) | 1ul << 63;
        }
    }
    v->page_is_idle = false;
    smp_vmx_off(c);
}

static void tell(unsigned n)
{
    const struct victim *v = &victim[n];
    const struct smp_cpu *c = &smp_cpu[n];
    bool met = v->seen[VIOLATION] + v->seen[MISCONFIG] && v->seen[REASON_VMCALL] && v->refused[0];

    gt_line("runner %u: bad %lx, faults %lx %lx, L1's state lost %lu times, attacks %s", n, v->bad,
            c->l1.fault, c->l2.fault, v->lost, met ? "met" : "missed");
}

/* L0's log, as CPUID shows it: nothing that L1 does is a bug of L0's. */
static bool log_tells_a_bug(void)
{
    static const char word[] = "bug: ";
    struct gt_cpuid r = gt_cpuid(LOG_LEAF, 0);
    unsigned found = 0;

    for (u32 i = 0; i < r.eax / 16; i++) {
        struct gt_cpuid part = gt_cpuid(LOG_LEAF, 1 + i);
        u32 text[4] = {part.eax, part.ebx, part.ecx, part.edx};

        for (unsigned k = 0; k < 16 && found < 5; k++) {
            char c = (char)(text[k / 4] >> k % 4 * 8);
            found = c == word[found] ? found + 1 : c == word[0];
        }
    }
    return found == 5;
}

static bool all_done(void)
{
    for (unsigned n = 1; n <= runners; n++)
        if (!smp_cpu[n].done && !smp_cpu[n].l1.fault)
            return false;
    return true;
}

/* The first processor attacks too, and so do those beyond the runners. */
TEST_MAIN(smp_hostile)
{
    u64 state = 1;

    gt_map_load();
    nidus = gt_under_nidus();
    revision = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    if (!smp_begin_all(0))
        return;
    runners = smp_count > 3 ? 2 : 1;
    for (unsigned n = 1; n <= runners; n++)
        build(&victim[n], n);
    for (unsigned n = 1; n < smp_count; n++)
        smp_call(n, n <= runners ? run : attack, 0);
    for (unsigned i = 0; !all_done(); i++)
        attack_once(&victim[1 + i % runners], &state);
    stop = 1;
    for (unsigned n = 1; n <= runners; n++)
        tell(n);
    for (unsigned n = runners + 1; n < smp_count; n++)
        smp_wait(n);
    gt_check(!nidus || !log_tells_a_bug(), "the log tells of a bug");
    smp_end();
}
