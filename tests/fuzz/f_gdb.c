/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile debugger's line: any bytes. A packet is reported only with its right checksum, its text
 * is a string, and whatever the text is, the command is within its bounds.
 */
#include "tests/fuzz/fuzz.h"
#include "hv/wire/packet.h"

#include <string.h>

static void check_command(const char *text)
{
    struct gdb_command c;
    gdb_parse(text, &c);
    demand(memchr(c.words, 0, sizeof c.words) != NULL);
    demand(c.type <= 4);
    demand(c.kind <= GDB_MONITOR);
}

static void check_packet(const struct gdb_parser *p)
{
    u8 sum = 0;
    demand(p->len <= GDB_PACKET_MAX && strlen(p->text) == p->len);
    for (u32 i = 0; i < p->len; i++)
        sum = (u8)(sum + (u8)p->text[i]);
    demand(sum == p->told && !gdb_in_packet(p));
    check_command(p->text);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct gdb_parser p;
    char text[GDB_PACKET_MAX + 1] = {0};
    p = (struct gdb_parser){0};
    for (size_t i = 0; i < size; i++)
        if (gdb_feed(&p, data[i]) == GDB_PACKET)
            check_packet(&p);
    memcpy(text, data, size < GDB_PACKET_MAX ? size : GDB_PACKET_MAX);
    check_command(text);
    return 0;
}
