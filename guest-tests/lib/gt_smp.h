/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several processors in a guest test. smp_begin() finds them; smp_start() brings one up by INIT and
 * SIPI of the test's own, as an operating system does, into a loop that runs what smp_call() gives
 * it. Each has a small VMX of its own: an L2 that runs a C function on L1's page tables, with or
 * without an EPT12. The bootstrap processor is number 0 and works like the others in smp_all(). The
 * firmware's processors are halted at the end; the firmware wakes them by INIT when it wants them.
 */
#ifndef GUEST_TESTS_LIB_GT_SMP_H
#define GUEST_TESTS_LIB_GT_SMP_H

#include "guest-tests/lib/gt.h"

enum {
    SMP_MAX = 8,
    SMP_VECTOR = 0x61, /* an interrupt that is only counted */
    SMP_PATIENCE = 5000000,
};

/* What a SIPI finds besides the general registers, 32 bits each; gt_smp.asm has the same order. */
enum smp_found {
    FOUND_DS,
    FOUND_ES,
    FOUND_SS,
    FOUND_FS,
    FOUND_GS,
    FOUND_CR2,
    FOUND_CR3,
    FOUND_CR4,
    FOUND_DR0,
    FOUND_DR3 = FOUND_DR0 + 3,
    FOUND_DR6,
    FOUND_DR7,
    FOUND_GDTR,
    FOUND_IDTR = FOUND_GDTR + 2,
    FOUND_EFER = FOUND_IDTR + 2,
    FOUND_FS_BASE,
    FOUND_GS_BASE,
    FOUND_FREE,
    FOUND_WORDS
};

/* What handlers count, by GS base: one for the processor as L1, one for its L2. gt_smp.asm knows
 * the order of the first six. */
struct smp_counts {
    u64 self, nmis, irqs;
    u64 fault; /* 1 + the vector of an exception that nobody expected; the processor then stops */
    u64 fault_rip, fault_error;
};

struct smp_cpu {
    struct smp_counts l1;
    u64 stack, host_rsp; /* gt_smp.asm */
    u64 gpr[16];         /* L2's, in encoding order */
    struct smp_counts l2;
    u32 number, apic_id;
    volatile u64 alive; /* how often it came up */
    void (*volatile f)(struct smp_cpu *cpu, u64 arg);
    volatile u64 arg, done;
    u8 *vmxon, *vmcs, *l2_stack;
    bool launched;
    u64 first[8]; /* registers that the SIPI found: EAX EBX ECX EDX ESI EDI EBP ESP, 32 bits each */
    u64 first_cr0, first_flags, first_cs;
    u32 found[FOUND_WORDS];
};

extern struct smp_cpu smp_cpu[SMP_MAX];
extern unsigned smp_count;

/* False, with a FAIL line, when there are fewer than `wanted` processors; 0 takes all there are. */
bool smp_begin(unsigned wanted);
/* smp_begin, and each processor but the first is started. */
bool smp_begin_all(unsigned wanted);
void smp_end(void);

void smp_ipi(unsigned cpu, u32 command); /* GT_APIC_* delivery mode and vector */
/* INIT, then SIPI at the page of trampoline `which` (0 or 1). False: it did not come up. */
bool smp_start(unsigned cpu, unsigned which);
/* The same without the INIT, for a processor that waits for a SIPI. */
bool smp_sipi(unsigned cpu, unsigned which);
u8 smp_vector(unsigned which);
/* smp_start() at any page below 1 MiB that is memory; the page gets its contents back. */
bool smp_start_at(unsigned cpu, u8 vector);

void smp_call(unsigned cpu, void (*f)(struct smp_cpu *cpu, u64 arg), u64 arg); /* returns at once */
/* Waits for the end of what smp_call gave. False: too long, or the processor met a fault. */
bool smp_wait(unsigned cpu);
/* On all processors at once, this one among them. False as smp_wait. */
bool smp_all(void (*f)(struct smp_cpu *cpu, u64 arg), u64 arg);
/* Waits until *word has at least this value. False: too long. */
bool smp_until(const volatile u64 *word, u64 value);
/* All of `count` processors meet here. */
void smp_barrier(volatile u64 *word, u64 count);
/* One processor after the other executes f(cpu, n), for n below `turns`; *turn begins as 0 and says
 * whose n it is. To be called on all processors. */
void smp_take_turns(struct smp_cpu *cpu, volatile u64 *turn, u64 turns,
                    void (*f)(struct smp_cpu *cpu, u64 n));

/* ---- each processor's VMX ---- */

bool smp_vmx_on(struct smp_cpu *cpu);
void smp_vmx_off(struct smp_cpu *cpu);
/* A VMCS in the page, loaded and filled: L2 runs f() in ring 0 on a stack of its own. */
void smp_vmcs(struct smp_cpu *cpu, u8 *page, void (*f)(void));
/* VMLAUNCH or VMRESUME; the exit reason, or 1 << 32 | the VM-instruction error. */
u64 smp_enter(struct smp_cpu *cpu);
u64 smp_enter_asm(struct smp_cpu *cpu, u64 launched) GT_HIDDEN;
/* An exit by an NMI leaves NMIs blocked in L1 until an IRET, which this is. */
void smp_unblock_nmis(void);
/* Moves L2's RIP behind the instruction that exited. */
void smp_advance(void);
/* For L2: its processor. GS leads to struct smp_counts l2. */
struct smp_cpu *smp_of_l2(void);
static inline void smp_vmcall(void)
{
    __asm__ volatile("vmcall" : : : "memory");
}

#endif
