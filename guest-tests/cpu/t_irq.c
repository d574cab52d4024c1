/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts: the 8254 through the 8259, the local APIC's timer and IPIs. What is counted is
 * events, never time: each one-shot must arrive once, where IF, STI, MOV SS, TPR and priorities
 * let it. L1 owns all of this hardware; Nidus must not show.
 *
 * Right: An interrupt is taken at the first instruction boundary at which IF is 1, no STI or MOV
 * SS blocks it and its class is above the processor priority. It is taken once. SDM 3A 6.3.1
 * "External Interrupts"
 */
#include "guest-tests/lib/gt_device.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

enum {
    TIMER_VECTOR = 0x61,
    PATIENCE = 2000000, /* loop turns before an event counts as lost */
};

static volatile unsigned counts[256];
static volatile u64 last_rip;
static char order[200];
static volatile size_t order_used;

static bool on_pic(struct gt_frame *f)
{
    counts[f->vector]++;
    last_rip = f->rip;
    gt_pic_eoi();
    return true;
}

static bool on_apic(struct gt_frame *f)
{
    counts[f->vector]++;
    last_rip = f->rip;
    if (order_used < sizeof order - 8)
        order_used += gt_format(order + order_used, sizeof order - order_used, " %lx", f->vector);
    gt_apic_write(GT_APIC_EOI, 0);
    return true;
}

static bool on_nmi(struct gt_frame *f)
{
    counts[f->vector]++;
    return true;
}

static unsigned total(void)
{
    unsigned sum = 0;

    for (unsigned v = 0; v < 256; v++)
        sum += counts[v];
    return sum;
}

static void forget(void)
{
    for (unsigned v = 0; v < 256; v++)
        counts[v] = 0;
    order_used = 0;
    order[0] = 0;
}

/* Waits for the request without taking the interrupt. */
static bool wait_request(void)
{
    for (unsigned i = 0; i < PATIENCE; i++)
        if (gt_pic_requests() & 1)
            return true;
    return false;
}

/* Each one-shot is one interrupt, and HLT ends with it. SDM 3A 6.3.1 "External Interrupts" */
static void pit_one_shots(void)
{
    forget();
    gt_pic_mask(0xfffe);
    for (unsigned i = 0; i < 50; i++) {
        gt_pit_one_shot((u16)(20 + gt_rand() % 200));
        for (unsigned turn = 0; turn < PATIENCE && counts[GT_PIC_VECTOR] <= i; turn++)
            __asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
    }
    gt_line("pit one-shots: %u of 50, all vectors %u", counts[GT_PIC_VECTOR], total());
    for (unsigned i = 0; i < 50; i++) {
        gt_pit_one_shot((u16)(20 + gt_rand() % 200));
        gt_sti_hlt_cli();
    }
    gt_line("pit with hlt: %u of 100, all vectors %u", counts[GT_PIC_VECTOR], total());
}

/* Every interrupt lands among exits; 200 periodic ones are counted, then the source stops. */
static void pit_in_storm(void)
{
    unsigned seen;

    forget();
    gt_pit_periodic(100);
    gt_sti();
    for (unsigned turn = 0; turn < PATIENCE && counts[GT_PIC_VECTOR] < 200; turn++)
        gt_cpuid(0, 0);
    gt_cli();
    seen = counts[GT_PIC_VECTOR];
    gt_pit_one_shot(0);
    gt_line("pit in a cpuid storm: %s, other vectors %u",
            seen == 200 || seen == 201 ? "ok" : "lost", total() - seen);
    forget();
}

