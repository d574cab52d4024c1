/* SPDX-License-Identifier: BSD-2-Clause */
/* What the log, the trace and the debugger's line share of the 16550 UART. A port is the UART's
 * first. */
#ifndef HV_CORE_UART_H
#define HV_CORE_UART_H

#include "hv/core/privileged.h"

#define UART_COM1     0x3f8u
#define UART_COM2     0x2f8u
#define UART_LCR      3u /* line control */
#define UART_LCR_8N1  3u
#define UART_LSR      5u /* line status */
#define UART_LSR_ROOM 0x20u

/* Sets the line's form, which closes the divisor latch, too. Returns what line control was: L1's,
 * to be written back. */
static inline u8 uart_borrow(u16 port)
{
    u8 lcr = inb(port + UART_LCR);
    outb(port + UART_LCR, UART_LCR_8N1);
    return lcr;
}

/* True when the UART takes a byte. */
static inline bool uart_has_room(u16 port)
{
    return inb(port + UART_LSR) & UART_LSR_ROOM;
}

#endif
