/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The launch: one step after the other on one processor after the other (enum handoff_op), and the
 * way back when one of them fails. A write of FEATURE_CONTROL cannot be undone, so it is the last
 * thing before the switch that may enter VMX operation. Contract in efi_launch.h.
 */
#include "boot/efi_launch.h"

#include "boot/efi_console.h"
#include "boot/efi_ept01.h"
#include "boot/insn.h"

/* In handoff.asm. Both return an enum handoff_status. */
u64 handoff(struct handoff *h);
u64 handoff_leave(void);

/* One step on one processor. The processor may be L1 when it writes `status`, so this is memory of
 * boot/, not of the region. */
struct step {
    struct handoff *h;
    u64 status; /* an enum handoff_status, or: */
    struct blink took;
};
#define STATUS_NOT_BEGUN (~0ull)
#define STATUS_BEGUN     (~1ull)

static bool enters_vmx(const struct handoff *h)
{
    return h->info->can_vmx && h->op >= HANDOFF_PROBE;
}

/* The first step that enters VMX operation keeps what was there for L1. */
static void allow_vmx(struct handoff *h)
{
    if (h->op == HANDOFF_PROBE) {
        h->feature_control = rdmsr(FEATURE_CONTROL_MSR);
        h->feature_legal = facts_feature_control_legal();
    }
    facts_allow_vmx();
}

static void run_step(void *arg)
{
    struct step *s = arg;
    s->status = STATUS_BEGUN;
    memory_capture(s->h);
    if (enters_vmx(s->h))
        allow_vmx(s->h);
    u64 begun = rdtsc();
    s->status = handoff(s->h);
    s->took.in = rdtsc() - begun;
}

/* On a processor that runs as L1: one exit, and out. */
static void run_blink(void *arg)
{
    struct step *s = arg;
    u64 begun = rdtsc();
    (void)cpuid(1);
    s->took.exit = rdtsc() - begun;
    begun = rdtsc();
    s->status = handoff_leave();
    s->took.out = rdtsc() - begun;
}

static const char *refusal(const struct handoff *h, u64 status)
{
    switch (status) {
    case HANDOFF_NO_MEMORY:
        return "not enough memory in the reserved region";
    case HANDOFF_NO_VMX:
        return "the core misses a VMX capability";
    case HANDOFF_REFUSED:
    case HANDOFF_TURNED_BACK:
        return h->why;
    default:
        return "VMXON failed";
    }
}

/* What the core found, although it goes on. */
static void say_note(const struct machine *m, u32 i, const struct handoff *h)
{
    struct line l;
    if (!h->why[0])
        return;
    line_clear(&l);
    line_add(&l, "note: ");
    if (h->info->cpu_count > 1)
        cpus_name(&m->cpus, i, &l);
    line_add(&l, h->why);
    console_say_line(&l);
}

/* True when the processor did the step; else *why names the processor, if there are several, and
 * the reason. A processor that began and did not come back may still run in L0's memory, which then
 * stays. It may also end later, so *s does not lie on the stack. */
static bool timed_step(struct region *r, const struct machine *m, u32 i, enum handoff_op op,
                       struct line *why, struct blink *took)
{
    static struct step s;
    s = (struct step){.h = &r->handoff[i], .status = STATUS_NOT_BEGUN};
    s.h->op = op;
    const char *no = cpus_call(&m->cpus, i, run_step, &s);
    if (took)
        *took = s.took;
    /* Behind a launch L1 does not reach the handoff; the probe came before it. */
    if (op < HANDOFF_LAUNCH && enters_vmx(s.h) && s.status != STATUS_NOT_BEGUN)
        r->locked |= !(s.h->feature_control & FEATURE_CONTROL_LOCK);
    if (!no && s.status == HANDOFF_OK) {
        if (op < HANDOFF_LAUNCH)
            say_note(m, i, s.h);
        return true;
    }
    line_clear(why);
    if (s.h->info->cpu_count > 1)
        cpus_name(&m->cpus, i, why);
    line_add(why, no ? no : refusal(s.h, s.status));
    r->stays |= s.status == STATUS_BEGUN;
    if (r->stays)
        line_add(why, "; reset this machine, as it may still run in L0");
    return false;
}

