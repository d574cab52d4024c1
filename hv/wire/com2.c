/* SPDX-License-Identifier: BSD-2-Clause */
/* COM2 as the debugger's line. Contract in com2.h. */
#include "hv/wire/com2.h"

enum {
    COM2 = UART_COM2,
    DATA = 0,
    IER = 1,
    FCR = 2,
    LCR = UART_LCR,
    MCR = 4,
    LSR = UART_LSR,
    SCRATCH = 7
};
enum {
    LCR_DIVISOR = 0x80,
    FCR_FRESH = 7,
    MCR_READY = 3,
    LSR_DATA = 1,
};
enum { PATIENCE = 200000 };

bool line_open(void)
{
    outb(COM2 + SCRATCH, 0x5a);
    if (inb(COM2 + SCRATCH) != 0x5a)
        return false;
    outb(COM2 + LCR, LCR_DIVISOR);
    outb(COM2 + DATA, 1);
    outb(COM2 + IER, 0);
    outb(COM2 + LCR, UART_LCR_8N1);
    outb(COM2 + IER, 0);
    outb(COM2 + FCR, FCR_FRESH);
    outb(COM2 + MCR, MCR_READY);
    return true;
}

bool line_ready(void)
{
    return any(inb(COM2 + LSR), LSR_DATA);
}

u8 line_read(void)
{
    while (!line_ready())
        __builtin_ia32_pause();
    return inb(COM2 + DATA);
}

bool line_read_soon(u8 *byte, u32 *patience)
{
    for (; *patience; --*patience)
        if (line_ready()) {
            *byte = inb(COM2 + DATA);
            return true;
        }
    return false;
}

void line_put(char c)
{
    for (u32 i = 0; i < PATIENCE && !uart_has_room(COM2); i++)
        __builtin_ia32_pause();
    outb(COM2 + DATA, (u8)c);
}

void line_send(const struct gdb_text *reply)
{
    u8 sum = gdb_checksum(reply);
    line_put('$');
    for (u32 i = 0; i < reply->len; i++)
        line_put(reply->text[i]);
    line_put('#');
    line_put("0123456789abcdef"[sum >> 4]);
    line_put("0123456789abcdef"[sum & 15]);
}

u8 line_hidden_byte(u64 port)
{
    static const u8 seen[] = {0,    0, 1, UART_LCR_8N1, 0, UART_LSR_ROOM | UART_LSR_ROOM << 1,
                              0xb0, 0};
    return port - COM2 < sizeof seen ? seen[port - COM2] : 0xff;
}
