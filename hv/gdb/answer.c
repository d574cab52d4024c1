/* SPDX-License-Identifier: BSD-2-Clause */
/* The debugger's commands. Nothing here writes a guest's register or memory. */
#include "hv/gdb/private.h"
#include "hv/vmx/insn.h"

static void add_segments(struct gdb_text *t)
{
    static const u8 order[] = {SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS};
    for (u32 i = 0; i < ARRAY_LEN(order); i++)
        gdb_add_register(t, vmcs_selector_read(order[i]), 4);
}

/* As target.xml orders them: the general registers as the debugger numbers them, RIP, EFLAGS, the
 * selectors, then the FPU's, which nobody has saved. L2's general registers are L1's no longer. */
static void registers(struct cpu *cpu, struct gdb_text *t)
{
    static const u8 order[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI,
                               REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                               REG_R12, REG_R13, REG_R14, REG_R15};
    u32 level = gdb_level(cpu);
    struct vmcs *runs = cpu->current;
    bool known = level == (cpu->in_l2 ? 2u : 1u);
    if (!known)
        vmcs_load(cpu, &cpu->vmcs01);
    for (u32 i = 0; i < ARRAY_LEN(order); i++)
        if (order[i] == REG_RSP)
            gdb_add_register(t, vmcs_read(ENC_guest_rsp), 8);
        else if (known)
            gdb_add_register(t, cpu->regs.gpr[order[i]], 8);
        else
            gdb_add(t, "xxxxxxxxxxxxxxxx");
    gdb_add_register(t, vmcs_read(ENC_guest_rip), 8);
    gdb_add_register(t, vmcs_read(ENC_guest_rflags), 4);
    add_segments(t);
    vmcs_load(cpu, runs);
    for (u32 i = 0; i < 8 * 10 + 8 * 4; i++)
        gdb_add(t, "xx");
}

static void memory(struct cpu *cpu, const struct gdb_command *c, struct gdb_text *t)
{
    u8 bytes[512];
    u32 level = gdb_level(cpu), n = c->length < sizeof bytes ? (u32)c->length : sizeof bytes;
    struct gdb_walk w = {cpu, level == 2, NULL};
    u32 there = level ? gdb_read(&w, c->address, bytes, n) : 0;
    if (!there && n)
        gdb_add(t, "E14");
    for (u32 i = 0; i < there; i++)
        gdb_add_byte(t, bytes[i]);
}

static bool can_break(const struct gdb_command *c)
{
    u64 n = c->length;
    return c->type < 2 || ((n == 1 || n == 2 || n == 4 || n == 8) && !(c->address & (n - 1)));
}

static void breakpoint(struct cpu *cpu, const struct gdb_command *c, struct gdb_text *t)
{
    struct gdb *g = cpu->gdb;
    struct gdb_breakpoint *free = NULL;
    u32 level = gdb_level(cpu);
    for (u32 i = 0; i < GDB_BREAKPOINTS; i++) {
        struct gdb_breakpoint *b = &g->breakpoint[i];
        bool same = b->used && b->address == c->address && b->type == c->type;
        if (same && c->kind == GDB_REMOVE)
            b->used = false;
        if (same && c->kind == GDB_INSERT)
            free = b;
        else if (!b->used && !free)
            free = b;
    }
    if (c->kind == GDB_INSERT && (!free || !level || !can_break(c))) {
        gdb_add(t, "E28"); /* four is what a processor has */
        return;
    }
    if (c->kind == GDB_INSERT)
        *free = (struct gdb_breakpoint){true, level, c->type, (u32)c->length, c->address};
    gdb_add(t, "OK");
}

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

static void features(const struct gdb_command *c, struct gdb_text *t)
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

static void leave(struct gdb *g)
{
    for (u32 i = 0; i < GDB_BREAKPOINTS; i++)
        g->breakpoint[i].used = false;
    g->attached = g->stopped = g->stepping = g->no_ack = false;
}

static const char supported[] = "PacketSize=400;QStartNoAckMode+;qXfer:features:read+";

/* Fills in the reply. False: the command has none. KILL ends nothing: the machine is not the
 * debugger's. */
static bool reply_to(struct cpu *cpu, const struct gdb_command *c, struct gdb_text *t)
{
    struct gdb *g = cpu->gdb;
    /* clang-format off */
    switch (c->kind) {
    case GDB_UNKNOWN:   return true;
    case GDB_BAD:       gdb_add(t, "E01"); return true;
    case GDB_WRITE:     gdb_add(t, "E01"); return true;
    case GDB_WHY:       gdb_add(t, g->signal == SIGNAL_INT ? "S02" : "S05"); return true;
    case GDB_REGISTERS: registers(cpu, t); return true;
    case GDB_MEMORY:    memory(cpu, c, t); return true;
    case GDB_CONTINUE:  g->stopped = false; return false;
    case GDB_STEP:      g->stopped = false; g->stepping = true; return false;
    case GDB_INSERT:    breakpoint(cpu, c, t); return true;
    case GDB_REMOVE:    breakpoint(cpu, c, t); return true;
    case GDB_SUPPORTED: gdb_add(t, supported); return true;
    case GDB_NO_ACK:    gdb_add(t, "OK"); return true;
    case GDB_THREAD:    gdb_add(t, "OK"); return true;
    case GDB_ATTACHED:  gdb_add(t, "1"); return true;
    case GDB_FEATURES:  features(c, t); return true;
    case GDB_MONITOR:   gdb_monitor(cpu); gdb_clear(t); gdb_add(t, "OK"); return true;
    case GDB_DETACH:    leave(g); gdb_add(t, "OK"); return true;
    case GDB_KILL:      leave(g); return false;
    }
    /* clang-format on */
    return true;
}

void gdb_answer(struct cpu *cpu)
{
    struct gdb *g = cpu->gdb;
    gdb_parse(g->parser.text, &g->command);
    gdb_clear(&g->reply);
    if (reply_to(cpu, &g->command, &g->reply))
        line_send(&g->reply);
    if (g->command.kind == GDB_NO_ACK)
        g->no_ack = true;
}