static bool do_step(struct region *r, const struct machine *m, u32 i, enum handoff_op op,
                    struct line *why)
{
    return timed_step(r, m, i, op, why, NULL);
}

static void run_leave(void *arg)
{
    *(u64 *)arg = handoff_leave();
}

/* Takes processors 1 to `launched` back. If one of them stays under Nidus, L0's memory stays, too.
 * */
static void take_back(struct region *r, const struct machine *m, u32 launched, struct line *why)
{
    for (u32 i = 1; i <= launched; i++) {
        u64 status = HANDOFF_OK;
        const char *no = cpus_call(&m->cpus, i, run_leave, &status);
        if (!no && status == HANDOFF_LEFT)
            continue;
        line_add(why, "; reset this machine, as this one stays under Nidus: ");
        cpus_name(&m->cpus, i, why);
        line_add(why, no ? no : "it did not leave");
        r->stays = true;
    }
}

/* Gives the region back. What stays of a launch that is undone is said. */
static void undo(struct region *r)
{
    if (r->locked)
        console_say(
            "note: IA32_FEATURE_CONTROL, which the firmware left unlocked, is locked with VMX "
            "on until the next reset");
    memory_release(r);
}

/* The steps before the first launch. */
static bool make_ready(struct region *r, const struct machine *m, struct line *why)
{
    u32 count = r->handoff->info->cpu_count;
    if (!do_step(r, m, 0, HANDOFF_PREPARE, why))
        return false;
    for (u32 i = 1; i < count; i++) {
        r->handoff[i].vm = r->handoff->vm;
        if (!do_step(r, m, i, HANDOFF_EXAMINE, why))
            return false;
    }
    if (!do_step(r, m, 0, HANDOFF_SETTLE, why))
        return false;
    for (u32 i = 0; i < count; i++)
        if (!do_step(r, m, i, HANDOFF_PROBE, why))
            return false;
    return true;
}

bool nidus_launch(struct region *r, const struct machine *m, struct line *why)
{
    u32 count = r->handoff->info->cpu_count, launched = 0;
    bool ok = make_ready(r, m, why);
    while (ok && launched + 1 < count) {
        ok = do_step(r, m, launched + 1, HANDOFF_LAUNCH, why);
        launched += ok;
    }
    if (ok && do_step(r, m, 0, HANDOFF_LAUNCH, why)) {
        (void)cpuid(LEAF_NIDUS_BRINGUP); /* L0 lets no processor leave from here on */
        return true;
    }
    take_back(r, m, launched, why);
    undo(r);
    return false;
}

/* Launches one processor and takes it back. */
static bool blink(struct region *r, const struct machine *m, u32 i, struct line *why,
                  struct blink *took)
{
    static struct step s; /* as in timed_step */
    if (!timed_step(r, m, i, HANDOFF_LAUNCH, why, took))
        return false;
    s = (struct step){.h = &r->handoff[i], .status = STATUS_NOT_BEGUN};
    const char *no = cpus_call(&m->cpus, i, run_blink, &s);
    took->exit = s.took.exit;
    took->out = s.took.out;
    if (!no && s.status == HANDOFF_LEFT)
        return true;
    line_clear(why);
    cpus_name(&m->cpus, i, why);
    line_add(why, no ? no : "it did not leave");
    line_add(why, "; reset this machine, as it stays under Nidus");
    r->stays = true;
    return false;
}

bool nidus_blink(struct region *r, const struct machine *m, struct line *why, struct blink *took)
{
    bool ok = make_ready(r, m, why);
    for (u32 i = r->handoff->info->cpu_count; ok && i; i--)
        ok = blink(r, m, i - 1, why, took);
    undo(r);
    return ok;
}

bool nidus_rehearse(struct region *r, const struct machine *m, struct line *why)
{
    bool ok = make_ready(r, m, why);
    for (u32 i = r->handoff->info->cpu_count; ok && i; i--)
        ok = do_step(r, m, i - 1, HANDOFF_REHEARSE, why);
    if (ok && r->handoff->info->verbose)
        ept01_say(r);
    undo(r);
    return ok;
}
