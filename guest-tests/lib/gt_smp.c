/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds processors, brings them up, gives them work. Contract in gt_smp.h. */
#include "guest-tests/lib/gt_smp.h"
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_mp.h"
#include "guest-tests/lib/gt_cpu.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

extern u8 smp_trampoline[], smp_trampoline_end[], smp_trampoline_words[] GT_HIDDEN;
extern u8 smp_faults[] GT_HIDDEN;
void smp_nmi(void) GT_HIDDEN;
void smp_irq(void) GT_HIDDEN;

enum { STACK_PAGES = 4, TRAMPOLINES = 2, ANYWHERE = TRAMPOLINES };

struct smp_cpu smp_cpu[SMP_MAX];
unsigned smp_count;
static u8 *page[TRAMPOLINES + 1]; /* the last one is smp_start_at's */
static u64 *idt;

/* The words of the trampoline, in gt_smp.asm's order. */
struct words {
    u16 gdt_limit;
    u32 gdt_base;
    u16 pad;
    u32 to32;
    u16 cs32, pad32;
    u32 to64;
    u16 cs64, pad64;
    u64 cr3, cpu, main;
    u16 sp16, ss16;
    u32 pad_stack;
    u32 saved[12], found[FOUND_WORDS];
} __attribute__((packed));

static struct words *words_of(unsigned which)
{
    return (struct words *)(page[which] + (smp_trampoline_words - smp_trampoline));
}

/* ---- the firmware's list ---- */

static void find(void)
{
    struct gt_mp *mp = gt_mp();
    UINTN all = 1, enabled = 1;

    smp_count = 1;
    if (mp == NULL)
        return;
    mp->count(mp, &all, &enabled);
    for (UINTN n = 1; n < enabled && n < SMP_MAX; n++) {
        u64 info[12] = {0};
        mp->info(mp, n, info);
        smp_cpu[n].apic_id = (u32)info[0];
        smp_count++;
    }
}

/* ---- tables ---- */

static void gate(unsigned vector, u64 at)
{
    idt[2 * vector] =
        (at & 0xffff) | (u64)GT_CODE64 << 16 | 0x8eul << 40 | (at >> 16 & 0xffff) << 48;
    idt[2 * vector + 1] = at >> 32;
}

static void build_idt(void)
{
    idt = gt_pages(1);
    for (unsigned v = 0; v < 32; v++)
        gate(v, (u64)smp_faults + v * 16);
    gate(2, (u64)smp_nmi);
    gate(SMP_VECTOR, (u64)smp_irq);
}

static void init_cpu(struct smp_cpu *c, unsigned number)
{
    c->number = number;
    c->stack = (u64)gt_pages(STACK_PAGES) + STACK_PAGES * 4096;
    c->l1.self = (u64)&c->l1;
    c->l2.self = (u64)&c->l2;
    c->vmxon = gt_pages(1);
    c->vmcs = gt_pages(1);
    c->l2_stack = (u8 *)gt_pages(STACK_PAGES) + STACK_PAGES * 4096;
}

bool smp_begin(unsigned wanted)
{
    gt_firmware_enter();
    find();
    gt_firmware_leave();
    if (wanted == 0)
        wanted = smp_count;
    gt_check(smp_count >= wanted, "processors: %u, wanted %u", smp_count, wanted);
    if (smp_count < wanted)
        return false;
    smp_count = wanted;
    for (unsigned i = 0; i < TRAMPOLINES; i++)
        page[i] = gt_low_pages(1);
    build_idt();
    for (unsigned i = 0; i < smp_count; i++)
        init_cpu(&smp_cpu[i], i);
    smp_cpu[0].apic_id = gt_apic_read(GT_APIC_ID) >> 24;
    gt_apic_write(GT_APIC_SVR, gt_apic_read(GT_APIC_SVR) | 0x100);
    return true;
}

/* INIT leaves each waiting for a SIPI, as far from the test's memory as can be. */
void smp_end(void)
{
    for (unsigned i = 1; i < smp_count; i++)
        smp_ipi(i, GT_APIC_INIT | GT_APIC_ASSERT | GT_APIC_LEVEL);
}

/* ---- up ---- */

void smp_ipi(unsigned cpu, u32 command)
{
    gt_apic_write(GT_APIC_ICR_HIGH, smp_cpu[cpu].apic_id << 24);
    gt_apic_write(GT_APIC_ICR, command);
}

u8 smp_vector(unsigned which)
{
    return (u8)((u64)page[which] >> 12);
}

static void load_tables(struct smp_cpu *c)
{
    struct gt_table_register r = gt_sidt();
    r.limit = 0xfff;
    r.base = (u64)idt;
    gt_lidt(r);
    gt_wrmsr(MSR_IA32_GS_BASE, (u64)&c->l1);
    gt_apic_write(GT_APIC_SVR, 0x1ff);
    gt_apic_write(GT_APIC_TPR, 0);
}

