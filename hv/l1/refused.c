/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two things that a right L0 on a right CPU never meets: the CPU refuses a VM entry of L1, or finds
 * EPT01 misconfigured. Neither makes L0 panic.
 */
#include "hv/l1/l1.h"
#include "hv/explain/explain.h"
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

enum outcome ept01_misconfigured(struct cpu *cpu)
{
    tell_unwanted(cpu);
    ept01_start_over(cpu);
    exit_retry(cpu);
    return RESUME;
}
