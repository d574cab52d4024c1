/* SPDX-License-Identifier: BSD-2-Clause */
/* The debugger's commands. Nothing here writes a guest's register or memory. */
#include "hv/gdb/private.h"
#include "hv/vmx/insn.h"

/* As target.xml orders them: the general registers as the debugger numbers them, RIP, EFLAGS, the
 * selectors, then the FPU's, which nobody has saved. L2's general registers are L1's no longer. */
static void registers(struct cpu *cpu, struct gdb_text *t)
{
    static const u8 order[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI,
                               REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                               REG_R12, REG_R13, REG_R14, REG_R15};
    static const u8 segments[] = {SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS};
    u32 level = gdb_level(cpu);
    struct vmcs *runs = cpu->current;
    bool known = level == gdb_runs(cpu);
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
    for (u32 i = 0; i < ARRAY_LEN(segments); i++)
        gdb_add_register(t, vmcs_selector_read(segments[i]), 4);
    vmcs_load(cpu, runs);
    for (u32 i = 0; i < 8 * 10 + 8 * 4; i++)
        gdb_add(t, "xx");
}

static void memory(struct cpu *cpu, const struct gdb_command *c, struct gdb_text *t)
{
    u8 bytes[512];
    u32 level = gdb_level(cpu), n = c->length < sizeof bytes ? (u32)c->length : sizeof bytes;
    struct level_walk w = {cpu, level == 2, NULL, NULL};
    u32 there = level ? level_read(&w, c->address, bytes, n) : 0;
    if (!there && n)
        gdb_add(t, "E14");
    for (u32 i = 0; i < there; i++)
        gdb_add_byte(t, bytes[i]);
}

/* A processor that waits for a SIPI has no instruction to do, and comes back only when another one
 * sends it: its step is over at once. */
static void step(struct cpu *cpu)
{
    struct gdb *g = cpu->gdb;
    g->stepping = true;
    if (vmcs_read(ENC_guest_activity_state) == ACTIVITY_WAIT_SIPI)
        gdb_pend(g, SIGNAL_TRAP, 0);
    else
        g->all->stepper = cpu->percpu.id + 1;
}

/* gdb tells of a breakpoint where the guest stands only when the guest has gone on by one
 * instruction, maybe into another level. */
static u32 level_for(const struct cpu *cpu, const struct gdb_command *c)
{
    const struct gdb *g = cpu->gdb;
    return c->address == g->step_rip ? 1 + g->step_in_l2 : gdb_level(cpu);
}

/* Fills in the reply. False: the command has none. KILL ends nothing: the machine is not the
 * debugger's. */
static bool reply_to(struct cpu *cpu, const struct gdb_command *c, struct gdb_text *t)
{
    struct gdb_breakpoint *b = cpu->gdb->all->breakpoint;
    /* clang-format off */
    switch (c->kind) {
    case GDB_UNKNOWN:   return true;
    case GDB_BAD:       gdb_add(t, "E01"); return true;
    case GDB_WRITE:     gdb_add(t, "E01"); return true;
    case GDB_WHY:       gdb_add_stop(cpu, t); return true;
    case GDB_REGISTERS: registers(cpu, t); return true;
    case GDB_MEMORY:    memory(cpu, c, t); return true;
    case GDB_CONTINUE:  breakpoints_forget(b); gdb_resume(cpu, false); return false;
    case GDB_STEP:      step(cpu); return false;
    case GDB_INSERT:
    case GDB_REMOVE:    gdb_add(t, breakpoints_change(b, level_for(cpu, c), c) ? "OK" : "E28");
                        return true;
    case GDB_SUPPORTED: gdb_add(t, GDB_SUPPORTS); return true;
    case GDB_NO_ACK:    gdb_add(t, "OK"); return true;
    case GDB_ATTACHED:  gdb_add(t, "1"); return true;
    case GDB_FEATURES:  gdb_features(c, t); return true;
    case GDB_MONITOR:   gdb_monitor(cpu); gdb_clear(t); gdb_add(t, "OK"); return true;
    case GDB_DETACH:    gdb_resume(cpu, true); gdb_add(t, "OK"); return true;
    case GDB_KILL:      gdb_resume(cpu, true); return false;
    default:            return gdb_thread(cpu, c, t);
    }
    /* clang-format on */
}

void gdb_answer(struct cpu *cpu)
{
    struct gdb_session *all = cpu->gdb->all;
    gdb_parse(all->parser.text, &all->command);
    gdb_clear(&all->reply);
    if (reply_to(cpu, &all->command, &all->reply))
        line_send(&all->reply);
    if (all->command.kind == GDB_NO_ACK)
        all->no_ack = true;
}
