/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The debugger's remote protocol as values: bytes in, packets and commands out, and text for the
 * replies. The bytes come from a line that anybody may write to, so nothing here trusts them. Pure:
 * the host tests and the fuzzer link packet.c as it is.
 */
#ifndef HV_WIRE_PACKET_H
#define HV_WIRE_PACKET_H

#include "hv/arch/types.h"

#define GDB_PACKET_MAX 1024u /* characters between '$' and '#'; the debugger is told so */
#define GDB_REPLY_MAX  2200u

enum gdb_event {
    GDB_NOTHING, /* the byte is part of something, or nothing at all */
    GDB_PACKET,  /* parser.text is a packet with a right checksum, terminated by a zero */
    GDB_BREAK,   /* Ctrl-C, outside a packet */
    GDB_GARBAGE, /* a packet was too long, or its checksum wrong; it is forgotten */
};

/* All zeros is the state before the first byte. */
struct gdb_parser {
    u32 state;
    u8 sum, told; /* the checksum of the text; what the line says it should be */
    u32 len;
    char text[GDB_PACKET_MAX + 1];
};

enum gdb_event gdb_feed(struct gdb_parser *p, u8 byte);
/* True while the parser is inside a packet. */
bool gdb_in_packet(const struct gdb_parser *p);

enum gdb_kind {
    GDB_UNKNOWN, /* answered by an empty packet, as the protocol wants it */
    GDB_BAD,     /* a known command with operands that are none */
    GDB_WHY,
    GDB_REGISTERS,
    GDB_MEMORY, /* address, length */
    GDB_WRITE,  /* of registers or memory: refused */
    GDB_CONTINUE,
    GDB_STEP,
    GDB_INSERT,      /* type, address, length */
    GDB_REMOVE,      /* the same */
    GDB_THREAD,      /* address: its number; 0 is any, all ones all */
    GDB_ALIVE,       /* the same */
    GDB_THREAD_INFO, /* the same */
    GDB_THREADS,
    GDB_NO_MORE, /* threads than those that GDB_THREADS told */
    GDB_CURRENT,
    GDB_DETACH,
    GDB_KILL,
    GDB_SUPPORTED,
    GDB_NO_ACK,
    GDB_ATTACHED,
    GDB_FEATURES, /* address: the offset in target.xml; length */
    GDB_MONITOR,  /* words */
};

struct gdb_command {
    enum gdb_kind kind;
    u32 type; /* of a breakpoint: 0 and 1 execution, 2 write, 3 read, 4 access */
    u64 address, length;
    char words[64]; /* what the person typed behind "monitor" */
};

/* Reads the text of a packet. */
void gdb_parse(const char *text, struct gdb_command *c);

/* Reads a hexadecimal number of 1 to 16 digits and moves *at behind it. False: there is none. */
bool gdb_number(const char **at, u64 *v) MUST_CHECK;

/* A reply in the making. What does not fit is left out. */
struct gdb_text {
    u32 len;
    char text[GDB_REPLY_MAX];
};
void gdb_clear(struct gdb_text *t);
void gdb_add(struct gdb_text *t, const char *s);
void gdb_add_hex(struct gdb_text *t, u64 v); /* as a person reads it, with 0x */
void gdb_add_number(struct gdb_text *t, u64 v);
void gdb_add_byte(struct gdb_text *t, u8 v);
/* A register of `size` bytes as the protocol has it: the lowest byte first. */
void gdb_add_register(struct gdb_text *t, u64 v, u32 size);
/* target.c: a piece of the description of the registers, as c asks for it. */
void gdb_features(const struct gdb_command *c, struct gdb_text *t);
#define GDB_SUPPORTS "PacketSize=400;QStartNoAckMode+;qXfer:features:read+"
u8 gdb_checksum(const struct gdb_text *t);

#endif
