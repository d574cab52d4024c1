/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of hv/gdb share. */
#ifndef HV_GDB_PRIVATE_H
#define HV_GDB_PRIVATE_H

#include "hv/gdb/gdb.h"
#include "hv/nested/nested.h"
#include "hv/wire/com2.h"

#define GDB_BREAKPOINTS 4u
enum { SIGNAL_INT = 2, SIGNAL_TRAP = 5 };

struct gdb_breakpoint {
    bool used;
    u32 level; /* the level in which it stops: 1 or 2 */
    u32 type, length;
    u64 address;
};

/* What else stops the guest, once: "monitor until". */
enum gdb_until { UNTIL_NOTHING, UNTIL_L2, UNTIL_L1, UNTIL_REFUSED };

/* What the current VMCS and the processor held before gdb_before changed them. */
struct gdb_held {
    bool armed, breakpoints, host_rip, trap_flag;
    u64 pin_ctl, cpu1_ctl, exception_bitmap, rflags, rip, blocking, dr7, dr[4];
};

struct gdb {
    hpa_t io_bitmaps_hpa;
    bool attached, no_ack;           /* attached: a debugger has spoken */
    bool stopped, stepping, passing; /* passing: one instruction without breakpoints */
    u32 signal, step_in_l2, level;   /* level: the one that is looked at; 0: the one that runs */
    enum gdb_until until;
    /* Where a step began; the breakpoint that ends the step under way, or 0; packets that were
     * none. */
    u64 step_rip, target, lost;
    struct gdb_breakpoint breakpoint[GDB_BREAKPOINTS];
    struct gdb_held held;
    struct gdb_parser parser;
    struct gdb_command command;
    struct gdb_text reply, line;
    struct vmcs_image image; /* monitor vmcs12, why */
};

/* ---- hidden.c ---- */

/* Does L1's access to a port of COM2 as if nothing were behind it. False: it is another port.
 * @pre the exit in cpu->exit is an I/O instruction's */
bool gdb_hide_line(struct cpu *cpu);

/* ---- memory.c: a level's memory by linear address; nothing is marked accessed ---- */
struct gdb_walk {
    struct cpu *cpu;
    bool l2;
    struct gdb_text *told; /* every entry that is read is told here, and sent; NULL: silently */
};
/* The level that is looked at: 1 or 2; 0 when it is L2 and no L2 runs. */
u32 gdb_level(const struct cpu *cpu);
/* Where the byte is in L1's memory. False: it is nowhere. */
bool gdb_place(const struct gdb_walk *w, u64 address, gpa1_t *at) MUST_CHECK;
/* Copies up to n bytes; returns how many there were. */
u32 gdb_read(const struct gdb_walk *w, u64 address, u8 *to, u32 n);

/* ---- step.c ---- */

/* The address at which a breakpoint ends the next step; 0: RFLAGS.TF does. */
u64 step_target(struct cpu *cpu);

/* ---- answer.c, monitor.c ---- */

/* Answers the command of the last packet. The guest goes on when g->stopped is then false. */
void gdb_answer(struct cpu *cpu);
void gdb_monitor(struct cpu *cpu);
/* Sends the line that is in t to the person, and clears it. */
void gdb_say(struct gdb_text *t);
/* The same, with " = VALUE" behind it. */
void gdb_say_value(struct gdb_text *t, u64 v);

#endif
