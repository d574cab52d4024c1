/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every exit of L2 comes here. The pure route says whose exit it is. L1's exits are reflected. L0's
 * own exits go to the handlers that serve L1's exits, which work on whatever VMCS is current.
 */
#include "hv/arch/event.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/crossing/private.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/explain/explain.h"
#include "hv/nested/images/images.h"
#include "hv/nested/instructions/instructions.h"
#include "hv/vmcs12/bitmap.h"
#include "hv/vmcs12/event.h"
#include "hv/vmcs12/route.h"
#include "hv/vmcs12/sync.h"
#include "hv/core/privileged.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/stress.h"

#define SNAP_ROUTE (SNAP_QUAL | SNAP_INTR)

const struct exit_row exit_rows_l2[EXIT_ROWS] = {
    [0 ... EXIT_ROWS - 1] = {nested_l2_exit, SNAP_ROUTE},
};

/* L1 without VPID relies on the flush that every transition implies, for its own mappings as
 * for L2's (vmcs02 has no VPID then, so the CPU flushes those). SDM 3C 29.4.3.1 "Operations that
 * Invalidate Cached Mappings" */
static void flush_l1(const struct cpu *cpu)
{
    if (!any(vmcs12_cpu2(&cpu->nested->now->vmcs12), CPU2_ENABLE_VPID))
        vpid01_flush(cpu);
}

/* The NMI becomes L1's if L2 leaves before L2's NMI window opens. */
void nested_hold_nmi(struct cpu *cpu)
{
    if (cpu->in_l2)
        cpu->nested->nmi_held = true;
}

/* Makes the held NMI pending again. L0 may have changed vmcs02's controls to wait for an NMI window
 * (hv/l1/nmi.c). They get back the values of vmcs02's image. */
static void release_nmi(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (!cpu->in_l2 || !n->nmi_held)
        return;
    n->nmi_held = false;
    cpu->percpu.nmi_pending = 1;
    vmcs_write(ENC_pin_ctl, n->now->image02.pin_ctl);
    vmcs_write(ENC_cpu1_ctl, n->now->image02.cpu1_ctl);
}

