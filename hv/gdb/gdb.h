/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A debugger on a serial line: gdb=com2. The stub stops L1 and L2, reads registers and memory of
 * the level that is chosen, sets breakpoints and steps; it writes nothing of a guest's. While it is
 * there, COM2 is L0's, and L1 finds no receiver behind its ports. A processor is a thread of the
 * debugger's. All that a stop needs is put into the VMCS right before an entry and taken out right
 * behind the exit (gdb_before, gdb_after), so the rest of L0 never sees it.
 */
#ifndef HV_GDB_GDB_H
#define HV_GDB_GDB_H

#include "hv/vmx/vmx.h"

/* Takes the memory. NULL, or why there can be no debugger. @pre vm->facts */
const char *gdb_reserve(struct vm *vm, const struct boot_info *info);
/* Takes the line. @pre vmcs01 is current */
void gdb_start(struct cpu *cpu);

/* Before an entry: listens to the line, serves the debugger while the guest is stopped, and makes
 * the current VMCS stop where it is asked to. */
void gdb_before(struct cpu *cpu);
/* Behind it: puts the VMCS right again. True when the exit was the debugger's alone; it has then
 * been answered. */
bool gdb_after(struct cpu *cpu, enum vmx_enter how);

/* L0 has panicked on this processor: the debugger looks at L0, for ever. */
void gdb_panic(struct cpu *cpu) NORETURN;

#endif