/* Where a pending interrupt is taken: places are relative to the code after IF is set. */
#define TAKEN(NAME, SETUP, CODE)                                                           \
    do {                                                                                   \
        u64 from;                                                                          \
        forget();                                                                          \
        gt_pit_one_shot(10);                                                               \
        gt_check(wait_request(), NAME ": no request");                                     \
        __asm__ volatile(SETUP "\n\tlea 1f(%%rip), %0\n1:\t" CODE "\n\tnop\n\tnop\n\tcli"  \
                         : "=&D"(from)                                                     \
                         :                                                                 \
                         : "rax", "rbx", "rcx", "rdx", "memory", "cc");                    \
        gt_line("taken " NAME ": +%lx, %u times", last_rip - from, counts[GT_PIC_VECTOR]); \
    } while (0)

/* With IF clear the request waits. It is taken behind the instruction that follows STI or MOV SS,
 * at once behind POPF, and never between STI and CLI. SDM 3A 6.8.3 "Masking Exceptions and
 * Interrupts When Switching Stacks", SDM 2B 4.3 "Instructions (M-U)" */
static void blocking(void)
{
    gt_pic_mask(0xfffe);
    forget();
    gt_pit_one_shot(10);
    gt_line("if clear: request %u", wait_request());
    for (unsigned i = 0; i < 1000; i++)
        gt_cpuid(0, 0);
    gt_line("if clear: taken %u", counts[GT_PIC_VECTOR]);
    TAKEN("sti nop", "", "sti\n\tnop");
    TAKEN("sti cpuid", "xor %%eax, %%eax", "sti\n\tcpuid\n\tnop");
    TAKEN("sti rdmsr", "mov $0x277, %%ecx", "sti\n\trdmsr\n\tnop");
    TAKEN("sti feature_control", "mov $0x3a, %%ecx", "sti\n\trdmsr\n\tnop");
    TAKEN("sti wbinvd", "", "sti\n\twbinvd\n\tnop");
    TAKEN("sti invd", "", "sti\n\tinvd\n\tnop");
    TAKEN("sti xsetbv", "xor %%ecx, %%ecx\n\txgetbv", "sti\n\txsetbv\n\tnop");
    TAKEN("sti sti", "", "sti\n\tsti\n\tnop");
    TAKEN("sti movss cpuid", "mov %%ss, %%eax", "sti\n\tmov %%eax, %%ss\n\tcpuid\n\tnop");
    TAKEN("popf", "pushfq\n\torq $0x200, (%%rsp)", "popfq\n\tnop");
    TAKEN("popf cpuid", "xor %%eax, %%eax\n\tpushfq\n\torq $0x200, (%%rsp)",
          "popfq\n\tcpuid\n\tnop");
    TAKEN("sti cli", "", "sti\n\tcli\n\tnop\n\tsti");
    TAKEN("sti pause", "", "sti\n\tpause\n\tnop");
    TAKEN("sti hlt", "", "sti\n\thlt\n\tnop");
    gt_pic_mask(0xffff);
}

/* CR8 is bits 7:4 of TPR. With nothing in service PPR reads as TPR. SDM 3A 11.8.3.1 "Task and
 * Processor Priorities" */
static void apic_registers(void)
{
    /* clang-format off */
    static const u16 registers[] = {GT_APIC_ID,          GT_APIC_VERSION,   GT_APIC_TPR,
                                    GT_APIC_PPR,         GT_APIC_SVR,       GT_APIC_ESR,
                                    GT_APIC_LVT_TIMER,   GT_APIC_LVT_LINT1, GT_APIC_LVT_ERROR,
                                    GT_APIC_TIMER_DIVIDE};
    /* clang-format on */

    /* Two writes forget the errors of whatever ran before in this boot. */
    gt_apic_write(GT_APIC_ESR, 0);
    gt_apic_write(GT_APIC_ESR, 0);
    for (size_t i = 0; i < ARRAY_LEN(registers); i++)
        gt_line("apic %x: %x", registers[i], gt_apic_read(registers[i]));
    for (u32 v = 0; v < 0x100; v += 0x11) {
        gt_apic_write(GT_APIC_TPR, v);
        gt_line("apic tpr %x: %x cr8 %lx ppr %x", v, gt_apic_read(GT_APIC_TPR), gt_read_cr8(),
                gt_apic_read(GT_APIC_PPR));
    }
    for (u64 v = 0; v < 16; v += 5) {
        gt_write_cr8(v);
        gt_line("cr8 %lx: tpr %x", v, gt_apic_read(GT_APIC_TPR));
    }
    gt_write_cr8(0);
}