void nested_run_l1(struct cpu *cpu)
{
    release_nmi(cpu);
    if (cpu->in_l2 && any(cpu->percpu.spec, SPEC_IBPB)) /* predictors do not tell L1 from L2 */
        wrmsr(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
    vmcs_load(cpu, &cpu->vmcs01);
    cpu->in_l2 = false;
    cpu->crossings++;
    flush_l1(cpu);
}

/* A VM entry sets NMI blocking anew. An NMI that L1 could not take may now make L2 exit, or go to
 * L2. SDM 3C 27.3.2.5 "Updating Non-Register State" */
void nested_run_l2(struct cpu *cpu)
{
    if (UNLIKELY(cpu->nmi_waits))
        (void)handle_as_l1(cpu, EXIT_REASON_NMI_WINDOW); /* decides anew */
    vmcs_load(cpu, &cpu->nested->now->vmcs02);
    cpu->in_l2 = true;
    cpu->crossings++;
    flush_l1(cpu);
}

/* ---- facts for the route ---------------------------------------------------------------- */

bool io_bitmaps12_hit(const struct cpu *cpu)
{
    const struct nested *n = cpu->nested;
    const void *a = gpa1_map(cpu, GPA1(n->now->vmcs12.io_bitmap_a_addr));
    const void *b = gpa1_map(cpu, GPA1(n->now->vmcs12.io_bitmap_b_addr));
    return io_bitmap_hit(a ? a : n->page_of_ones, b ? b : n->page_of_ones,
                         qual_io_port(cpu->exit.qual), qual_io_size(cpu->exit.qual));
}

static bool bitmap_hit(struct cpu *cpu)
{
    switch (EXIT_REASON_BASIC(cpu->exit.reason)) {
    case EXIT_REASON_IO_INSTRUCTION:
        return io_bitmaps12_hit(cpu);
    case EXIT_REASON_RDMSR:
        return bitmap02_l1_wants(cpu, false);
    case EXIT_REASON_WRMSR:
        return bitmap02_l1_wants(cpu, true);
    default: /* VMREAD, VMWRITE */
        exit_more(cpu, SNAP_INSN_INFO);
        return vmcs_bitmap_hit(
            shadow12_bitmap(cpu, EXIT_REASON_BASIC(cpu->exit.reason) == EXIT_REASON_VMWRITE),
            reg_operand(cpu, operand_reg2(cpu->exit.insn_info)));
    }
}

static u64 source_operand(struct cpu *cpu)
{
    u64 q = cpu->exit.qual;
    if (qual_cr_type(q) == CR_LMSW)
        return qual_cr_lmsw(q);
    return reg_operand(cpu, (enum reg)qual_cr_gpr(q));
}

/* ---- the exit --------------------------------------------------------------------------- */

/* L0's handler found a fault in L2's instruction. The fault is an exit when L1 asked for it, else
 * L2 gets it. The exit saves RF set, because the exception would have pushed RF set. The exit of a
 * #PF has the address as its qualification and leaves CR2 alone. If the fault interrupted the
 * delivery of an event, L1 is told of that event. A double fault is told alone.
 * SDM 3C 28.3.3 "Saving RIP, RSP, RFLAGS, and SSP" */
static enum outcome fault_in_l2(struct cpu *cpu)
{
    u8 vector = (u8)cpu->fault.vector;
    u64 address = vector == VEC_PF ? cpu->fault.address : 0;
    if (!event_exits_to_l1(&cpu->nested->now->vmcs12, vector, cpu->fault.error)) {
        if (vector == VEC_PF)
            write_cr2(address);
        return INJECT;
    }
    exit_more(cpu, SNAP_STEP | SNAP_MODE);
    vmcs_write(ENC_guest_rflags, cpu->st.rflags | RFLAGS_RF);
    exit_unpend_step();
    struct event e = event_exception(vector, cpu->fault.error, cpu->st.cr0);
    struct vmexit x = {.reason = EXIT_REASON_EXCEPTION_NMI,
                       .qual = address,
                       .intr_info = e.info,
                       .intr_error = e.error};
    if (vector != VEC_DF && any(cpu->have, SNAP_IDT)) {
        struct event first = event_interrupted(&cpu->exit, cpu->st.cr0);
        event_overtaken(&first, &x);
    }
    nested_leave_l2(cpu, &x);
    return RESUME;
}

/* An exit that neither vmcs12 nor L0 asks for. It has one of three causes:
 *  - A device or another processor changed L1's bitmap after the CPU had read it. L2 executes the
 *    instruction again.
 *  - The CPU has an instruction that L1's processor lacks. L2 gets #UD.
 *  - The CPU departs from the SDM. L1 gets the exit, as L1 can make more of it than L0. */
static enum outcome unwanted(struct cpu *cpu)
{
    u32 reason = EXIT_REASON_BASIC(cpu->exit.reason);
    struct route_env e = {.v12 = &cpu->nested->now->vmcs12, .x = &cpu->exit};
    if (route_needs_bitmap(&e)) {
        exit_execute_again(cpu);
        return RESUME;
    }
    tell_unwanted(cpu);
    if (reason == EXIT_REASON_SEAMCALL || reason == EXIT_REASON_TDCALL) {
        fault(cpu, VEC_UD, 0);
        return fault_in_l2(cpu);
    }
    return REFLECT;
}

/* An exit that is L0's own goes to the handler of L1's exits of that reason. Three kinds come
 * first: VMFUNC, an MSR access that the map may let pass, and an exit that no control asks for. */
static enum outcome l0_handles(struct cpu *cpu)
{
    u32 reason = EXIT_REASON_BASIC(cpu->exit.reason);
    bool write = reason == EXIT_REASON_WRMSR;
    if (reason == EXIT_REASON_VMFUNC)
        return nested_vmfunc(cpu);
    if ((reason == EXIT_REASON_RDMSR || write) && bitmap02_passes(cpu, write))
        return RESUME;
    if (reason == EXIT_REASON_IO_INSTRUCTION || cpu->rows_l1[reason].handle == unwanted_in_l1)
        return unwanted(cpu);
    enum outcome out = handle_as_l1(cpu, reason);
    if (write || reason == EXIT_REASON_EPT_VIOLATION || reason == EXIT_REASON_EPT_MISCONFIG)
        ept02_follow(cpu); /* an MTRR, or a full pool, changes EPT01 */
    return out == INJECT ? fault_in_l2(cpu) : out;
}

/* An EPT violation while vmcs12 uses EPT: EPT02 has a gap, or EPT12 forbids the access. An EPT
 * misconfiguration is a bug of ours in EPT02, which is then made anew. */
static enum outcome l0_looks(struct cpu *cpu)
{
    if (EXIT_REASON_BASIC(cpu->exit.reason) != EXIT_REASON_EPT_VIOLATION) {
        tell_unwanted(cpu);
        ept02_start_over(cpu);
        exit_more(cpu, SNAP_IDT);
        exit_retry(cpu);
        return RESUME;
    }
    exit_more(cpu, SNAP_GPA | SNAP_IDT | SNAP_GLA);
    /* L2's page tables have a reserved bit set */
    enum outcome out = fits_phys(cpu->exit.gpa, cpu->vm->facts.phys_bits)
                           ? ept02_violation(cpu)
                           : handle_as_l1(cpu, EXIT_REASON_EPT_VIOLATION);
    return out == INJECT ? fault_in_l2(cpu) : out;
}

static enum route route(struct cpu *cpu)
{
    struct route_env e = {.v12 = &cpu->nested->now->vmcs12, .x = &cpu->exit};
    if (EXIT_REASON_BASIC(cpu->exit.reason) == EXIT_REASON_CR_ACCESS)
        e.operand = source_operand(cpu);
    else if (EXIT_REASON_BASIC(cpu->exit.reason) == EXIT_REASON_VMFUNC)
        e.operand = cpu->regs.gpr[REG_RAX];
    if (route_needs_bitmap(&e))
        e.bitmap_hit = bitmap_hit(cpu);
    return route_exit(&e);
}

/* L2 may lower VTPR by a plain store when L1 maps the virtual-APIC page for L2. No CPU exits for
 * the store. CAVEAT(tpr-stored) */
void nested_goes_on(struct cpu *cpu)
{
    u8 vtpr;
    if (!cpu->in_l2)
        return;
    residence_home(cpu);
    struct active *a = cpu->nested->now;
    const struct vmcs_image *v = &a->vmcs12;
    if (!any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW) || any(vmcs12_cpu2(v), CPU2_VIRTUAL_INTR_DELIVERY) ||
        !gpa1_read(cpu, GPA1(v->virtual_apic_addr + VTPR_OFFSET), &vtpr, sizeof vtpr))
        return;
    u32 fits = v->tpr_threshold <= vtpr >> 4 ? v->tpr_threshold : vtpr >> 4;
    vmcs_write(ENC_tpr_threshold, a->image02.tpr_threshold = fits);
}

