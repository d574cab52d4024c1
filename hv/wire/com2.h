/* SPDX-License-Identifier: BSD-2-Clause */
/* COM2 as the debugger's line. L0 owns it alone: L1's accesses exit, and find no receiver. */
#ifndef HV_WIRE_COM2_H
#define HV_WIRE_COM2_H

#include "hv/core/uart.h"
#include "hv/wire/packet.h"

#define COM2_PORTS 8u

/* 115200 baud, no interrupts, empty queues, by the first processor that comes; 0 is the state
 * before. False: no UART is there. */
bool line_open(u32 *state) MUST_CHECK;
/* True when a byte has come. */
bool line_ready(void);
/* What the next byte makes of the parser, with the rest of its packet if it begins one. A packet
 * that does not end soon is GDB_GARBAGE: noise on the line costs its time, and no more. */
enum gdb_event line_hear(struct gdb_parser *p);
void line_put(char c);
/* Sends the text as a packet. */
void line_send(const struct gdb_text *text);
/* What L1 reads at a port: a transmitter that is always ready, and never a byte. */
u8 line_hidden_byte(u64 port);

#endif
