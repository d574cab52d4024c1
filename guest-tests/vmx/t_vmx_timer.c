/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time in a VMCS: what a VM exit saves of the VMX-preemption timer (SDM 3C 26.5.1 "VMX-Preemption
 * Timer"), and the time-stamp counter that a VM-exit MSR-store area asks for, which is that of the
 * exit (SDM 3C 28.4 "Saving MSRs"). Each case runs twice and the second run counts: then nothing of
 * L2's is touched for the first time. Times are printed in classes: a hypervisor below takes some,
 * and how many is in the class's bound.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"
#include "hv/arch/msr.h"

enum { START = 1000000, SLACK = 100, STORE_BOUND = 150 };

#define COUNT_DOWN "\xff\xc9\x75\xfc" /* dec ecx; jnz: two instructions each */
#define SAVE       OR(EXIT_CTL, EXIT_SAVE_TIMER), SET(PREEMPTION_TIMER, START)

struct timed {
    u64 least; /* instructions of L2 */
    struct l2_case c;
};
/* The exit saves what is left of the timer. SDM 3C 26.5.1 "VMX-Preemption Timer" */
static const struct timed saved[] = {
    {0, CASE("nothing", L2_64, "", SAVE)},
    {2000, CASE("1000 turns", L2_64, COUNT_DOWN, SAVE, REG(RCX, 1000))},
    {200000, CASE("100000 turns", L2_64, COUNT_DOWN, SAVE, REG(RCX, 100000))},
    {2000, CASE("1000 turns", L2_32, COUNT_DOWN, SAVE, REG(RCX, 1000))},
};

/* An expired timer is exit reason 52 and is saved as 0. Without the control, and where the entry
 * is refused, the field keeps its value. SDM 3C 26.5.1 "VMX-Preemption Timer", SDM 3C 27.8
 * "VM-Entry Failures During or After Loading Guest State" */
static const struct l2_case others[] = {
    CASE("expires", L2_64, COUNT_DOWN, SAVE, SET(PREEMPTION_TIMER, 500), REG(RCX, 1000)),
    CASE("not saved", L2_64, COUNT_DOWN, SET(PREEMPTION_TIMER, START), REG(RCX, 1000),
         CLEAR(EXIT_CTL, EXIT_SAVE_TIMER)),
    CASE("refused", L2_64, "", SAVE, SET(GUEST_RFLAGS, 0)),
};

static void twice(const struct l2_case *c)
{
    for (unsigned i = 0; i < 2; i++) {
        l2_world(c->mode);
        l2_code(c->code, c->len);
        l2_apply(c->set, L2_SETS);
        l2_write();
        l2_enter(false);
    }
}

static void save(const struct timed *t)
{
    u64 gone;

    twice(&t->c);
    gone = START - l2_seen[VI_PREEMPTION_TIMER];
    gt_line("saved.%s.%s: reason %lx gone as long as it ran %d", l2_mode_name[t->c.mode],
            l2_one_word(t->c.name), l2_seen[VI_EXIT_REASON],
            gone >= t->least && gone < t->least + SLACK);
}

static void store(const char *name, u64 turns)
{
    u64 *list = arena(PG_EXIT_STORE), before;
    /* RDTSC at the end: right before the exit */
    struct l2_case c = CASE("store", L2_64, "\x0f\x31" COUNT_DOWN "\x0f\x31");

    c.set[0] = (struct vmx_set)REG(RCX, turns);
    c.set[1] = (struct vmx_set)SET(EXIT_MSR_STORE_COUNT, 1);
    list[0] = MSR_IA32_TSC;
    list[1] = 0;
    twice(&c);
    before = l2_seen_gpr[RDX] << 32 | (u32)l2_seen_gpr[RAX];
    gt_line("store.%s: reason %lx soon after L2's last look %d", name, l2_seen[VI_EXIT_REASON],
            list[1] - before < STORE_BOUND);
    gt_check(list[1] - before < STORE_BOUND, "store.%s: %lu later", name, list[1] - before);
}

TEST_MAIN(vmx_timer)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        for (unsigned i = 0; i < sizeof saved / sizeof *saved; i++)
            save(&saved[i]);
        for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
            twice(&others[i]);
            gt_line("%s: reason %lx timer %lu", l2_one_word(others[i].name),
                    l2_seen[VI_EXIT_REASON], l2_seen[VI_PREEMPTION_TIMER]);
        }
        store("at once", 1);
        store("later", 5000);
    }
    vmx_end();
}