/* L2 lowered VTPR in a virtual-APIC page where no memory is. The page reads as all ones again, so
 * VTPR is above every threshold. */
static bool wrote_nowhere(struct cpu *cpu)
{
    if (EXIT_REASON_BASIC(cpu->exit.reason) != EXIT_REASON_TPR_BELOW_THRESHOLD ||
        !cpu->nested->now->vapic_nowhere)
        return false;
    nested_forget_nowhere(cpu);
    return true;
}

static enum outcome answer(struct cpu *cpu)
{
    if (wrote_nowhere(cpu))
        return RESUME;
    switch (route(cpu)) {
    case ROUTE_L1:
        return REFLECT;
    case ROUTE_L0:
        return l0_handles(cpu);
    case ROUTE_L0_FIRST:
        return l0_looks(cpu);
    case ROUTE_UNEXPECTED:
        return unwanted(cpu);
    }
    return unwanted(cpu);
}

/* L0 completed L2's instruction, and L1 wants an exit after each instruction. A CPU exits before
 * the next instruction and ahead of a single-step trap. SDM 3C 26.5.2 "Monitor Trap Flag".
 * CAVEAT(bochs-mtf) */
static enum outcome trap_to_l1(struct cpu *cpu)
{
    exit_advance(cpu);
    nested_reflect_event(cpu, EXIT_REASON_MONITOR_TRAP_FLAG, 0);
    return RESUME;
}

void nested_stopped(struct cpu *cpu)
{
    cpu->nested->exit_tsc = stressed(cpu, STRESS_PARANOID) ? cpu->audit.exit_tsc : rdtsc();
}

enum outcome nested_l2_exit(struct cpu *cpu)
{
    u32 reason = cpu->exit.reason;
    u64 then = cpu->nested->exit_tsc;
    if (!any(reason, EXIT_REASON_ENTRY_FAIL))
        cpu->nested->entering = false;
    residence_home(cpu);
    if (reason == (EXIT_REASON_ENTRY_FAIL | EXIT_REASON_ENTRY_MACHINE_CHECK))
        return handle_as_l1(cpu, EXIT_REASON_ENTRY_MACHINE_CHECK);
    if (any(reason, EXIT_REASON_ENTRY_FAIL)) {
        explain_refused(cpu, reason);
        nested_entry_failed(cpu, reason, cpu->exit.qual);
        return RESUME;
    }
    enum outcome out = answer(cpu);
    if (out == REFLECT)
        return out;
    nested_charge_timer(cpu, then);
    nested_goes_on(cpu);
    if (out == ADVANCE && cpu->in_l2 &&
        any(cpu->nested->now->vmcs12.cpu1_ctl, CPU1_MONITOR_TRAP_FLAG))
        return trap_to_l1(cpu);
    return out;
}

/* ---- events that L0 caught or makes up --------------------------------------------------- */

void nested_reflect_event(struct cpu *cpu, u32 reason, u32 info)
{
    struct vmexit x = {.reason = reason, .intr_info = info};
    cpu->nested->exit_tsc = rdtsc();
    residence_home(cpu);
    struct event planned = {.info = (u32)vmcs_read(ENC_entry_intr_info),
                            .error = (u32)vmcs_read(ENC_entry_exception_error_code),
                            .len = (u32)vmcs_read(ENC_entry_instruction_len)};
    if (any(planned.info, INTR_VALID))
        event_overtaken(&planned, &x);
    nested_leave_l2(cpu, &x);
}
