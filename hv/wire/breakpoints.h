/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The debugger's breakpoints and watchpoints, as the debug registers that they become. Pure.
 * SDM 3B 18.2.4 "Debug Control Register (DR7)"
 */
#ifndef HV_WIRE_BREAKPOINTS_H
#define HV_WIRE_BREAKPOINTS_H

#include "hv/wire/packet.h"

#define GDB_BREAKPOINTS 4u /* what a processor has */

struct gdb_breakpoint {
    bool used;
    u32 level; /* the level in which it stops: 1 or 2 */
    u32 type, length;
    u64 address;
    bool away; /* removed, and not forgotten: put back, it is for the same level */
};

/* Does GDB_INSERT, for this level, or GDB_REMOVE. gdb removes all its breakpoints at each stop and
 * puts them back before it goes on, in whatever level that is. False: there is no place for it, or
 * the processor cannot watch that. */
bool breakpoints_change(struct gdb_breakpoint all[GDB_BREAKPOINTS], u32 level,
                        const struct gdb_command *c) MUST_CHECK;
/* What is not put back by now is gone. */
void breakpoints_forget(struct gdb_breakpoint all[GDB_BREAKPOINTS]);
/* The debug registers of a level; with level 0 none is the debugger's. `target`: where a step ends,
 * which takes the last register; 0: nowhere. Returns DR7, which is DR7_RESET when none is set. */
u64 breakpoints_registers(const struct gdb_breakpoint all[GDB_BREAKPOINTS], u32 level, u64 target,
                          u64 dr[GDB_BREAKPOINTS]);
/* True when one stops at this instruction, in any level. */
bool breakpoints_at(const struct gdb_breakpoint all[GDB_BREAKPOINTS], u64 rip);

#endif
