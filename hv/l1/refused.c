/*
 * The answers that a right L0 on a right CPU never needs: a VM entry of L1 that the CPU refuses, an exit
 * that nobody asked for, a misconfigured EPT01; and the one that L1 can bring about, its VMX abort. None
 * of them stops L0. The entry rules of hv/vmcs12, which judge L1's VMCSs by what L1 is shown, judge
 * L0's own here by what the CPU is.
 */
#include "hv/dispatch.h"
#include "hv/nested/explain/judge.h"
#include "hv/vmx/insn.h"

/* ---- what the CPU refuses ------------------------------------------------------------------ */

void l1_refused(struct cpu *cpu, u32 what)
{
    log_begin();
    log_part("bug: the CPU refused vmcs01 (%s %x): ",
             any(what, EXIT_REASON_ENTRY_FAIL) ? "exit reason" : "error", what);
    judge_tell(cpu);
    log_end();
    machine_reset(cpu, "L1 cannot be entered");
}

void judge_before_entry(struct cpu *cpu)
{
    if (judge_current(cpu) == R_NONE)
        return;
    log_begin();
    log_part("bug: the CPU would refuse %s: ", cpu->in_l2 ? "vmcs02" : "vmcs01");
    judge_tell(cpu);
    log_end();
    panic("bug: an entry rule is broken");
}

/* ---- what nobody asked for ------------------------------------------------------------------ */

void tell_unwanted(struct cpu *cpu)
{
    u32 reason = EXIT_REASON_BASIC(cpu->exit.reason) % EXIT_REASON_COUNT;
    u64 *told = &cpu->told[cpu->in_l2][reason / 64];
    if (any(*told, BIT(reason % 64)))
        return;
    *told |= BIT(reason % 64);
    exit_more(cpu, SNAP_STEP | SNAP_QUAL);
    log_rare(LOG_EXIT, "bug: unwanted exit of L%u, reason %x, qualification %lx, at rip %lx", cpu->in_l2 ? 2 : 1,
             cpu->exit.reason, cpu->exit.qual, cpu->st.rip);
}

enum outcome unwanted_in_l1(struct cpu *cpu)
{
    tell_unwanted(cpu);
    return exit_by_instruction(EXIT_REASON_BASIC(cpu->exit.reason)) ? fault(cpu, VEC_UD, 0) : RESUME;
}

/* EPT01 is made anew; L1 tries again. */
enum outcome ept01_misconfigured(struct cpu *cpu)
{
    tell_unwanted(cpu);
    ept01_rebuild(cpu->vm);
    ept01_invalidate(cpu->vm);
    exit_retry(cpu);
    return RESUME;
}

/* ---- VMX abort ------------------------------------------------------------------------------ */

static enum outcome stay_dead(struct cpu *cpu)
{
    (void)cpu;
    return RESUME;
}

const struct exit_row exit_rows_dead[EXIT_ROWS] = {[0 ... EXIT_ROWS - 1] = {stay_dead, 0}};

/* NMIs exit from now on, as they would end a shutdown that the activity state alone makes. What the
 * instruction that led here has left must not speak against that state. A CPU that cannot be entered into
 * shutdown halts with interrupts off, or else runs nothing: the platform answers a shutdown by a reset. */
void l1_abort(struct cpu *cpu)
{
    u64 misc = cpu->vm->facts.vmx.misc;
    if (!any(misc, VMX_MISC_ACTIVITY_SHUTDOWN | VMX_MISC_ACTIVITY_HLT))
        machine_reset(cpu, "VMX abort on a CPU that cannot be entered into shutdown");
    cpu->dead = true;
    cpu->rows = exit_rows_dead;
    vmcs_write(ENC_pin_ctl, vmcs_read(ENC_pin_ctl) | PIN_NMI_EXITING);
    vmcs_write(ENC_guest_activity_state,
               any(misc, VMX_MISC_ACTIVITY_SHUTDOWN) ? ACTIVITY_SHUTDOWN : ACTIVITY_HLT);
    vmcs_write(ENC_guest_rflags, RFLAGS_FIXED);
    vmcs_write(ENC_guest_interruptibility, 0);
    vmcs_write(ENC_guest_pending_dbg_exceptions, 0);
    vmcs_write(ENC_entry_intr_info, 0);
}
