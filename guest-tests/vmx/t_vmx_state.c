/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest non-register state at work: HLT activity and what wakes it, STI and MOV SS blocking,
 * pending debug exceptions, interrupt- and NMI-window exits, the TPR threshold, debug
 * registers across entry and exit. Shutdown and wait-for-SIPI end or block the machine:
 * programs of their own.
 *
 * Right: HLT ends with an event that is not blocked; STI and MOV SS block for one instruction; a
 * window exit comes as soon as the event could be delivered. SDM 3C 27.7.5 "Interrupt-Window
 * Exiting and Virtual-Interrupt Delivery", SDM 3C 25.4.2 "Guest Non-Register State"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

#define IF_ON         OR(GUEST_RFLAGS, FLAG_IF)
#define TF_ON         OR(GUEST_RFLAGS, FLAG_TF)
#define STI           SET(GUEST_INTERRUPTIBILITY, 1)
#define MOV_SS        SET(GUEST_INTERRUPTIBILITY, 2)
#define HLT           SET(GUEST_ACTIVITY, 1)
#define INTR_WINDOW   OR(PROC_CTL, PROC_INTR_WINDOW)
#define NMI_WINDOW    OR(PIN_CTL, PIN_VIRTUAL_NMI), OR(PROC_CTL, PROC_NMI_WINDOW)
#define SHORT         SET(PREEMPTION_TIMER, 20000)
#define TIMER_0       SET(PREEMPTION_TIMER, 0)
#define PENDING(BITS) SET(GUEST_PENDING_DEBUG, BITS)

/* In HLT an external interrupt, an NMI, #DB or #MC may be injected. Any other injected event is
 * exit reason 33. The timer exits from HLT. SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
static const struct l2_case activity[] = {
    CASE("hlt timer", L2_64, "", HLT, SHORT),
    CASE("hlt exiting off", L2_64, "\xf4", CLEAR(PROC_CTL, PROC_HLT), SHORT),
    CASE("hlt exiting off", L2_32, "\x90\xf4", CLEAR(PROC_CTL, PROC_HLT), SHORT),
    CASE("hlt injected external", L2_64, "", HLT, IF_ON, INJECT(INTR_EXTERNAL | 0x40)),
    CASE("hlt injected nmi", L2_64, "", HLT, INJECT(INTR_NMI | 2)),
    CASE("hlt injected db", L2_64, "", HLT, INJECT(INTR_HARD_EXC | 1)),
    CASE("hlt injected mc", L2_64, "", HLT, INJECT(INTR_HARD_EXC | 18)),
    /* CAVEAT(bochs-hlt-injection) */
    CASE("hlt injected ud", L2_64, "", HLT, INJECT(INTR_HARD_EXC | 6)),
    CASE("hlt injected soft int", L2_64, "", HLT, INJECT(INTR_SOFT_INT | 0x80),
         SET(ENTRY_INSN_LEN, 2)),
    CASE("hlt injection faults", L2_64, "", HLT, IF_ON, INJECT(INTR_EXTERNAL | 0x40),
         SET(GUEST_IDTR_LIMIT, 0)),
    CASE("hlt timer 0", L2_64, "", HLT, TIMER_0),
};

/* A timer that starts at 0 exits before the first instruction, whatever that is, but behind the
 * delivery of an injected event. SDM 3C 26.5.1 "VMX-Preemption Timer" */
static const struct l2_case timer[] = {
    CASE("timer 0 before cpuid", L2_64, "\x0f\xa2", TIMER_0),
    CASE("timer 0 before ud", L2_64, "\x0f\x0b", TIMER_0),
    CASE("timer 0 before a fetch fault", L2_64, "", TIMER_0, SET(GUEST_RIP, L2_AT(P_ABSENT))),
    /* CAVEAT(bochs-timer-blocking) */
    CASE("timer 0 sti", L2_64, "\x90", TIMER_0, IF_ON, STI),
    CASE("timer 0 mov ss", L2_64, "\x90", TIMER_0, MOV_SS),
    CASE("timer 0 tf", L2_64, "\x90", TIMER_0, TF_ON),
    CASE("timer 0 behind external", L2_64, "\x90", TIMER_0, IF_ON, INJECT(INTR_EXTERNAL | 0x40)),
    CASE("timer 0 behind ud", L2_64, "\x90", TIMER_0, INJECT(INTR_HARD_EXC | 6)),
    CASE("timer 0 behind soft int", L2_64, "\x90", TIMER_0, INJECT(INTR_SOFT_INT | 0x80),
         SET(ENTRY_INSN_LEN, 2)),
    CASE("timer 0 injection faults", L2_64, "\x90", TIMER_0, INJECT(INTR_HARD_EXC | 6),
         SET(GUEST_IDTR_LIMIT, 0)),
    CASE("timer 0 saved", L2_64, "\x90", TIMER_0, OR(EXIT_CTL, EXIT_SAVE_TIMER)),
    CASE("timer 0 hlt external", L2_64, "\x90", TIMER_0, HLT, IF_ON, INJECT(INTR_EXTERNAL | 0x40)),
    CASE("timer 0 ring 3", L2_64_R3, "\x90", TIMER_0),
    CASE("timer 0 v86", L2_V86, "\x90", TIMER_0),
};

