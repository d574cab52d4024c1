/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The launch: one step after the other on one processor after the other (enum handoff_op), and the
 * way back when one of them fails. A write of FEATURE_CONTROL cannot be undone, so it is the last
 * thing before the switch that may enter VMX operation. Contract in efi_launch.h.
 */
#include "boot/efi_launch.h"

#include "boot/insn.h"

/* In handoff.asm. Both return an enum handoff_status. */
u64 handoff(struct handoff *h);
u64 handoff_leave(void);

/* One step on one processor. The processor may be L1 when it writes `status`, so this is memory of
 * boot/, not of the region. */
struct step {
    struct handoff *h;
    const struct facts *facts;
    u64 status; /* an enum handoff_status, or: */
};
#define STATUS_NOT_BEGUN (~0ull)
#define STATUS_BEGUN     (~1ull)

static bool enters_vmx(const struct handoff *h)
{
    return h->info->can_vmx && (h->op == HANDOFF_LAUNCH || h->op == HANDOFF_REHEARSE);
}

static void run_step(void *arg)
{
    struct step *s = arg;
    s->status = STATUS_BEGUN;
    memory_capture(s->h);
    if (enters_vmx(s->h))
        facts_allow_vmx(s->facts);
    s->status = handoff(s->h);
}

static const char *refusal(const struct handoff *h, u64 status)
{
    switch (status) {
    case HANDOFF_NO_MEMORY:
        return "not enough memory in the reserved region";
    case HANDOFF_NO_VMX:
        return "the core misses a VMX capability";
    case HANDOFF_REFUSED:
        return h->why;
    default:
        return "VMXON failed";
    }
}

/* True when the processor did the step; else *why names the processor, if there are several, and
 * the reason. A processor that began and did not come back may still run in L0's memory, which then
 * stays. It may also end later, so *s does not lie on the stack. */
static bool do_step(struct region *r, const struct machine *m, u32 i, enum handoff_op op,
                    struct line *why)
{
    static struct step s;
    s = (struct step){&r->handoff[i], &m->facts[i], STATUS_NOT_BEGUN};
    s.h->op = op;
    const char *no = cpus_call(&m->cpus, i, run_step, &s);
    if (!no && s.status == HANDOFF_OK)
        return true;
    line_clear(why);
    if (s.h->info->cpu_count > 1)
        cpus_name(&m->cpus, i, why);
    line_add(why, no ? no : refusal(s.h, s.status));
    r->stays |= s.status == STATUS_BEGUN;
    if (r->stays)
        line_add(why, "; reset this machine, as it may still run in L0");
    return false;
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
    return do_step(r, m, 0, HANDOFF_SETTLE, why);
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
    memory_release(r);
    return false;
}

bool nidus_rehearse(struct region *r, const struct machine *m, struct line *why)
{
    bool ok = make_ready(r, m, why);
    for (u32 i = r->handoff->info->cpu_count; ok && i; i--)
        ok = do_step(r, m, i - 1, HANDOFF_REHEARSE, why);
    memory_release(r);
    return ok;
}
