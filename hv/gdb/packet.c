/* The remote protocol's packets and commands. Contract in packet.h. */
#include "hv/gdb/packet.h"

enum state { IDLE, TEXT, SUM_HIGH, SUM_LOW };

#define CTRL_C 3

/* The value of a hexadecimal digit, or 16. */
static u8 digit(u8 c)
{
    if (c >= '0' && c <= '9')
        return (u8)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (u8)(c - 'a' + 10) : 16;
}

bool gdb_in_packet(const struct gdb_parser *p)
{
    return p->state != IDLE;
}

static enum gdb_event forget(struct gdb_parser *p)
{
    p->state = IDLE;
    p->len = 0;
    p->text[0] = 0;
    return GDB_GARBAGE;
}

static enum gdb_event take(struct gdb_parser *p, u8 byte)
{
    if (byte == '#') {
        p->state = SUM_HIGH;
        return GDB_NOTHING;
    }
    if (p->len == GDB_PACKET_MAX || byte == 0)
        return forget(p);
    p->text[p->len++] = (char)byte;
    p->text[p->len] = 0;
    p->sum = (u8)(p->sum + byte);
    return GDB_NOTHING;
}

enum gdb_event gdb_feed(struct gdb_parser *p, u8 byte)
{
    if (byte == '$') { /* a packet begins anew wherever its '$' is: nothing else may hold one */
        p->state = TEXT;
        p->len = p->sum = 0;
        p->text[0] = 0;
        return GDB_NOTHING;
    }
    switch ((enum state)p->state) {
    case IDLE:
        return byte == CTRL_C ? GDB_BREAK : GDB_NOTHING;
    case TEXT:
        return take(p, byte);
    case SUM_HIGH:
    case SUM_LOW:
        break;
    }
    u8 d = digit(byte);
    if (d > 15)
        return forget(p);
    p->told = (u8)(p->told << 4 | d);
    if (p->state == SUM_HIGH) {
        p->state = SUM_LOW;
        return GDB_NOTHING;
    }
    if (p->told != p->sum)
        return forget(p);
    p->state = IDLE;
    return GDB_PACKET;
}

bool gdb_number(const char **at, u64 *v)
{
    u32 n = 0;
    for (*v = 0; digit((u8) * *at) < 16; ++*at, n++) {
        if (n == 16)
            return false;
        *v = *v << 4 | digit((u8) * *at);
    }
    return n > 0;
}

/* True when the text begins with the word; *rest is then behind it. */
static bool begins(const char *text, const char *word, const char **rest)
{
    while (*word)
        if (*text++ != *word++)
            return false;
    *rest = text;
    return true;
}

/* "ADDRESS,LENGTH", to the end of the packet or to a ';' (conditions are not ours). */
static bool pair(const char *at, struct gdb_command *c)
{
    if (!gdb_number(&at, &c->address) || *at++ != ',' || !gdb_number(&at, &c->length))
        return false;
    return *at == 0 || *at == ';';
}

static void breakpoint(const char *at, struct gdb_command *c, enum gdb_kind kind)
{
    u64 type;
    bool ok = gdb_number(&at, &type) && type <= 4 && *at++ == ',' && pair(at, c);
    c->kind = ok ? kind : GDB_BAD;
    c->type = ok ? (u32)type : 0;
}

static void monitor(const char *at, struct gdb_command *c)
{
    u32 n = 0;
    c->kind = GDB_BAD;
    for (; *at; at += 2) {
        u8 high = digit((u8)at[0]), low = high < 16 ? digit((u8)at[1]) : 16;
        u8 byte = (u8)(high << 4 | low);
        if (low > 15 || n == sizeof c->words - 1 || byte < ' ' || byte > '~')
            return;
        c->words[n++] = (char)byte;
    }
    c->kind = GDB_MONITOR;
}

static void query(const char *text, struct gdb_command *c)
{
    const char *rest;
    if (begins(text, "qSupported", &rest))
        c->kind = GDB_SUPPORTED;
    else if (begins(text, "QStartNoAckMode", &rest) && !*rest)
        c->kind = GDB_NO_ACK;
    else if (begins(text, "qAttached", &rest))
        c->kind = GDB_ATTACHED;
    else if (begins(text, "qXfer:features:read:target.xml:", &rest))
        c->kind = pair(rest, c) ? GDB_FEATURES : GDB_BAD;
    else if (begins(text, "qRcmd,", &rest))
        monitor(rest, c);
}

void gdb_parse(const char *text, struct gdb_command *c)
{
    *c = (struct gdb_command){.kind = GDB_UNKNOWN};
    switch (text[0]) {
    case '?':
        c->kind = GDB_WHY;
        return;
    case 'g':
        c->kind = GDB_REGISTERS;
        return;
    case 'm':
        c->kind = pair(text + 1, c) ? GDB_MEMORY : GDB_BAD;
        return;
    case 'G':
    case 'M':
    case 'P':
    case 'X':
        c->kind = GDB_WRITE;
        return;
    case 'c':
        c->kind = text[1] ? GDB_BAD : GDB_CONTINUE; /* elsewhere would change RIP */
        return;
    case 's':
        c->kind = text[1] ? GDB_BAD : GDB_STEP;
        return;
    case 'Z':
        breakpoint(text + 1, c, GDB_INSERT);
        return;
    case 'z':
        breakpoint(text + 1, c, GDB_REMOVE);
        return;
    case 'H':
        c->kind = GDB_THREAD;
        return;
    case 'D':
        c->kind = GDB_DETACH;
        return;
    case 'k':
        c->kind = GDB_KILL;
        return;
    case 'q':
    case 'Q':
        query(text, c);
        return;
    default:
        return;
    }
}

/* ---- replies ------------------------------------------------------------------------------- */

void gdb_clear(struct gdb_text *t)
{
    t->len = 0;
    t->text[0] = 0;
}

static void add_char(struct gdb_text *t, char c)
{
    if (t->len + 1 >= GDB_REPLY_MAX)
        return;
    t->text[t->len++] = c;
    t->text[t->len] = 0;
}

void gdb_add(struct gdb_text *t, const char *s)
{
    while (*s)
        add_char(t, *s++);
}

void gdb_add_byte(struct gdb_text *t, u8 v)
{
    add_char(t, "0123456789abcdef"[v >> 4]);
    add_char(t, "0123456789abcdef"[v & 15]);
}

void gdb_add_hex(struct gdb_text *t, u64 v)
{
    int shift = 60;
    while (shift && !(v >> shift))
        shift -= 4;
    gdb_add(t, "0x");
    for (; shift >= 0; shift -= 4)
        add_char(t, "0123456789abcdef"[v >> shift & 15]);
}

void gdb_add_number(struct gdb_text *t, u64 v)
{
    char digits[20];
    u32 n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n)
        add_char(t, digits[--n]);
}

void gdb_add_register(struct gdb_text *t, u64 v, u32 size)
{
    for (u32 i = 0; i < size; i++)
        gdb_add_byte(t, (u8)(i < 8 ? v >> (8 * i) : 0));
}

u8 gdb_checksum(const struct gdb_text *t)
{
    u8 sum = 0;
    for (u32 i = 0; i < t->len; i++)
        sum = (u8)(sum + (u8)t->text[i]);
    return sum;
}