/* The interrupt window exits with reason 7 when IF is 1 and neither STI nor MOV SS blocks. The
 * NMI window exits with reason 8 when neither an NMI nor MOV SS blocks. SDM 3C 26.2 "Other
 * Causes of VM Exits", SDM 3C 27.7.5 "Interrupt-Window Exiting and Virtual-Interrupt Delivery" */
static const struct l2_case windows[] = {
    CASE("intr window open", L2_64, "\x90", INTR_WINDOW, IF_ON),
    CASE("intr window if 0", L2_64, "\x90", INTR_WINDOW),
    CASE("intr window sti", L2_64, "\xfb\x90\x90", INTR_WINDOW),
    CASE("intr window sti blocked at entry", L2_64, "\x90\x90", INTR_WINDOW, IF_ON, STI),
    CASE("intr window mov ss blocked at entry", L2_64, "\x90\x90", INTR_WINDOW, IF_ON, MOV_SS),
    CASE("intr window popf", L2_64, "\x68\x02\x02\x00\x00\x9d\x90", INTR_WINDOW),
    CASE("intr window mov ss", L2_64, "\x8e\xd0\x90\x90", INTR_WINDOW, IF_ON, STI,
         REG(RAX, SEL_DATA)),
    CASE("intr window behind injection", L2_64, "\x90", INTR_WINDOW, IF_ON,
         INJECT(INTR_HARD_EXC | 6)),
    CASE("intr window behind external", L2_64, "\x90", INTR_WINDOW, IF_ON,
         INJECT(INTR_EXTERNAL | 0x40)),
    CASE("intr window ring 3", L2_64_R3, "\x90", INTR_WINDOW, IF_ON),
    CASE("intr window v86", L2_V86, "\x90", INTR_WINDOW, IF_ON),
    CASE("intr window and timer 0", L2_64, "\x90", INTR_WINDOW, IF_ON, SET(PREEMPTION_TIMER, 0)),
    /* First, as its IRET also ends what an earlier test left. CAVEAT(bochs-nmi-blocking-stays) */
    CASE("nmi window iret opens", L2_64, "\x48\x83\xec\x28\xc7\x04\x24\x20\x00\x01\x00\x48\xcf",
         NMI_WINDOW, SET(GUEST_INTERRUPTIBILITY, 8), SET(GUEST_RSP, L2_AT(P_DATA) + 0x100),
         MEM(P_DATA, 0xe0, SEL_CODE64), MEM(P_DATA, 0xe8, 2), MEM(P_DATA, 0xf0, L2_STACK_TOP),
         MEM(P_DATA, 0xf8, SEL_DATA)),
    CASE("nmi window open", L2_64, "\x90", NMI_WINDOW),
    CASE("nmi window mov ss", L2_64, "\x90\x90", NMI_WINDOW, MOV_SS),
    CASE("nmi window sti", L2_64, "\x90\x90", NMI_WINDOW, IF_ON, STI),
    CASE("nmi window and timer 0", L2_64, "\x90", NMI_WINDOW, TIMER_0),
    CASE("nmi window before ud", L2_64, "\x0f\x0b", NMI_WINDOW),
    CASE("nmi window and pending", L2_64, "\x90", NMI_WINDOW, PENDING(0x1001)),
    CASE("nmi window hlt", L2_64, "", NMI_WINDOW, HLT, SHORT),
    CASE("nmi window executes hlt", L2_64, "\xf4", NMI_WINDOW, CLEAR(PROC_CTL, PROC_HLT), MOV_SS,
         SHORT),
    CASE("nmi and intr window", L2_64, "\x90\x90", NMI_WINDOW, INTR_WINDOW, IF_ON),
    /* From here on the emulator keeps virtual-NMI blocking until an IRET. */
    CASE("nmi window nmi blocked", L2_64, "\x90\x90", NMI_WINDOW, SET(GUEST_INTERRUPTIBILITY, 8)),
    CASE("nmi window behind nmi", L2_64, "\x90\x90", NMI_WINDOW, INJECT(INTR_NMI | 2)),
};

