/* SPDX-License-Identifier: BSD-2-Clause */
/* COM2 as the debugger's line. L0 owns it alone: L1's accesses exit, and find no receiver. */
#ifndef HV_WIRE_COM2_H
#define HV_WIRE_COM2_H

#include "hv/core/uart.h"
#include "hv/wire/packet.h"

#define COM2_PORTS 8u

/* 115200 baud, no interrupts, empty queues. False: no UART is there. */
bool line_open(void) MUST_CHECK;
/* True when a byte has come. */
bool line_ready(void);
/* The next byte, whenever it comes. */
u8 line_read(void);
/* The next byte, when it comes while there is patience left. A packet has LINE_PATIENCE for all of
 * its bytes: some two seconds, so that a line that drips costs no more. */
#define LINE_PATIENCE 2000000u
bool line_read_soon(u8 *byte, u32 *patience) MUST_CHECK;
void line_put(char c);
/* Sends the text as a packet. */
void line_send(const struct gdb_text *text);
/* What L1 reads at a port: a transmitter that is always ready, and never a byte. */
u8 line_hidden_byte(u64 port);

#endif
