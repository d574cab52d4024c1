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
enum { PATIENCE = 200000, PACKET_PATIENCE = 2000000 };

static bool open(void)
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

bool line_open(u32 *state)
{
    enum { UNTRIED, TRYING, OPEN, ABSENT };
    u32 untried = UNTRIED;
    if (__atomic_compare_exchange_n(state, &untried, TRYING, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        __atomic_store_n(state, open() ? OPEN : ABSENT, __ATOMIC_RELEASE);
    while (__atomic_load_n(state, __ATOMIC_ACQUIRE) == TRYING)
        __builtin_ia32_pause();
    return __atomic_load_n(state, __ATOMIC_ACQUIRE) == OPEN;
}

bool line_ready(void)
{
    return any(inb(COM2 + LSR), LSR_DATA);
}

/* The next byte, whenever it comes. */
static u8 read(void)
{
    while (!line_ready())
        __builtin_ia32_pause();
    return inb(COM2 + DATA);
}

/* The next byte, when it comes while there is patience left. */
static bool read_soon(u8 *byte, u32 *patience)
{
    for (; *patience; --*patience)
        if (line_ready()) {
            *byte = inb(COM2 + DATA);
            return true;
        }
    return false;
}

/* A packet has PACKET_PATIENCE for all of its bytes: some two seconds, so that a line that drips
 * costs no more. */
enum gdb_event line_hear(struct gdb_parser *p)
{
    u8 byte = read();
    u32 patience = PACKET_PATIENCE;
    enum gdb_event e = gdb_feed(p, byte);
    while (e == GDB_NOTHING && gdb_in_packet(p))
        e = read_soon(&byte, &patience) ? gdb_feed(p, byte) : GDB_GARBAGE;
    return e;
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
