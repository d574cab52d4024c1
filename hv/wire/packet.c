/* SPDX-License-Identifier: BSD-2-Clause */
/* The remote protocol's packets and commands. Contract in packet.h. */
#include "hv/wire/packet.h"

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

static bool breakpoint(const char *at, struct gdb_command *c)
{
    u64 type;
    bool ok = gdb_number(&at, &type) && type <= 4 && *at++ == ',' && pair(at, c);
    c->type = ok ? (u32)type : 0;
    return ok;
}

static bool words(const char *at, struct gdb_command *c)
{
    u32 n = 0;
    for (; *at; at += 2) {
        u8 high = digit((u8)at[0]), low = high < 16 ? digit((u8)at[1]) : 16;
        u8 byte = (u8)(high << 4 | low);
        if (low > 15 || n == sizeof c->words - 1 || byte < ' ' || byte > '~')
            return false;
        c->words[n++] = (char)byte;
    }
    return true;
}

static bool thread(const char *at, struct gdb_command *c)
{
    bool all = at[0] == '-' && at[1] == '1' && at[2] == 0;
    c->address = all ? ~0ull : 0;
    return all || (gdb_number(&at, &c->address) && *at == 0);
}

enum operands { ANY, NOTHING, PAIR, BREAKPOINT, WORDS, THREAD };

/* clang-format off */
static const struct {
    char begins[32];
    u8 kind, operands;
} commands[] = {
    {"?", GDB_WHY, ANY},         {"g", GDB_REGISTERS, ANY},      {"m", GDB_MEMORY, PAIR},
    {"G", GDB_WRITE, ANY},       {"M", GDB_WRITE, ANY},          {"P", GDB_WRITE, ANY},
    {"X", GDB_WRITE, ANY},       {"c", GDB_CONTINUE, NOTHING},   {"s", GDB_STEP, NOTHING},
    {"Z", GDB_INSERT, BREAKPOINT}, {"z", GDB_REMOVE, BREAKPOINT}, {"Hg", GDB_THREAD, THREAD},
    {"D", GDB_DETACH, ANY},      {"k", GDB_KILL, ANY},           {"qSupported", GDB_SUPPORTED, ANY},
    {"QStartNoAckMode", GDB_NO_ACK, NOTHING},                    {"qAttached", GDB_ATTACHED, ANY},
    {"Hc", GDB_THREAD, THREAD},  {"T", GDB_ALIVE, THREAD},
    {"qThreadExtraInfo,", GDB_THREAD_INFO, THREAD},
    {"qfThreadInfo", GDB_THREADS, NOTHING},  {"qsThreadInfo", GDB_NO_MORE, NOTHING},
    {"qC", GDB_CURRENT, NOTHING},
    {"qXfer:features:read:target.xml:", GDB_FEATURES, PAIR},     {"qRcmd,", GDB_MONITOR, WORDS},
};
/* clang-format on */

static bool operands(enum operands how, const char *at, struct gdb_command *c)
{
    switch (how) {
    case ANY:
        return true;
    case NOTHING:
        return *at == 0;
    case PAIR:
        return pair(at, c);
    case BREAKPOINT:
        return breakpoint(at, c);
    case WORDS:
        return words(at, c);
    case THREAD:
        return thread(at, c);
    }
    return false;
}

void gdb_parse(const char *text, struct gdb_command *c)
{
    const char *rest;
    *c = (struct gdb_command){.kind = GDB_UNKNOWN};
    for (u32 i = 0; i < ARRAY_LEN(commands); i++) {
        if (!begins(text, commands[i].begins, &rest))
            continue;
        bool ok = operands(commands[i].operands, rest, c);
        c->kind = ok ? commands[i].kind : GDB_BAD;
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