static void main_loop(struct smp_cpu *c, struct words *w)
{
    for (unsigned i = 0; i < 8; i++)
        c->first[i] = w->saved[i];
    c->first_cr0 = w->saved[8];
    c->first_flags = w->saved[9];
    c->first_cs = w->saved[10] & 0xffff;
    CopyMem(c->found, w->found, sizeof c->found);
    load_tables(c);
    c->f = NULL;
    __atomic_add_fetch(&c->alive, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        while (!c->f)
            __builtin_ia32_pause();
        c->f(c, c->arg);
        c->f = NULL;
        __atomic_add_fetch(&c->done, 1, __ATOMIC_SEQ_CST);
    }
}

static void fill_trampoline(unsigned which, struct smp_cpu *c)
{
    struct gt_table_register gdtr = gt_sgdt();
    u64 at = (u64)page[which];
    CopyMem(page[which], smp_trampoline, (UINTN)(smp_trampoline_end - smp_trampoline));
    struct words *w = words_of(which);
    w->gdt_limit = gdtr.limit;
    w->gdt_base = (u32)gdtr.base;
    w->to32 += (u32)at;
    w->to64 += (u32)at;
    w->cr3 = gt_read_cr3();
    w->cpu = (u64)c;
    w->main = (u64)main_loop;
    w->ss16 = (u16)(at >> 4);
}

static void wait_a_bit(void)
{
    for (unsigned i = 0; i < 20000; i++)
        __builtin_ia32_pause();
}

static bool sipi(unsigned cpu, unsigned which, u64 patience)
{
    struct smp_cpu *c = &smp_cpu[cpu];
    u64 before = c->alive;
    fill_trampoline(which, c);
    smp_ipi(cpu, GT_APIC_SIPI | smp_vector(which));
    for (u64 i = 0; i < patience && c->alive == before; i++)
        __builtin_ia32_pause();
    return c->alive != before;
}

bool smp_sipi(unsigned cpu, unsigned which)
{
    return sipi(cpu, which, 100000);
}

/* INIT, SIPI, SIPI, as the SDM's example has it. CAVEAT(bochs-init-waiting) */
bool smp_start(unsigned cpu, unsigned which)
{
    smp_ipi(cpu, GT_APIC_INIT | GT_APIC_ASSERT | GT_APIC_LEVEL);
    wait_a_bit();
    return sipi(cpu, which, 50000) || sipi(cpu, which, SMP_PATIENCE);
}

bool smp_start_at(unsigned cpu, u8 vector)
{
    static u8 kept[4096];
    u8 *at = (u8 *)((u64)vector << 12);
    CopyMem(kept, at, sizeof kept);
    page[ANYWHERE] = at;
    bool up = smp_start(cpu, ANYWHERE);
    CopyMem(at, kept, sizeof kept);
    return up;
}

bool smp_begin_all(unsigned wanted)
{
    if (!smp_begin(wanted))
        return false;
    for (unsigned n = 1; n < smp_count; n++) {
        if (!smp_start(n, 0)) {
            gt_fail("cpu %u did not come up", n);
            return false;
        }
    }
    return true;
}

/* ---- work ---- */

bool smp_until(const volatile u64 *word, u64 value)
{
    for (u64 i = 0; i < SMP_PATIENCE; i++) {
        if (*word >= value)
            return true;
        __builtin_ia32_pause();
    }
    return false;
}

void smp_barrier(volatile u64 *word, u64 count)
{
    u64 mine = __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
    u64 round = (mine + count - 1) / count * count;
    while (*word < round)
        __builtin_ia32_pause();
}

void smp_take_turns(struct smp_cpu *cpu, volatile u64 *turn, u64 turns,
                    void (*f)(struct smp_cpu *cpu, u64 n))
{
    for (u64 n = cpu->number; n < turns; n += smp_count) {
        while (*turn != n)
            __builtin_ia32_pause();
        f(cpu, n);
        __atomic_store_n(turn, n + 1, __ATOMIC_SEQ_CST);
    }
}

void smp_call(unsigned cpu, void (*f)(struct smp_cpu *cpu, u64 arg), u64 arg)
{
    smp_cpu[cpu].done = 0;
    smp_cpu[cpu].arg = arg;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    smp_cpu[cpu].f = f;
}

bool smp_wait(unsigned cpu)
{
    struct smp_cpu *c = &smp_cpu[cpu];
    bool ok = smp_until(&c->done, 1);
    if (!ok)
        gt_fail("cpu %u: does not answer; fault %lx error %lx at %lx, in L2 %lx error %lx at %lx",
                cpu, c->l1.fault, c->l1.fault_error, c->l1.fault_rip - (u64)main_loop, c->l2.fault,
                c->l2.fault_error, c->l2.fault_rip - (u64)main_loop);
    return ok;
}

bool smp_all(void (*f)(struct smp_cpu *cpu, u64 arg), u64 arg)
{
    struct gt_table_register old = gt_sidt();
    u64 gs = gt_rdmsr(MSR_IA32_GS_BASE);
    bool ok = true;
    for (unsigned i = 1; i < smp_count; i++)
        smp_call(i, f, arg);
    load_tables(&smp_cpu[0]);
    f(&smp_cpu[0], arg);
    gt_lidt(old);
    gt_wrmsr(MSR_IA32_GS_BASE, gs);
    for (unsigned i = 1; i < smp_count; i++)
        ok &= smp_wait(i);
    return ok;
}
