/* SPDX-License-Identifier: BSD-2-Clause */
/* The core's one loop, which every processor runs once it is launched (hv/bringup.c). */
#include "hv/run.h"
#include "hv/gdb/gdb.h"
#include "hv/l1/l1.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/explain/explain.h"
#include "hv/saved/saved.h"
#include "hv/stale/stale.h"
#include "hv/paranoid/paranoid.h"
#include "hv/stale_linear/stale_linear.h"
#include "hv/trace/trace.h"
#include "hv/plant.h"
#include "hv/seen.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/stress.h"
#include "hv/core/privileged.h"

#define FIRST_BYTES 8 /* of L1 in handoff.asm: MOV and CPUID, and RIP behind them */

void run_dump(struct percpu *p)
{
    struct cpu *cpu = cpu_of(p);
    log_line("cpu %u in_l2 %u exit reason %x qualification %lx, pages of the hole touched %lu",
             p->id, cpu->in_l2, cpu->exit.reason, cpu->exit.qual, cpu->first_touches);
    for (u32 i = 0; i < REG_COUNT; i++)
        log_line("  gpr%u = %016lx", i, cpu->regs.gpr[i]);
    for (u32 i = 0; i < RING_EXITS; i++) {
        u32 at = (cpu->last.at + i) % RING_EXITS;
        log_line("  exit %x at rip %lx", cpu->last.exit[at].reason, cpu->last.exit[at].rip);
    }
    if (cpu->root != ROOT_NOT)
        vmcs_dump();
    if (cpu->gdb && !cpu->handoff)
        gdb_panic(cpu);
}

static void apply(struct cpu *cpu, enum outcome outcome)
{
    switch (outcome) {
    case ADVANCE:
        exit_advance(cpu);
        return;
    case INJECT:
        inject_exception(cpu, cpu->fault.vector, cpu->fault.error);
        return;
    case REFLECT:
        nested_reflect(cpu);
        return;
    case RESUME:
        return;
    }
}

static void refused(struct cpu *cpu, enum vmx_enter how)
{
    if (how == VMX_ENTER_FAIL_INVALID)
        panic("bug: VM entry without a current VMCS");
    u32 error = (u32)vmcs_read(ENC_vm_instruction_error);
    if (!cpu->in_l2)
        l1_refused(cpu, error);
    apply(cpu, nested_entry_refused(cpu, error));
}

static void handle_exit(struct cpu *cpu)
{
    u32 reason = (u32)vmcs_read(ENC_exit_reason), basic = EXIT_REASON_BASIC(reason);
    const struct exit_row *row = &cpu->rows[cpu->in_l2 != 0][EXIT_REASON_COUNT];
    cpu->exit.reason = reason;
    if (cpu->in_l2)
        nested_stopped(cpu);
    if (basic < EXIT_REASON_COUNT) {
        cpu->exits[cpu->in_l2][basic]++;
        row = &cpu->rows[cpu->in_l2 != 0][basic];
    }
    if (LIKELY(!any(reason, EXIT_REASON_ENTRY_FAIL)))
        cpu->current->launched = 1; /* a failed entry leaves the launch state as it was */
    else if (!cpu->in_l2 && basic != EXIT_REASON_ENTRY_MACHINE_CHECK)
        l1_refused(cpu, reason);
    exit_snapshot(cpu, row->snap);
    u32 at = cpu->last.at++ % RING_EXITS;
    cpu->last.exit[at].reason = reason;
    cpu->last.exit[at].rip = cpu->st.rip;
    apply(cpu, row->handle(cpu));
}

/* An event that L0 makes for L2 is none of VMCS12's, so VMCS12 is home before. */
static void caught(struct cpu *cpu)
{
    nested_goes_on(cpu);
    if (cpu->percpu.mc_pending)
        mc_deliver(cpu);
    else
        nmi_deliver(cpu);
}

/* vmx_enter has returned without an exit. */
static void not_entered(struct cpu *cpu, enum vmx_enter how)
{
    if (how != VMX_ENTER_NMI)
        refused(cpu, how);
    else if (cpu->dead)
        cpu->percpu.mc_pending = cpu->percpu.nmi_pending = 0;
    else
        caught(cpu);
}

static void turn(struct cpu *cpu)
{
    enum vmx_enter how = vmx_enter(&cpu->regs, cpu->current->launched);
    if (UNLIKELY(how != VMX_ENTER_EXIT))
        not_entered(cpu, how);
    else
        handle_exit(cpu);
}

static void NORETURN run_plain(struct cpu *cpu)
{
    for (;;)
        turn(cpu);
}