/* A one-shot interrupts once and stops at 0. A periodic timer goes on. A masked one counts and does
 * not interrupt. SDM 3A 11.5.4 "APIC Timer" */
static void apic_timer(void)
{
    forget();
    gt_hook(TIMER_VECTOR, on_apic);
    gt_apic_write(GT_APIC_TIMER_DIVIDE, 0xb);
    gt_apic_write(GT_APIC_LVT_TIMER, TIMER_VECTOR);
    for (unsigned i = 0; i < 50; i++) {
        gt_apic_write(GT_APIC_TIMER_INITIAL, (u32)(500 + gt_rand() % 5000));
        if (i & 1)
            gt_sti_hlt_cli();
        for (unsigned turn = 0; turn < PATIENCE && counts[TIMER_VECTOR] <= i; turn++)
            __asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
    }
    gt_line("apic one-shots: %u of 50, all vectors %u, count left %x", counts[TIMER_VECTOR],
            total(), gt_apic_read(GT_APIC_TIMER_CURRENT));
    gt_apic_write(GT_APIC_LVT_TIMER, TIMER_VECTOR | GT_APIC_PERIODIC);
    gt_apic_write(GT_APIC_TIMER_INITIAL, 20000);
    gt_sti();
    for (unsigned turn = 0; turn < PATIENCE && counts[TIMER_VECTOR] < 150; turn++)
        gt_cpuid(0, 0);
    gt_cli();
    gt_apic_write(GT_APIC_TIMER_INITIAL, 0);
    gt_line("apic periodic in a cpuid storm: %s", counts[TIMER_VECTOR] >= 150 ? "ok" : "lost");
    forget();
    gt_apic_write(GT_APIC_LVT_TIMER, TIMER_VECTOR | GT_APIC_MASKED);
    gt_apic_write(GT_APIC_TIMER_INITIAL, 100);
    for (unsigned i = 0; i < 10000; i++)
        gt_apic_read(GT_APIC_ID);
    gt_sti();
    __asm__ volatile("nop");
    gt_cli();
    gt_line("apic masked: %u current %x", total(), gt_apic_read(GT_APIC_TIMER_CURRENT));
    gt_hook(TIMER_VECTOR, NULL);
}

static void settle(void)
{
    for (unsigned i = 0; i < 200; i++)
        __asm__ volatile("pause" : : : "memory");
}

static void send(u32 icr)
{
    gt_apic_write(GT_APIC_ICR, icr);
    settle();
}

static void open_window(void)
{
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" : : : "memory");
}

/* The highest vector comes first. One whose class is not above the priority waits in IRR, which
 * holds one request of a vector. SDM 3A 11.8.4 "Interrupt Acceptance for Fixed Interrupts" */
static void self_ipis(void)
{
    static const u8 vectors[] = {0x61, 0x83, 0x72, 0xef, 0x31, 0x84};

    forget();
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
        gt_hook(vectors[i], on_apic);
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
        send(GT_APIC_SELF | vectors[i]);
    gt_line("self ipi: irr %x %x %x %x", gt_apic_read(GT_APIC_IRR + 0x10),
            gt_apic_read(GT_APIC_IRR + 0x30), gt_apic_read(GT_APIC_IRR + 0x40),
            gt_apic_read(GT_APIC_IRR + 0x70));
    for (unsigned i = 0; i < 10; i++)
        open_window();
    gt_line("self ipi order:%s", order);
    forget();
    gt_write_cr8(7);
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
        send(GT_APIC_SELF | vectors[i]);
    for (unsigned i = 0; i < 10; i++)
        open_window();
    gt_line("self ipi under cr8 7:%s", order);
    for (unsigned i = 7; i-- > 0;) {
        gt_write_cr8(i);
        open_window();
    }
    gt_line("self ipi, cr8 lowered:%s", order);
    send(GT_APIC_SELF | 0x61);
    send(GT_APIC_SELF | 0x61); /* the same vector twice is one request */
    for (unsigned i = 0; i < 4; i++)
        open_window();
    gt_line("self ipi twice:%s", order);
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
        gt_hook(vectors[i], NULL);
}

