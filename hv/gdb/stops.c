/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the guest stops. Each entry is armed and each exit disarmed, so the handlers of exits find
 * the VMCS and the debug registers as the guest has them.
 *
 * A breakpoint is a debug register, and #DB exits; a guest that accesses its own debug registers
 * meanwhile exits, and does that one instruction without the debugger's (`passing`). Steps are in
 * step.c. While L1 runs, the preemption timer lets L0 look at the line.
 */
#include "hv/gdb/private.h"
#include "hv/arch/event.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

/* L0 looks at the line that often, in ticks of the TSC, while L1 runs without exits. */
#define POLL_TICKS 2000000u

#define DR7_EXECUTE 0u
#define DR7_WRITE   1u
#define DR7_ACCESS  3u

static void write_breakpoints(const u64 dr[4])
{
    __asm__ volatile("mov %0, %%dr0\n mov %1, %%dr1\n mov %2, %%dr2\n mov %3, %%dr3"
                     :
                     : "r"(dr[0]), "r"(dr[1]), "r"(dr[2]), "r"(dr[3]));
}

const char *gdb_reserve(struct cpu *cpu, const struct boot_info *info)
{
    const struct vmx_caps *c = &cpu->vm->facts.vmx;
    u32 needs = CPU1_MOV_DR_EXITING | CPU1_USE_IO_BITMAPS;
    if (cpu->vm->stress)
        return "gdb= goes with neither stress= nor trace= nor tlb=strict verbose=";
    if ((vcaps_cpu1(c).may_be_1 & needs) != needs)
        return "gdb= wants MOV-DR exiting and I/O bitmaps";
    if (!any(vcaps_pin(c).may_be_1, PIN_PREEMPTION_TIMER))
        return "gdb= wants the VMX-preemption timer";
    struct gdb *g = mem_pages(&cpu->vm->mem, (sizeof *g + PAGE_SIZE - 1) / PAGE_SIZE);
    u8 *bitmaps = mem_pages(&cpu->vm->mem, 2);
    if (!g || !bitmaps)
        return "the memory is too small for gdb=";
    bitmaps[UART_COM2 / 8] = 0xff; /* its eight ports */
    g->io_bitmaps_hpa = mem_hpa(&cpu->vm->mem, bitmaps);
    g->stopped = info->gdb == BOOT_GDB_WAIT;
    g->signal = SIGNAL_TRAP;
    cpu->gdb = g;
    return NULL;
}

void gdb_start(struct cpu *cpu)
{
    struct gdb *g = cpu->gdb;
    if (!line_open()) {
        log_line("gdb: no COM2, so no debugger");
        cpu->gdb = NULL;
        return;
    }
    vmcs_write(ENC_io_bitmap_a_addr, g->io_bitmaps_hpa.a);
    vmcs_write(ENC_io_bitmap_b_addr, g->io_bitmaps_hpa.a + PAGE_SIZE);
    log_line("gdb: COM2 is the debugger's%s", g->stopped ? "; L1 waits for it" : "");
}

/* ---- stops ---- */

static void stop(struct gdb *g, u32 signal, u64 watched)
{
    g->stopped = true;
    g->stepping = g->passing = false;
    g->until = UNTIL_NOTHING;
    g->signal = signal;
    g->level = 0;
    gdb_clear(&g->reply);
    gdb_add(&g->reply, signal == SIGNAL_INT ? "T02" : "T05");
    if (watched) {
        gdb_add(&g->reply, "watch:");
        gdb_add_register(&g->reply, __builtin_bswap64(watched), 8);
        gdb_add(&g->reply, ";");
    }
    if (g->attached)
        line_send(&g->reply);
}