/* The exit saves the blocking of STI or MOV SS only right behind it. NMI blocking is saved until
 * an IRET ends it. SDM 3C 28.3.4 "Saving Non-Register State" */
static const struct l2_case blocking[] = {
    CASE("sti then exit", L2_64, "\xfb", OR(PROC_CTL, 0)),
    CASE("sti, one more", L2_64, "\xfb\x90"),
    CASE("sti while if", L2_64, "\xfb", IF_ON),
    CASE("mov ss then exit", L2_64, "\x8e\xd0", REG(RAX, SEL_DATA)),
    CASE("pop ss then exit", L2_32, "\x17", MEM(P_STACK, 0xff0, SEL_DATA),
         SET(GUEST_RSP, L2_STACK_TOP - 16)),
    CASE("lss then exit", L2_64, "\x48\x0f\xb2\x24\x25\x00\x10\x01\x00",
         MEM(P_DATA, 0, L2_STACK_TOP - 64), MEM(P_DATA, 8, SEL_DATA)),
    CASE("mov ss, one more", L2_64, "\x8e\xd0\x90", REG(RAX, SEL_DATA)),
    CASE("mov ss twice", L2_64, "\x8e\xd0\x8e\xd0", REG(RAX, SEL_DATA)),
    CASE("mov ss at entry, exit at once", L2_64, "", MOV_SS),
    CASE("sti at entry, exit at once", L2_64, "", IF_ON, STI),
    CASE("sti at entry, exit at second", L2_64, "\x90", IF_ON, STI),
    CASE("nmi blocked stays", L2_64, "\x90", SET(GUEST_INTERRUPTIBILITY, 8)),
    CASE("nmi blocked, iret ends", L2_32, "\xcf", SET(GUEST_INTERRUPTIBILITY, 8),
         SET(GUEST_RSP, L2_AT(P_DATA)), MEM(P_DATA, 0, (u64)SEL_CODE32 << 32 | (L2_BASE + 1)),
         MEM(P_DATA, 8, 2)),
    CASE("fault behind sti", L2_64, "\xfb\x0f\x0b"),
    CASE("fault behind mov ss", L2_64, "\x8e\xd0\x0f\x0b", REG(RAX, SEL_DATA)),
    CASE("cpuid behind mov ss", L2_64, "\x8e\xd0\x0f\xa2", REG(RAX, SEL_DATA)),
    CASE("hlt behind sti", L2_64, "\xfb\xf4"),
};

/* Without an injected event, a pending single step or enabled breakpoint is #DB before the next
 * instruction, unless MOV SS blocks it. An exit that comes before the #DB saves it as pending.
 * With its control MOV DR exits with reason 29. SDM 3C 27.7.3 "Delivery of Pending Debug
 * Exceptions after VM Entry", SDM 3C 26.1.3 "Instructions That Cause VM Exits Conditionally" */
