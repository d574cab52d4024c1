/* SPDX-License-Identifier: BSD-2-Clause */
/* What the debugger is told about the processor. Contract in packet.h. */
#include "hv/wire/packet.h"

/* The registers of a 64-bit processor without SSE; the FPU's must be named. */
/* clang-format off */
static const char target_xml[] =
    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
    "<architecture>i386:x86-64</architecture><feature name=\"org.gnu.gdb.i386.core\">"
#define R64(name, type) "<reg name=\"" name "\" bitsize=\"64\" type=\"" type "\"/>"
#define R32(name)       "<reg name=\"" name "\" bitsize=\"32\" type=\"int32\"/>"
#define R80(name)       "<reg name=\"" name "\" bitsize=\"80\" type=\"i387_ext\"/>"
    R64("rax", "int64") R64("rbx", "int64") R64("rcx", "int64") R64("rdx", "int64")
        R64("rsi", "int64") R64("rdi", "int64") R64("rbp", "data_ptr") R64("rsp", "data_ptr")
            R64("r8", "int64") R64("r9", "int64") R64("r10", "int64") R64("r11", "int64")
                R64("r12", "int64") R64("r13", "int64") R64("r14", "int64") R64("r15", "int64")
                    R64("rip", "code_ptr") R32("eflags") R32("cs") R32("ss") R32("ds") R32("es")
                        R32("fs") R32("gs") R80("st0") R80("st1") R80("st2") R80("st3") R80("st4")
                            R80("st5") R80("st6") R80("st7") R32("fctrl") R32("fstat") R32("ftag")
                                R32("fiseg") R32("fioff") R32("foseg") R32("fooff")
                                    R32("fop") "</feature></target>";

void gdb_features(const struct gdb_command *c, struct gdb_text *t)
{
    u64 size = sizeof target_xml - 1, from = c->address < size ? c->address : size;
    u64 n = c->length < GDB_PACKET_MAX - 8 ? c->length : GDB_PACKET_MAX - 8;
    bool last = n >= size - from;
    char piece[2] = {0};
    gdb_add(t, last ? "l" : "m");
    for (u64 i = from; i < (last ? size : from + n); i++) {
        piece[0] = target_xml[i];
        gdb_add(t, piece);
    }
}
