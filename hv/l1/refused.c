/*
 * What a right L0 on a right CPU never meets: a VM entry of L1 that the CPU refuses, and a misconfigured
 * EPT01. Neither stops L0.
 */
#include "hv/l1/l1.h"
#include "hv/nested/explain/explain.h"
#include "hv/vmx/insn.h"

void l1_refused(struct cpu *cpu, u32 what)
{
    log_begin();
    log_part("bug: the CPU refused vmcs01 (%s %x): ",
             any(what, EXIT_REASON_ENTRY_FAIL) ? "exit reason" : "error", what);
    judge_tell(cpu);
    log_end();
    machine_reset(cpu, "L1 cannot be entered");
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