/* The loop with stress=, trace=, or the detector of stale translations: the loop of run_plain, and
 * what these add to each turn. */
static void NORETURN run_stressed(struct cpu *cpu)
{
    bool paranoid = stressed(cpu, STRESS_PARANOID), stale = stressed(cpu, STRESS_STALE);
    bool trace = stressed(cpu, STRESS_TRACE);
    if (paranoid)
        flush_audit_exit(cpu); /* bring-up handled the exits before */
    for (;;) {
        if (paranoid)
            judge_before_entry(cpu);
        if (paranoid && cpu->current->launched)
            flush_audit_entry(cpu);
        if (trace)
            trace_enter(cpu);
        if (stale) {
            stale_linear_enter(cpu);
            ept02_stale_enter(cpu);
        }
        enum vmx_enter how = vmx_enter(&cpu->regs, cpu->current->launched);
        if (trace && how == VMX_ENTER_EXIT && trace_exit(cpu))
            continue;
        if (stale && how == VMX_ENTER_EXIT)
            stale_linear_left(cpu);
        if (stale && ept02_stale_left(cpu, how == VMX_ENTER_EXIT)) {
            cpu->current->launched = 1;
            nested_goes_on(cpu);
            if (trace)
                trace_handled(cpu);
            continue;
        }
        if (how != VMX_ENTER_EXIT) {
            not_entered(cpu, how);
            continue;
        }
        if (paranoid)
            flush_audit_exit(cpu);
        handle_exit(cpu);
        if (trace)
            trace_handled(cpu);
        if (cpu->nested && !cpu->dead)
            nested_stress(cpu);
        if (paranoid)
            paranoid_check(cpu);
    }
}

/* The loop with gdb=: some exits are the debugger's alone. */
static void NORETURN run_debugged(struct cpu *cpu)
{
    for (;;) {
        gdb_before(cpu);
        enum vmx_enter how = vmx_enter(&cpu->regs, cpu->current->launched);
        bool mine = gdb_after(cpu, how);
        if (cpu->in_l2)
            plant_panic(cpu, PLANT_PANIC_RUNNING);
        if (how != VMX_ENTER_EXIT)
            not_entered(cpu, how);
        else if (!mine)
            handle_exit(cpu);
        else
            nested_goes_on(cpu);
    }
}

/* True when the CPU refused the entry. cpu->exit tells the exit reason, or in `reason` the
 * VM-instruction error. */
static bool was_refused(struct cpu *cpu, enum vmx_enter how)
{
    cpu->exit = (struct vmexit){0};
    if (how == VMX_ENTER_FAIL_VALID)
        cpu->exit.reason = (u32)vmcs_read(ENC_vm_instruction_error);
    if (how != VMX_ENTER_EXIT)
        return how != VMX_ENTER_NMI;
    cpu->exit.reason = (u32)vmcs_read(ENC_exit_reason);
    cpu->exit.qual = vmcs_read(ENC_exit_qualification);
    return any(cpu->exit.reason, EXIT_REASON_ENTRY_FAIL);
}

/* Everything can be undone while L1 stands at its first instruction, or behind it: the answer to
 * its first exit is an entry that may be refused, too. */
static bool at_first_instruction(const struct cpu *cpu)
{
    return vmcs_read(ENC_guest_rip) - cpu->handoff->rip < FIRST_BYTES;
}

enum bringup_end run_bringup(struct cpu *cpu)
{
    cpu->root = ROOT_TRIED;
    while (!__atomic_load_n(&cpu->vm->committed, __ATOMIC_ACQUIRE) && !cpu->leaving) {
        enum vmx_enter how = vmx_enter(&cpu->regs, cpu->current->launched);
        if (UNLIKELY(was_refused(cpu, how)) && at_first_instruction(cpu))
            return BRINGUP_REFUSED;
        if (!at_first_instruction(cpu))
            cpu->percpu.escape = NULL; /* L1 goes on: there is no way back that is always right */
        if (how != VMX_ENTER_EXIT) {
            not_entered(cpu, how);
            continue;
        }
        seen_stage(cpu, STAGE_EXITED, EXIT_REASON_BASIC(cpu->exit.reason));
        plant_panic(cpu, PLANT_PANIC_EXIT);
        handle_exit(cpu);
    }
    return cpu->leaving ? BRINGUP_LEAVES : BRINGUP_DONE;
}

void run(struct cpu *cpu)
{
    if (cpu->gdb)
        run_debugged(cpu);
    if (cpu->vm->stress)
        run_stressed(cpu);
    run_plain(cpu);
}