static const struct l2_case debug[] = {
    CASE("tf", L2_64, "\x90\x90", TF_ON),
    CASE("tf exit first", L2_64, "\x0f\xa2", TF_ON),
    CASE("tf mov ss", L2_64, "\x8e\xd0\x90\x90", TF_ON, REG(RAX, SEL_DATA)),
    CASE("tf mov ss exit", L2_64, "\x8e\xd0\x0f\xa2", TF_ON, REG(RAX, SEL_DATA)),
    CASE("tf sti exit", L2_64, "\xfb\x0f\xa2", TF_ON),
    CASE("tf popf sets", L2_64, "\x68\x02\x01\x00\x00\x9d\x90\x90"),
    CASE("pending bs", L2_64, "\x90", PENDING(0x4000), TF_ON),
    CASE("pending bs no tf", L2_64, "\x90", PENDING(0x4000)),
    CASE("pending b0 enabled", L2_64, "\x90", PENDING(0x1001)),
    CASE("pending b3 enabled", L2_64, "\x90", PENDING(0x1008)),
    CASE("pending b0 without enabled", L2_64, "\x90", PENDING(1)),
    CASE("pending enabled alone", L2_64, "\x90", PENDING(0x1000)),
    CASE("pending behind mov ss", L2_64, "\x90\x90", PENDING(0x1001), MOV_SS),
    CASE("pending behind sti", L2_64, "\x90\x90", PENDING(0x1001), IF_ON, STI),
    CASE("pending in hlt", L2_64, "\x90", PENDING(0x1001), HLT),
    CASE("pending with external", L2_64, "\x90", PENDING(0x1001), IF_ON,
         INJECT(INTR_EXTERNAL | 0x40)),
    CASE("pending with fault injected", L2_64, "\x90", PENDING(0x1001), INJECT(INTR_HARD_EXC | 6)),
    CASE("pending with soft int", L2_64, "\x90", PENDING(0x1001), INJECT(INTR_SOFT_INT | 0x80),
         SET(ENTRY_INSN_LEN, 2)),
    CASE("pending with int3", L2_64, "\x90", PENDING(0x4000), INJECT(INTR_SOFT_EXC | 3),
         SET(ENTRY_INSN_LEN, 1)),
    CASE("pending with nmi", L2_64, "\x90", PENDING(0x1001), INJECT(INTR_NMI | 2)),
    CASE("pending and intr window", L2_64, "\x90", PENDING(0x1001), IF_ON, INTR_WINDOW),
    CASE("pending and timer 0", L2_64, "\x90", PENDING(0x1001), SET(PREEMPTION_TIMER, 0)),
    CASE("pending delivered", L2_64, "\x90", PENDING(0x1001), SET(EXCEPTION_BITMAP, 0)),
    CASE("mov dr off", L2_64, "\x0f\x21\xfb"),
    CASE("mov dr from", L2_64, "\x0f\x21\xfb", OR(PROC_CTL, PROC_MOV_DR)),
    CASE("mov dr to", L2_64, "\x41\x0f\x23\xf9", OR(PROC_CTL, PROC_MOV_DR)),
    CASE("mov dr ring 3", L2_64_R3, "\x0f\x21\xfb", OR(PROC_CTL, PROC_MOV_DR)),
    CASE("mov dr4 with de", L2_64, "\x0f\x21\xe3", OR(PROC_CTL, PROC_MOV_DR), OR(GUEST_CR4, 8)),
    CASE("mov dr4 without de", L2_64, "\x0f\x21\xe3", OR(PROC_CTL, PROC_MOV_DR)),
    CASE("mov dr gd", L2_64, "\x0f\x21\xfb", SET(GUEST_DR7, 0x2400)),
    CASE("mov dr gd and exiting", L2_64, "\x0f\x21\xfb", SET(GUEST_DR7, 0x2400),
         OR(PROC_CTL, PROC_MOV_DR)),
    CASE("mov dr7 high half", L2_64, "\x0f\x23\xf8", REG(RAX, 1ul << 32)),
    CASE("write dr7", L2_64, "\x0f\x23\xf8", REG(RAX, 0x402)),
    CASE("execution breakpoint", L2_64, "\x90\x90", SET(GUEST_DR7, 0x402)),
    CASE("data breakpoint", L2_64, "\x8b\x00\x90", SET(GUEST_DR7, 0x300408),
         REG(RAX, L2_AT(P_DATA))),
    CASE("data breakpoint delivered", L2_64, "\x8b\x00\x90", SET(GUEST_DR7, 0x300408),
         REG(RAX, L2_AT(P_DATA)), SET(EXCEPTION_BITMAP, 0)),
    CASE("data breakpoint mov ss", L2_64, "\x8e\x10\x90\x90", SET(GUEST_DR7, 0x300408),
         REG(RAX, L2_AT(P_DATA)), MEM(P_DATA, 0, SEL_DATA)),
    CASE("debug controls not loaded", L2_64, "\x0f\x21\xfb", CLEAR(ENTRY_CTL, ENTRY_LOAD_DEBUG),
         SET(GUEST_DR7, 0x402)),
    CASE("debug controls not saved", L2_64, "\x0f\x23\xf8", CLEAR(EXIT_CTL, EXIT_SAVE_DEBUG),
         REG(RAX, 0x402)),
};

/* DR0 and DR1 are L1's: entry and exit leave them alone. DR6 shows what the exit set. */
static void run_debug(const struct l2_case *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gt_write_dr0(L2_BASE + 1);
        gt_write_dr1(L2_AT(P_DATA));
        gt_write_dr6(0xffff0ff0);
        l2_case_run(&c[i]);
        gt_line("debug_after.%s: dr0 %lx dr1 %lx dr6 %lx dr7 %lx", l2_one_word(c[i].name),
                gt_read_dr0(), gt_read_dr1(), gt_read_dr6(), l2_seen_l1.dr7);
    }
    gt_write_dr0(0);
    gt_write_dr1(0);
}

#define RUN(TABLE) l2_cases(TABLE, sizeof TABLE / sizeof *TABLE)

TEST_MAIN(vmx_state)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        RUN(activity);
        RUN(timer);
        RUN(windows);
        RUN(blocking);
        run_debug(debug, sizeof debug / sizeof *debug);
    }
    vmx_end();
}
