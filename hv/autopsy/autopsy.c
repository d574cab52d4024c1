/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in autopsy.h. */
#include "hv/autopsy/autopsy.h"
#include "hv/arch/pagewalk.h"
#include "hv/core/privileged.h"
#include "hv/wire/com2.h"

/* As target.xml orders them, with RIP and RFLAGS behind them. */
enum { RBX = 1, RBP = 6, RSP = 7, R12 = 12, RIP = 16, FLAGS = 17, REGISTERS = 18 };

/* What a function that is called keeps, which is all that unwinding needs. */
#define KEPT (BIT(RBX) | BIT(RBP) | BIT(RSP) | BIT(12) | BIT(13) | BIT(14) | BIT(15) | BIT(RIP))

/* ---- L0's memory -----------------------------------------------------------------------------*/

/* RAM, or L0's own region; not registers of a device. */
static bool is_memory(const struct vm *vm, u64 hpa)
{
    if (hpa - vm->hole.a < vm->hole_size)
        return true;
    for (u32 i = 0; i < vm->range_count; i++)
        if (hpa - vm->range[i].base < vm->range[i].size)
            return true;
    return false;
}

static u64 read_entry(void *ctx, u64 hpa, unsigned size)
{
    const struct cpu *cpu = ctx;
    (void)size; /* L0 runs in IA-32e mode */
    return is_memory(cpu->vm, hpa) ? *(const volatile u64 *)mem_va(&cpu->vm->mem, HPA(hpa)) : 0;
}

static bool leave_flags(void *ctx, u64 hpa, unsigned size, u64 old, u64 new)
{
    (void)ctx, (void)hpa, (void)size, (void)old, (void)new;
    return true;
}

/* True when L0 can read the byte there. */
static bool is_mapped(struct cpu *cpu, u64 va)
{
    struct walk_memory m = {cpu, read_entry, leave_flags};
    struct paging_state p = {.cr0 = read_cr0(),
                             .cr3 = read_cr3(),
                             .cr4 = read_cr4() & ~(CR4_SMAP | CR4_PKE),
                             .efer = rdmsr(MSR_IA32_EFER),
                             .page_1g = true,
                             .maxphyaddr = (u8)cpu->vm->facts.phys_bits};
    if ((u64)((long long)(va << 16) >> 16) != va)
        return false;
    struct walk_result r = pagewalk(&p, &m, va, 0);
    return r.ok && is_memory(cpu->vm, r.gpa);
}

static void memory(struct cpu *cpu, const struct gdb_command *c, struct gdb_text *t)
{
    for (u64 i = 0; i < c->length && i < 512 && is_mapped(cpu, c->address + i); i++)
        gdb_add_byte(t, *(const volatile u8 *)(c->address + i));
    if (!t->len && c->length)
        gdb_add(t, "E14");
}

/* ---- answers ---------------------------------------------------------------------------------*/

static void registers(const u64 r[REGISTERS], struct gdb_text *t)
{
    for (u32 i = 0; i < FLAGS; i++)
        if (any(KEPT, BIT(i)))
            gdb_add_register(t, r[i], 8);
        else
            gdb_add(t, "xxxxxxxxxxxxxxxx");
    gdb_add_register(t, r[FLAGS], 4);
    for (u32 i = 0; i < 6 * 4 + 8 * 10 + 8 * 4; i++)
        gdb_add(t, "xx");
}

static void add_thread(const struct cpu *cpu, struct gdb_text *t)
{
    gdb_add_byte(t, (u8)(cpu->percpu.id + 1));
}

static void reply_to(struct cpu *cpu, const struct gdb_command *c, const u64 r[REGISTERS],
                     struct gdb_text *t)
{
    /* clang-format off */
    switch (c->kind) {
    case GDB_UNKNOWN:   return;
    case GDB_WHY:
    case GDB_CONTINUE:
    case GDB_STEP:      gdb_add(t, "T06thread:"); add_thread(cpu, t); gdb_add(t, ";"); return;
    case GDB_REGISTERS: registers(r, t); return;
    case GDB_MEMORY:    memory(cpu, c, t); return;
    case GDB_FEATURES:  gdb_features(c, t); return;
    case GDB_SUPPORTED: gdb_add(t, GDB_SUPPORTS); return;
    case GDB_THREADS:   gdb_add(t, "m"); add_thread(cpu, t); return;
    case GDB_CURRENT:   gdb_add(t, "QC"); add_thread(cpu, t); return;
    case GDB_NO_MORE:   gdb_add(t, "l"); return;
    case GDB_ATTACHED:  gdb_add(t, "1"); return;
    case GDB_THREAD:
    case GDB_ALIVE:
    case GDB_REMOVE:
    case GDB_NO_ACK:
    case GDB_DETACH:    gdb_add(t, "OK"); return;
    default:            gdb_add(t, "E01"); return;
    }
    /* clang-format on */
}

static void answer(struct cpu *cpu, struct autopsy *a, const u64 r[REGISTERS])
{
    gdb_parse(a->parser->text, a->command);
    if (a->command->kind == GDB_SUPPORTED)
        a->no_ack = false;
    if (!a->no_ack)
        line_put('+');
    gdb_clear(a->reply);
    reply_to(cpu, a->command, r, a->reply);
    if (a->command->kind != GDB_KILL)
        line_send(a->reply);
    a->no_ack |= a->command->kind == GDB_NO_ACK;
}

void autopsy(struct cpu *cpu, struct autopsy *a)
{
    static const struct gdb_command why = {.kind = GDB_WHY};
    u64 r[REGISTERS] = {0};
    __asm__ volatile("mov %%rbx, 8(%0)\n mov %%rbp, 48(%0)\n mov %%rsp, 56(%0)\n"
                     "mov %%r12, 96(%0)\n mov %%r13, 104(%0)\n mov %%r14, 112(%0)\n"
                     "mov %%r15, 120(%0)\n lea 0(%%rip), %%rax\n mov %%rax, 128(%0)"
                     :
                     : "D"(r)
                     : "rax", "memory");
    r[FLAGS] = 2;
    *a->parser = (struct gdb_parser){0};
    gdb_clear(a->reply);
    reply_to(cpu, &why, r, a->reply);
    if (a->attached)
        line_send(a->reply);
    for (;;) {
        enum gdb_event e = line_hear(a->parser);
        if (e == GDB_PACKET)
            answer(cpu, a, r);
        else if (e == GDB_GARBAGE && !a->no_ack)
            line_put('-');
        if (e == GDB_GARBAGE)
            *a->parser = (struct gdb_parser){0};
    }
}
