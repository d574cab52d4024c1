/* SPDX-License-Identifier: BSD-2-Clause */
/* L1's accesses to the ports of COM2, which is the debugger's. */
#include "hv/gdb/private.h"

/* SDM 3C 28.2.1 "Basic VM-Exit Information": bits 2:0 the size less 1, 3 IN, 4 string, 5 REP, 31:16
 * the port. A string instruction moves nothing, and a repeated one is over at once. */
bool gdb_hide_line(struct cpu *cpu)
{
    u64 qual = cpu->exit.qual, port = qual >> 16 & 0xffff, value = 0;
    u32 size = (u32)(qual & 7) + 1;
    if (port + 3 < UART_COM2 || port >= UART_COM2 + COM2_PORTS)
        return false;
    if (any(qual, BIT(4))) {
        if (any(qual, BIT(5)))
            cpu->regs.gpr[REG_RCX] = 0;
    } else if (any(qual, BIT(3))) {
        for (u32 i = 0; i < size; i++)
            value |= (u64)line_hidden_byte(port + i) << (8 * i);
        u64 keep = size < 4 ? ~(BIT(8 * size) - 1) : 0;
        cpu->regs.gpr[REG_RAX] = (cpu->regs.gpr[REG_RAX] & keep) | value;
    }
    exit_advance(cpu);
    return true;
}
