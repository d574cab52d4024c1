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

static void write_breakpoints(const u64 dr[4])
{
    __asm__ volatile("mov %0, %%dr0\n mov %1, %%dr1\n mov %2, %%dr2\n mov %3, %%dr3"
                     :
                     : "r"(dr[0]), "r"(dr[1]), "r"(dr[2]), "r"(dr[3]));
}

static const char *refuse(const struct vm *vm)
{
    const struct vmx_caps *c = &vm->facts.vmx;
    u32 needs = CPU1_MOV_DR_EXITING | CPU1_USE_IO_BITMAPS;
    if (vm->stress)
        return "gdb= goes with neither stress= nor trace= nor tlb=strict verbose=";
    if ((vcaps_cpu1(c).may_be_1 & needs) != needs)
        return "gdb= wants MOV-DR exiting and I/O bitmaps";
    if (!any(vcaps_pin(c).may_be_1, PIN_PREEMPTION_TIMER))
        return "gdb= wants the VMX-preemption timer";
    return NULL;
}

const char *gdb_reserve(struct vm *vm, const struct boot_info *info)
{
    const char *why = refuse(vm);
    if (why)
        return why;
    struct gdb_session *all = mem_pages(&vm->mem, (sizeof *all + PAGE_SIZE - 1) / PAGE_SIZE);
    if (!all)
        return "the memory is too small for gdb=";
    all->stopped = all->owner = info->gdb == BOOT_GDB_WAIT; /* the first processor's */
    for (u32 i = 0; i < vm->cpu_count; i++) {
        struct gdb *g = vm->cpu[i]->gdb = mem_pages(&vm->mem, 1);
        if (!g || !ports_reserve(vm, &g->ports))
            return "the memory is too small for gdb=";
        g->all = all;
        g->signal = SIGNAL_TRAP;
    }
    return NULL;
}

_Static_assert(sizeof(struct gdb) <= PAGE_SIZE, "a page each");

void gdb_start(struct cpu *cpu)
{
    struct gdb_session *all = cpu->gdb->all;
    if (!line_open(&all->line_state)) {
        log_line("gdb: no COM2, so no debugger");
        cpu->gdb = NULL;
        return;
    }
    ports_start(cpu, &cpu->gdb->ports);
    log_line("gdb: COM2 is the debugger's%s", all->stopped ? "; L1 waits for it" : "");
}

/* ---- arming ---- */

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

/* A guest without exits comes back now and then. An L2 with a timer of L1's comes by that. */
static void arm_timer(struct cpu *cpu)
{
    struct gdb_held *h = &cpu->gdb->held;
    u64 ticks = POLL_TICKS >> (cpu->vm->facts.vmx.misc & 31); /* MISC[4:0]: the timer's rate */
    h->polls = !any(h->pin_ctl, PIN_PREEMPTION_TIMER);
    if (!h->polls)
        return;
    h->timer = vmcs_read(ENC_preemption_timer_value);
    vmcs_write(ENC_pin_ctl, h->pin_ctl | PIN_PREEMPTION_TIMER);
    vmcs_write(ENC_preemption_timer_value, ticks);
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
    u64 cpu1 = h->cpu1_ctl | ports_arm(cpu, &g->ports), exceptions = 0;
    arm_timer(cpu);
    h->host_rip = step && !cpu->in_l2; /* the short way would answer unseen */
    if (h->host_rip)
        vmcs_write(ENC_host_rip, vmcs_host_rip(cpu, false));
    g->target = step ? step_target(cpu) : 0;
    if (step && !g->target) {
        arm_step(cpu);
        exceptions = cpu->in_l2 ? BIT(VEC_DB) : (u32)~BIT(VEC_MC); /* their frames would hold TF */
    }
    dr7 = breakpoints_registers(g->all->breakpoint, g->passing ? 0 : gdb_runs(cpu), g->target, dr);
    h->breakpoints = dr7 != DR7_RESET;
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
    ports_disarm(&cpu->gdb->ports);
    vmcs_write(ENC_cpu1_ctl, h->cpu1_ctl);
    vmcs_write(ENC_pin_ctl, h->pin_ctl);
    if (h->polls)
        vmcs_write(ENC_preemption_timer_value, h->timer);
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

/* True when this processor has served the debugger. */
static bool served(struct cpu *cpu, u64 rip)
{
    struct gdb *g = cpu->gdb;
    if (!gdb_rest(cpu))
        return false;
    g->step_rip = rip;
    g->step_in_l2 = cpu->in_l2;
    if (breakpoints_at(g->all->breakpoint, rip)) /* the CPU clears RF behind the instruction */
        vmcs_write(ENC_guest_rflags, vmcs_read(ENC_guest_rflags) | RFLAGS_RF);
    return true;
}

/* True when the level that "monitor until" named has been entered since. */
static bool has_crossed(const struct cpu *cpu)
{
    const struct gdb *g = cpu->gdb;
    return (g->until == UNTIL_L1 || g->until == UNTIL_L2) && cpu->in_l2 == (g->until == UNTIL_L2) &&
           cpu->crossings != g->until_crossings;
}

static bool was_refused(const struct cpu *cpu)
{
    u32 reason = EXIT_REASON_BASIC(cpu->exit.reason);
    return cpu->gdb->until == UNTIL_REFUSED && !cpu->in_l2 &&
           (reason == EXIT_REASON_VMLAUNCH || reason == EXIT_REASON_VMRESUME);
}

void gdb_before(struct cpu *cpu)
{
    struct gdb *g = cpu->gdb;
    u64 rip = vmcs_read(ENC_guest_rip);
    /* done: L0 did the instruction, or an INIT came in its place */
    bool done = rip != g->step_rip || cpu->in_l2 != g->step_in_l2 ||
                vmcs_read(ENC_guest_activity_state) == ACTIVITY_WAIT_SIPI;
    if (!g->pending && ((g->stepping && done) || has_crossed(cpu) || was_refused(cpu)))
        gdb_pend(g, SIGNAL_TRAP, 0);
    while (served(cpu, rip))
        if (!g->pending && !g->stepping && has_crossed(cpu)) /* a step over a breakpoint did it */
            gdb_pend(g, SIGNAL_TRAP, 0);
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
        const struct gdb_breakpoint *b = &g->all->breakpoint[hit ? __builtin_ctzll(hit) : 0];
        gdb_pend(g, SIGNAL_TRAP, step || b->type < 2 ? 0 : b->address);
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
        return armed->polls;
    case EXIT_REASON_EXCEPTION_NMI:
        return on_exception(cpu, armed);
    case EXIT_REASON_MOV_DR:
        if (cpu->in_l2 && any(cpu->nested->now->vmcs12.cpu1_ctl, CPU1_MOV_DR_EXITING))
            return false;
        return g->passing = armed->breakpoints; /* once with the guest's own debug registers */
    case EXIT_REASON_IO_INSTRUCTION:
        return ports_hide(cpu);
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
    cpu->current->launched = 1;
    if (cpu->in_l2)
        cpu->nested->entering = false;
    return mine(cpu, EXIT_REASON_BASIC(reason), &armed);
}
