/* COM2, which is L0's while the debugger is there. The parts of private.h that touch it. */
#include "hv/gdb/private.h"
#include "hv/core/privileged.h"

enum { COM2 = 0x2f8, DATA = 0, IER = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCRATCH = 7 };
enum {
    LCR_8N1 = 3,
    LCR_DIVISOR = 0x80,
    FCR_FRESH = 7,
    MCR_READY = 3,
    LSR_DATA = 1,
    LSR_ROOM = 0x20
};
enum { PATIENCE = 200000 };

/* 115200 baud, no interrupts, empty queues. False: no UART is there. */
bool line_open(void)
{
    outb(COM2 + SCRATCH, 0x5a);
    if (inb(COM2 + SCRATCH) != 0x5a)
        return false;
    outb(COM2 + LCR, LCR_DIVISOR);
    outb(COM2 + DATA, 1);
    outb(COM2 + IER, 0);
    outb(COM2 + LCR, LCR_8N1);
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

bool line_read_soon(u8 *byte)
{
    for (u32 i = 0; i < PATIENCE; i++)
        if (line_ready()) {
            *byte = inb(COM2 + DATA);
            return true;
        }
    return false;
}

void line_put(char c)
{
    for (u32 i = 0; i < PATIENCE && !any(inb(COM2 + LSR), LSR_ROOM); i++)
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

/* What L1 reads: a transmitter that is always ready, and never a byte. */
static u8 hidden_byte(u64 port)
{
    switch (port) {
    case COM2 + FCR:
        return 1; /* no interrupt is pending */
    case COM2 + LCR:
        return LCR_8N1;
    case COM2 + LSR:
        return LSR_ROOM | LSR_ROOM << 1;
    case COM2 + MSR:
        return 0xb0;
    default:
        return port < COM2 || port > COM2 + SCRATCH ? 0xff : 0;
    }
}

/* SDM 3C 28.2.1 "Basic VM-Exit Information": bits 2:0 the size less 1, 3 IN, 4 string, 5 REP, 31:16
 * the port. A string instruction moves nothing, and a repeated one is over at once. */
void line_hidden(struct cpu *cpu)
{
    u64 qual = cpu->exit.qual, port = qual >> 16 & 0xffff, value = 0;
    u32 size = (u32)(qual & 7) + 1;
    if (any(qual, BIT(4))) {
        if (any(qual, BIT(5)))
            cpu->regs.gpr[REG_RCX] = 0;
    } else if (any(qual, BIT(3))) {
        for (u32 i = 0; i < size; i++)
            value |= (u64)hidden_byte(port + i) << (8 * i);
        u64 keep = size < 4 ? ~(BIT(8 * size) - 1) : 0;
        cpu->regs.gpr[REG_RAX] = (cpu->regs.gpr[REG_RAX] & keep) | value;
    }
    exit_advance(cpu);
}