/* A packet ends soon or is forgotten: noise on the line costs its time, and no more. */
static void hear(struct cpu *cpu)
{
    struct gdb *g = cpu->gdb;
    u8 byte = line_read();
    u32 patience = LINE_PATIENCE;
    enum gdb_event e = gdb_feed(&g->parser, byte);
    while (e == GDB_NOTHING && gdb_in_packet(&g->parser))
        e = line_read_soon(&byte, &patience) ? gdb_feed(&g->parser, byte) : GDB_GARBAGE;
    if (e == GDB_BREAK && g->attached && !g->stopped)
        stop(g, SIGNAL_INT, 0);
    else if (e == GDB_GARBAGE) {
        g->parser = (struct gdb_parser){0};
        g->lost++;
        if (!g->no_ack)
            line_put('-');
    } else if (e == GDB_PACKET) {
        if (g->parser.text[0] == 'q' && g->parser.text[1] == 'S') /* another debugger begins */
            g->no_ack = false;
        if (!g->no_ack)
            line_put('+');
        g->attached = g->stopped = true;
        g->stepping = false;
        gdb_answer(cpu);
    }
}

/* ---- arming ---- */

static u64 dr7_of(const struct gdb_breakpoint *b, u32 i)
{
    u64 rw = b->type < 2 ? DR7_EXECUTE : b->type == 2 ? DR7_WRITE : DR7_ACCESS;
    u64 len = rw == DR7_EXECUTE || b->length == 1 ? 0 : b->length == 8 ? 2 : b->length - 1;
    return BIT(2 * i + 1) | rw << (16 + 4 * i) | len << (18 + 4 * i);
}

/* The debug registers that this level's breakpoints want; the last is a step's when `target` is not
 * 0. False: none. */
static bool wanted(const struct cpu *cpu, u64 target, u64 dr[4], u64 *dr7)
{
    static const struct gdb_breakpoint here = {.used = true};
    u32 level = cpu->in_l2 ? 2 : 1;
    *dr7 = DR7_RESET;
    for (u32 i = 0; i < GDB_BREAKPOINTS; i++) {
        const struct gdb_breakpoint *b = &cpu->gdb->breakpoint[i];
        bool step = target && i == GDB_BREAKPOINTS - 1;
        bool set = b->used && b->level == level && !cpu->gdb->passing;
        dr[i] = step ? target : set ? b->address : 0;
        if (step || set)
            *dr7 |= dr7_of(step ? &here : b, i);
    }
    return *dr7 != DR7_RESET;
}

