/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gdb= when L0 itself panics: the debugger sees L0 on the processor that panicked, its registers
 * and its memory, with the symbols of build/core.elf. Nothing goes on from there.
 */
#ifndef HV_AUTOPSY_AUTOPSY_H
#define HV_AUTOPSY_AUTOPSY_H

#include "hv/vmx/vmx.h"
#include "hv/wire/packet.h"

/* The line as the debugger left it. */
struct autopsy {
    bool attached, no_ack;
    struct gdb_parser *parser;
    struct gdb_command *command;
    struct gdb_text *reply;
};

/* Serves the debugger for ever. @pre the processor is to be stopped; L0's page tables are whole */
void autopsy(struct cpu *cpu, struct autopsy *a) NORETURN;

#endif