static u32 error_status(void)
{
    gt_apic_write(GT_APIC_ESR, 0);
    return gt_apic_read(GT_APIC_ESR);
}

/* What an operating system sends on one processor, and what is illegal; nothing of it may do harm.
 * The NMI comes once. A vector below 16 is an error. SDM 3A 11.5.3 "Error Handling" */
static void special_ipis(void)
{
    u32 self = gt_apic_read(GT_APIC_ID) & 0xff000000;

    forget();
    gt_hook(VEC_NMI, on_nmi);
    error_status();
    gt_apic_write(GT_APIC_ICR_HIGH, self);
    send(GT_APIC_NMI | GT_APIC_ASSERT);
    gt_line("nmi to self: %u icr %x", counts[VEC_NMI], gt_apic_read(GT_APIC_ICR));
    send(GT_APIC_SIPI | GT_APIC_ASSERT | 8);
    gt_line("sipi to self: alive, icr %x", gt_apic_read(GT_APIC_ICR));
    send(GT_APIC_INIT | GT_APIC_ASSERT | GT_APIC_LEVEL | GT_APIC_OTHERS);
    gt_line("init to others: alive, icr %x", gt_apic_read(GT_APIC_ICR));
    send(GT_APIC_INIT | GT_APIC_LEVEL | GT_APIC_OTHERS);
    gt_line("init deassert to others: alive, icr %x", gt_apic_read(GT_APIC_ICR));
    send(GT_APIC_SIPI | GT_APIC_ASSERT | GT_APIC_OTHERS | 8);
    gt_line("sipi to others: alive, icr %x", gt_apic_read(GT_APIC_ICR));
    send(GT_APIC_NMI | GT_APIC_ASSERT | GT_APIC_OTHERS);
    gt_line("nmi to others: %u icr %x", counts[VEC_NMI], gt_apic_read(GT_APIC_ICR));
    gt_line("errors so far: %x", error_status());
    gt_apic_write(GT_APIC_ICR_HIGH, 0x7f000000);
    send(GT_APIC_INIT | GT_APIC_ASSERT | GT_APIC_LEVEL);
    gt_line("init to nobody: alive, icr %x", gt_apic_read(GT_APIC_ICR));
    error_status();
    send(GT_APIC_SELF | 5);
    gt_line("illegal vector: errors %x", error_status());
    gt_hook(VEC_NMI, NULL);
}

/* The firmware's timer must tick again, else its Stall and its events would hang. */
static void firmware_goes_on(void)
{
    EFI_EVENT event;
    UINTN index;
    EFI_STATUS status;

    gt_firmware_enter();
    status = BS->CreateEvent(EVT_TIMER, 0, NULL, NULL, &event);
    if (status == EFI_SUCCESS)
        status = BS->SetTimer(event, TimerRelative, 300000);
    if (status == EFI_SUCCESS)
        status = BS->WaitForEvent(1, &event, &index);
    BS->CloseEvent(event);
    gt_firmware_leave();
    gt_line("firmware timer: %lx", status);
}

TEST_MAIN(irq)
{
    gt_write_cr4(gt_read_cr4() | CR4_OSXSAVE);
    gt_device_take();
    gt_hook(GT_PIC_VECTOR, on_pic);
    pit_one_shots();
    pit_in_storm();
    blocking();
    gt_hook(GT_PIC_VECTOR, NULL);
    apic_registers();
    apic_timer();
    self_ipis();
    special_ipis();
    gt_device_give();
    firmware_goes_on();
}
