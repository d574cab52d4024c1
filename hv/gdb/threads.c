/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processors as the debugger's threads. When one stops, all do, each at its next exit; while a
 * guest runs, the preemption timer sees to that. One of them, the owner, serves the line; what the
 * debugger asks about another thread, that thread's processor answers, as the owner from then on.
 * So a processor reads no VMCS but its own. A processor that is not there (it waits for a SIPI, or
 * has panicked) is a thread whose registers are not known.
 */
#include "hv/gdb/private.h"
#include "hv/autopsy/autopsy.h"

#define POLL_PATIENCE 20000000u /* looks at a processor that is about to park */

static u32 number_of(const struct cpu *cpu)
{
    return cpu->percpu.id + 1;
}

static u32 load(const u32 *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(u32 *word, u32 v)
{
    __atomic_store_n(word, v, __ATOMIC_RELEASE);
}

void gdb_pend(struct gdb *g, u32 signal, u64 watched)
{
    g->pending = true;
    if (!g->stepping) /* a step over a breakpoint, behind which gdb goes on, is no end of it */
        g->until = UNTIL_NOTHING;
    g->stepping = g->passing = false;
    g->signal = signal;
    g->watched = watched;
    g->level = 0;
}

void gdb_add_stop(const struct cpu *cpu, struct gdb_text *t)
{
    const struct gdb *g = cpu->gdb;
    gdb_add(t, g->signal == SIGNAL_INT ? "T02thread:" : "T05thread:");
    gdb_add_byte(t, (u8)number_of(cpu));
    gdb_add(t, ";");
    if (g->watched) {
        gdb_add(t, "watch:");
        gdb_add_register(t, __builtin_bswap64(g->watched), 8);
        gdb_add(t, ";");
    }
}

/* ---- rest ------------------------------------------------------------------------------------*/

static void tell_stop(struct cpu *cpu)
{
    struct gdb_session *all = cpu->gdb->all;
    cpu->gdb->pending = false;
    all->stepper = 0;
    store(&all->stopped, true);
    gdb_clear(&all->reply);
    gdb_add_stop(cpu, &all->reply);
    if (all->attached)
        line_send(&all->reply);
}

static void answer(struct cpu *cpu)
{
    struct gdb_session *all = cpu->gdb->all;
    if (all->parser.text[0] == 'q' && all->parser.text[1] == 'S') /* another debugger begins */
        all->no_ack = false;
    if (!all->no_ack)
        line_put('+');
    all->attached = true;
    all->stepper = 0;
    cpu->gdb->stepping = false;
    store(&all->stopped, true);
    gdb_answer(cpu);
}

static void hear(struct cpu *cpu)
{
    struct gdb_session *all = cpu->gdb->all;
    enum gdb_event e = line_hear(&all->parser);
    if (e == GDB_BREAK && all->attached && (!all->stopped || all->stepper))
        gdb_pend(cpu->gdb, SIGNAL_INT, 0);
    else if (e == GDB_GARBAGE) {
        all->parser = (struct gdb_parser){0};
        all->lost++;
        if (!all->no_ack)
            line_put('-');
    } else if (e == GDB_PACKET) {
        answer(cpu);
    }
}

static bool rests(const struct cpu *cpu)
{
    const struct gdb *g = cpu->gdb;
    if (g->pending || (load(&g->all->stopped) && load(&g->all->stepper) != number_of(cpu)))
        return true;
    return line_ready();
}

/* True when this processor is the owner, or is now. */
static bool owns(struct cpu *cpu)
{
    struct gdb_session *all = cpu->gdb->all;
    u32 nobody = 0, me = number_of(cpu);
    return load(&all->owner) == me ||
           (!load(&all->stopped) &&
            __atomic_compare_exchange_n(&all->owner, &nobody, me, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED));
}

bool gdb_rest(struct cpu *cpu)
{
    struct gdb_session *all = cpu->gdb->all;
    bool served = false;
    for (; rests(cpu); __builtin_ia32_pause()) {
        store(&cpu->gdb->parked, true);
        if (!owns(cpu))
            continue;
        served = true;
        if (cpu->gdb->pending)
            tell_stop(cpu);
        else if (load(&all->stopped) || line_ready())
            hear(cpu);
        if (!load(&all->stopped) && load(&all->owner) == number_of(cpu))
            store(&all->owner, 0);
    }
    store(&cpu->gdb->parked, false);
    return served;
}

void gdb_resume(struct cpu *cpu, bool leaves)
{
    struct gdb_session *all = cpu->gdb->all;
    for (u32 i = 0; leaves && i < cpu->vm->cpu_count; i++) {
        struct gdb *g = cpu->vm->cpu[i]->gdb;
        g->stepping = g->pending = false;
        g->until = UNTIL_NOTHING;
    }
    for (u32 i = 0; leaves && i < GDB_BREAKPOINTS; i++)
        all->breakpoint[i] = (struct gdb_breakpoint){0};
    if (leaves)
        all->attached = all->no_ack = false;
    store(&all->stopped, false);
}

/* Takes the line by force: who has it is waiting there, or this processor. */
void gdb_panic(struct cpu *cpu)
{
    struct gdb_session *all = cpu->gdb->all;
    struct autopsy a = {all->attached, all->no_ack, &all->parser, &all->command, &all->reply};
    store(&all->owner, number_of(cpu));
    autopsy(cpu, &a);
}

/* ---- commands --------------------------------------------------------------------------------*/

/* Gives the line to the thread's processor; 0 and all ones mean any. False: it is not here. */
static bool give(struct cpu *cpu, u64 thread)
{
    struct gdb_session *all = cpu->gdb->all;
    if (thread - 1 >= cpu->vm->cpu_count)
        return thread + 1 <= 1;
    const struct gdb *g = cpu->vm->cpu[thread - 1]->gdb;
    for (u32 i = 0; i < POLL_PATIENCE && !load(&g->parked); i++)
        __builtin_ia32_pause();
    if (load(&g->parked))
        store(&all->owner, (u32)thread);
    return load(&g->parked);
}

static void add_threads(const struct cpu *cpu, struct gdb_text *t)
{
    for (u32 i = 0; i < cpu->vm->cpu_count; i++) {
        gdb_add(t, i ? "," : "m");
        gdb_add_byte(t, (u8)(i + 1));
    }
}

/* In hexadecimal, as a person reads it. */
static void add_what_it_is(const struct cpu *cpu, u64 thread, struct gdb_text *t)
{
    if (thread == 0 || thread > cpu->vm->cpu_count)
        return;
    const struct cpu *of = cpu->vm->cpu[thread - 1];
    const char *s = !load(&of->gdb->parked) ? "not here" : of->in_l2 ? "in L2" : "in L1";
    while (*s)
        gdb_add_byte(t, (u8)*s++);
}

bool gdb_thread(struct cpu *cpu, const struct gdb_command *c, struct gdb_text *t)
{
    /* clang-format off */
    switch (c->kind) {
    case GDB_THREAD:  gdb_add(t, give(cpu, c->address) ? "OK" : "E01"); return true;
    case GDB_ALIVE:   gdb_add(t, c->address - 1 < cpu->vm->cpu_count ? "OK" : "E01"); return true;
    case GDB_THREADS: add_threads(cpu, t); return true;
    case GDB_NO_MORE: gdb_add(t, "l"); return true;
    case GDB_CURRENT: gdb_add(t, "QC"); gdb_add_byte(t, (u8)number_of(cpu)); return true;
    case GDB_THREAD_INFO: add_what_it_is(cpu, c->address, t); return true;
    default:          return false;
    }
    /* clang-format on */
}