static void arm_step(struct cpu *cpu)
{
    struct gdb_held *h = &cpu->gdb->held;
    h->rflags = vmcs_read(ENC_guest_rflags);
    h->rip = vmcs_read(ENC_guest_rip);
    h->blocking = vmcs_read(ENC_guest_interruptibility);
    h->trap_flag = true;
    /* The entry wants a pending trap where TF meets blocking, and IF is 0 now anyway. */
    vmcs_write(ENC_guest_interruptibility,
               h->blocking & ~(u64)(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
    vmcs_write(ENC_guest_rflags, (h->rflags | RFLAGS_TF) & ~(u64)RFLAGS_IF);
}

/* While L1 runs: the line is hidden from it and looked at now and then. */
static void arm_l1(struct cpu *cpu, bool step)
{
    struct gdb_held *h = &cpu->gdb->held;
    u64 ticks = POLL_TICKS >> (cpu->vm->facts.vmx.misc & 31); /* MISC[4:0]: the timer's rate */
    vmcs_write(ENC_pin_ctl, h->pin_ctl | PIN_PREEMPTION_TIMER);
    vmcs_write(ENC_preemption_timer_value, ticks);
    h->host_rip = step; /* the short way would answer unseen */
    if (step)
        vmcs_write(ENC_host_rip, vmcs_host_rip(cpu, false));
}

static void arm(struct cpu *cpu)
{
    struct gdb *g = cpu->gdb;
    struct gdb_held *h = &g->held;
    u64 dr[4], dr7;
    bool step = g->stepping || g->passing;
    *h = (struct gdb_held){.armed = true,
                           .pin_ctl = vmcs_read(ENC_pin_ctl),
                           .cpu1_ctl = vmcs_read(ENC_cpu1_ctl),
                           .exception_bitmap = vmcs_read(ENC_exception_bitmap)};
    u64 cpu1 = h->cpu1_ctl | (cpu->in_l2 ? 0 : CPU1_USE_IO_BITMAPS), exceptions = 0;
    if (!cpu->in_l2)
        arm_l1(cpu, step);
    g->target = step ? step_target(cpu) : 0;
    if (step && !g->target) {
        arm_step(cpu);
        exceptions = cpu->in_l2 ? BIT(VEC_DB) : (u32)~BIT(VEC_MC); /* their frames would hold TF */
    }
    h->breakpoints = wanted(cpu, g->target, dr, &dr7);
    if (h->breakpoints) {
        cpu1 |= g->passing ? 0 : CPU1_MOV_DR_EXITING;
        exceptions |= BIT(VEC_DB);
        h->dr7 = vmcs_read(ENC_guest_dr7);
        read_breakpoints(h->dr);
        write_breakpoints(dr);
        vmcs_write(ENC_guest_dr7, dr7);
    }
    vmcs_write(ENC_exception_bitmap, h->exception_bitmap | exceptions);
    vmcs_write(ENC_cpu1_ctl, cpu1);
}

/* TF and IF are the guest's again, and no trap of ours stays pending. */
static void disarm_step(const struct gdb_held *h)
{
    u64 keep = RFLAGS_TF | RFLAGS_IF, now = vmcs_read(ENC_guest_rflags);
    vmcs_write(ENC_guest_rflags, (now & ~keep) | (h->rflags & keep));
    if (vmcs_read(ENC_guest_rip) == h->rip) /* the instruction is still to be done */
        vmcs_write(ENC_guest_interruptibility, h->blocking);
    if (!any(h->rflags, RFLAGS_TF))
        vmcs_write(ENC_guest_pending_dbg_exceptions,
                   vmcs_read(ENC_guest_pending_dbg_exceptions) & ~(u64)PENDING_DBG_BS);
}

static void disarm(struct cpu *cpu)
{
    struct gdb_held *h = &cpu->gdb->held;
    if (!h->armed)
        return;
    vmcs_write(ENC_cpu1_ctl, h->cpu1_ctl);
    vmcs_write(ENC_pin_ctl, h->pin_ctl);
    if (h->host_rip)
        vmcs_write(ENC_host_rip, vmcs_host_rip(cpu, true));
    if (h->breakpoints) {
        write_breakpoints(h->dr);
        vmcs_write(ENC_guest_dr7, h->dr7);
    }
    vmcs_write(ENC_exception_bitmap, h->exception_bitmap);
    if (h->trap_flag)
        disarm_step(h);
    h->armed = false;
}

/* RF lets the instruction at which the guest stopped go on; the CPU clears it behind that. */
static void pass_breakpoint(const struct cpu *cpu)
{
    u64 rip = vmcs_read(ENC_guest_rip);
    for (u32 i = 0; i < GDB_BREAKPOINTS; i++) {
        const struct gdb_breakpoint *b = &cpu->gdb->breakpoint[i];
        if (b->used && b->type < 2 && b->address == rip)
            vmcs_write(ENC_guest_rflags, vmcs_read(ENC_guest_rflags) | RFLAGS_RF);
    }
}

/* True when what "monitor until" named has come. */
static bool has_come(const struct cpu *cpu)
{
    u32 reason = EXIT_REASON_BASIC(cpu->exit.reason), until = cpu->gdb->until;
    bool entry = reason == EXIT_REASON_VMLAUNCH || reason == EXIT_REASON_VMRESUME;
    return (until == UNTIL_L2 && cpu->in_l2) || (until == UNTIL_L1 && !cpu->in_l2) ||
           (until == UNTIL_REFUSED && entry && !cpu->in_l2);
}

void gdb_before(struct cpu *cpu)
{
    struct gdb *g = cpu->gdb;
    u64 rip = vmcs_read(ENC_guest_rip);
    bool done = g->stepping && (rip != g->step_rip || cpu->in_l2 != g->step_in_l2);
    if (!g->stopped && (done || has_come(cpu))) /* done: L0 did the instruction */
        stop(g, SIGNAL_TRAP, 0);
    if (!g->stopped && line_ready())
        hear(cpu);
    bool resumes = g->stopped;
    while (g->stopped)
        hear(cpu);
    if (resumes) {
        g->step_rip = rip;
        g->step_in_l2 = cpu->in_l2;
        pass_breakpoint(cpu);
    }
    cpu->have = 0;
    arm(cpu);
}

/* ---- exits ---- */

/* A #DB that the guest itself brought about is delivered as the CPU would have.
 * SDM 3C 28.1 "Architectural State Before a VM Exit" */
static void deliver_db(struct cpu *cpu)
{
    write_dr6(read_dr6() | (cpu->exit.qual & (DR6_BS | BIT(13) | 15)));
    vmcs_write(ENC_guest_dr7, vmcs_read(ENC_guest_dr7) & ~(u64)DR7_GD);
    vmcs_write(ENC_guest_debugctl, vmcs_read(ENC_guest_debugctl) & ~(u64)DEBUGCTL_LBR);
    inject_exception(cpu, VEC_DB, 0);
}

/* A step met a fault: it is delivered now, and the step ends in its handler. */
static void deliver_fault(struct cpu *cpu)
{
    struct event e = {.info = cpu->exit.intr_info & ~(u32)BIT(12),
                      .error = cpu->exit.intr_error,
                      .len = cpu->exit.insn_len};
    if ((e.info & 0xff) == VEC_PF)
        write_cr2(cpu->exit.qual);
    inject_event(&e);
}

/* `h` is what was armed. */
static bool on_exception(struct cpu *cpu, const struct gdb_held *h)
{
    struct gdb *g = cpu->gdb;
    u32 info = cpu->exit.intr_info, vector = info & 0xff;
    u64 l1s = cpu->in_l2 ? cpu->nested->now->vmcs12.exception_bitmap : 0, hit = cpu->exit.qual & 15;
    if (INTR_TYPE(info) == INTR_NMI || !(h->breakpoints || h->trap_flag))
        return false;
    if (vector != VEC_DB) {
        if (!h->trap_flag || cpu->in_l2)
            return false; /* L1 asked for it */
        deliver_fault(cpu);
        return true;
    }
    bool step = h->trap_flag && any(cpu->exit.qual, DR6_BS);
    step |= g->target && any(hit, BIT(GDB_BREAKPOINTS - 1));
    inject_again(cpu);
    if (g->passing && step) {
        g->passing = false;
        if (!g->stepping)
            return true;
    }
    if (step || (h->breakpoints && hit)) {
        const struct gdb_breakpoint *b = &g->breakpoint[hit ? __builtin_ctzll(hit) : 0];
        stop(g, SIGNAL_TRAP, step || b->type < 2 ? 0 : b->address);
        return true;
    }
    if (any(l1s, BIT(VEC_DB)))
        return false;
    deliver_db(cpu);
    return true;
}

static bool mine(struct cpu *cpu, u32 reason, const struct gdb_held *armed)
{
    struct gdb *g = cpu->gdb;
    switch (reason) {
    case EXIT_REASON_PREEMPTION_TIMER:
        return !cpu->in_l2;
    case EXIT_REASON_EXCEPTION_NMI:
        return on_exception(cpu, armed);
    case EXIT_REASON_MOV_DR:
        if (cpu->in_l2 && any(cpu->nested->now->vmcs12.cpu1_ctl, CPU1_MOV_DR_EXITING))
            return false;
        return g->passing = armed->breakpoints; /* once with the guest's own debug registers */
    case EXIT_REASON_IO_INSTRUCTION:
        return !cpu->in_l2 && gdb_hide_line(cpu);
    default:
        return false;
    }
}

bool gdb_after(struct cpu *cpu, enum vmx_enter how)
{
    const struct gdb_held armed = cpu->gdb->held;
    disarm(cpu);
    if (how != VMX_ENTER_EXIT)
        return false;
    u32 reason = (u32)vmcs_read(ENC_exit_reason);
    if (any(reason, EXIT_REASON_ENTRY_FAIL))
        return false;
    exit_snapshot(cpu, SNAP_STEP | SNAP_QUAL | SNAP_INTR | SNAP_IDT);
    cpu->exit.reason = reason;
    if (!mine(cpu, EXIT_REASON_BASIC(reason), &armed))
        return false;
    cpu->current->launched = 1;
    if (cpu->in_l2)
        cpu->nested->entering = false;
    return true;
}
