/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of hv/gdb share. */
#ifndef HV_GDB_PRIVATE_H
#define HV_GDB_PRIVATE_H

#include "hv/gdb/gdb.h"
#include "hv/level/level.h"
#include "hv/ports/ports.h"
#include "hv/nested/nested.h"
#include "hv/wire/breakpoints.h"
#include "hv/wire/com2.h"

enum { SIGNAL_INT = 2, SIGNAL_TRAP = 5 };

/* What else stops the guest, once: "monitor until". */
enum gdb_until { UNTIL_NOTHING, UNTIL_L2, UNTIL_L1, UNTIL_REFUSED };

/* What the current VMCS and the processor held before gdb_before changed them. */
struct gdb_held {
    bool armed, breakpoints, host_rip, trap_flag, polls; /* polls: the timer is the debugger's */
    u64 timer;                                           /* the preemption timer's value */
    u64 pin_ctl, cpu1_ctl, exception_bitmap, rflags, rip, blocking, dr7, dr[4];
};

/* What all processors share. The owner has the line, the parser and all that is below it. */
struct gdb_session {
    u32 owner;   /* a processor's number plus 1, or 0 */
    u32 stopped; /* every processor stays in L0 when it gets there; the owner serves the debugger */
    /* stepper: the processor that goes on nevertheless, for one step; as owner. line_state: of
     * line_open. */
    u32 stepper, line_state;
    bool attached, no_ack; /* attached: a debugger has spoken */
    u64 lost;              /* packets that were none */
    struct gdb_breakpoint breakpoint[GDB_BREAKPOINTS];
    struct gdb_parser parser;
    struct gdb_command command;
    struct gdb_text reply, line;
    struct vmcs_image image; /* monitor vmcs12, why */
};

struct gdb {
    struct gdb_session *all;
    u32 parked;             /* this processor stays in L0 */
    bool pending;           /* it has a stop to tell: signal, watched */
    bool stepping, passing; /* passing: one instruction without breakpoints */
    u32 step_in_l2, level;  /* level: the one that is looked at; 0: the one that runs */
    u32 signal;
    enum gdb_until until;
    u32 until_crossings; /* cpu->crossings when it was asked for */
    /* Where a step began; the breakpoint that ends the step under way, or 0; what a watchpoint
     * watched. */
    u64 step_rip, target, watched;
    struct gdb_held held;
    struct ports ports;
};

/* The level that runs. */
static inline u32 gdb_runs(const struct cpu *cpu)
{
    return cpu->in_l2 ? 2 : 1;
}

/* The level that is looked at: 1 or 2; 0 when it is L2 and no L2 runs. */
static inline u32 gdb_level(const struct cpu *cpu)
{
    u32 runs = gdb_runs(cpu), asked = cpu->gdb->level ? cpu->gdb->level : runs;
    return asked <= runs ? asked : 0;
}

/* ---- threads.c: processors as the debugger's threads; thread n is processor n - 1 ---- */

/* The guest is about to be entered: stays here while the machine is stopped, or there is something
 * to tell or to hear. True: this processor has served the debugger. */
bool gdb_rest(struct cpu *cpu);
/* This processor has something to tell. */
void gdb_pend(struct gdb *g, u32 signal, u64 watched);
/* The commands about threads. False: the command is none. */
bool gdb_thread(struct cpu *cpu, const struct gdb_command *c, struct gdb_text *t);
/* The stop as the debugger wants it told. */
void gdb_add_stop(const struct cpu *cpu, struct gdb_text *t);
/* Everything goes on; `leaves`: for good, without the debugger. */
void gdb_resume(struct cpu *cpu, bool leaves);

/* ---- step.c ---- */

/* The address at which a breakpoint ends the next step; 0: RFLAGS.TF does. */
u64 step_target(struct cpu *cpu);

/* ---- answer.c, monitor.c ---- */

/* Answers the command of the last packet. @pre this processor is the owner */
void gdb_answer(struct cpu *cpu);
void gdb_monitor(struct cpu *cpu);
/* Sends the line that is in t to the person, and clears it. */
void gdb_say(struct gdb_text *t);
/* The same, with " = VALUE" behind it. */
void gdb_say_value(struct gdb_text *t, u64 v);

#endif
