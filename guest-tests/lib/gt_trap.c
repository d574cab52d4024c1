/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens on a vector: a test's hook, else the armed GT_TRY, else the test is stopped with
 * a FAIL line. The stubs are in gt_trap.asm.
 */
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/gt_private.h"

enum { EXCEPTIONS = 32, VECTOR_PF = 14 };

volatile struct gt_exc gt_exc;
volatile struct gt_armed gt_armed;
static gt_hook_fn hooks[256];
static u64 saved_gates[256][2];

static const char *const vector_names[EXCEPTIONS] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#9",  "#TS",
    "#NP", "#SS", "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

const char *gt_vector_name(u64 vector)
{
    static char other[16];

    if (vector < EXCEPTIONS && vector_names[vector] != NULL)
        return vector_names[vector];
    gt_format(other, sizeof other, "vector %lx", vector);
    return other;
}

static bool has_error(u64 vector)
{
    return vector < EXCEPTIONS && (0x00227d00u >> vector & 1);
}

const char *gt_exc_text(void)
{
    static char text[64];
    u64 vector = gt_exc.vector;

    if (vector == GT_NONE)
        return "ok";
    if (has_error(vector))
        gt_format(text, sizeof text, "%s(%lx) rip+%lx", gt_vector_name(vector), gt_exc.error,
                  gt_exc.delta);
    else
        gt_format(text, sizeof text, "%s rip+%lx", gt_vector_name(vector), gt_exc.delta);
    return text;
}

void gt_hook(unsigned vector, gt_hook_fn hook)
{
    bool taken = hooks[vector] != NULL;

    if (hook != NULL && !taken) {
        saved_gates[vector][0] = gt_idt[vector * 2];
        saved_gates[vector][1] = gt_idt[vector * 2 + 1];
        gt_gate_default(vector);
    }
    hooks[vector] = hook;
    if (hook == NULL && taken) {
        gt_idt[vector * 2] = saved_gates[vector][0];
        gt_idt[vector * 2 + 1] = saved_gates[vector][1];
    }
}

void gt_trap_reset(void)
{
    for (unsigned v = 0; v < 256; v++)
        gt_hook(v, NULL);
    gt_armed.start = 0;
}

/* Ring 0 selectors again, whatever the event interrupted. */
static void resume_at(struct gt_frame *f, u64 rip, u64 rsp)
{
    f->rip = rip;
    f->rsp = rsp;
    f->cs = GT_CODE64;
    f->ss = GT_DATA;
}

static void record(const struct gt_frame *f)
{
    gt_exc.vector = f->vector;
    gt_exc.error = f->error;
    gt_exc.cr2 = f->vector == VECTOR_PF ? gt_read_cr2() : 0;
    gt_exc.delta = f->rip - gt_armed.start;
    CopyMem((void *)&gt_exc.frame, (void *)f, sizeof *f);
}

void gt_stop(void)
{
    __asm__ volatile("mov %0, %%rsp\n\tjmp gt_guard_out" : : "r"(gt_guard_rsp) : "memory");
    __builtin_unreachable();
}

void gt_trap(struct gt_frame *f)
{
    gt_hook_fn hook = hooks[f->vector];

    if (hook != NULL && hook(f))
        return;
    if (gt_armed.start != 0 && f->vector < EXCEPTIONS) {
        record(f);
        resume_at(f, gt_armed.resume, gt_armed.rsp);
        f->rflags &= ~0x100ul; /* TF: the resumed code is not the one being stepped */
        return;
    }
    gt_fail("stopped: %s error %lx cs %lx rip gt_stubs%c%lx cr2 %lx", gt_vector_name(f->vector),
            f->error, f->cs, f->rip < (u64)gt_stubs ? '-' : '+',
            f->rip < (u64)gt_stubs ? (u64)gt_stubs - f->rip : f->rip - (u64)gt_stubs,
            gt_read_cr2());
    resume_at(f, (u64)gt_guard_out, gt_guard_rsp);
    f->rflags &= ~0x4100ul; /* TF, NT */
}
