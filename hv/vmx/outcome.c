/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in outcome.h. */
#include "hv/vmx/outcome.h"
#include "hv/core/privileged.h"

enum outcome fault(struct cpu *cpu, u32 vector, u32 error)
{
    cpu->fault.vector = vector;
    cpu->fault.error = error;
    return INJECT;
}

enum outcome handle_as_l1(struct cpu *cpu, u32 reason)
{
    const struct exit_row *row = &cpu->rows_l1[reason];
    exit_more(cpu, row->snap);
    return row->handle(cpu);
}

void tell_unwanted(struct cpu *cpu)
{
    u32 reason = EXIT_REASON_BASIC(cpu->exit.reason) % EXIT_REASON_COUNT;
    u64 *told = &cpu->told[cpu->in_l2][reason / 64];
    if (any(*told, BIT(reason % 64)))
        return;
    *told |= BIT(reason % 64);
    exit_more(cpu, SNAP_STEP | SNAP_QUAL);
    log_rare(LOG_EXIT, "bug: unwanted exit of L%u, reason %x, qualification %lx, at rip %lx",
             cpu->in_l2 ? 2 : 1, cpu->exit.reason, cpu->exit.qual, cpu->st.rip);
}

enum outcome unwanted_in_l1(struct cpu *cpu)
{
    tell_unwanted(cpu);
    return exit_by_instruction(EXIT_REASON_BASIC(cpu->exit.reason)) ? fault(cpu, VEC_UD, 0)
                                                                    : RESUME;
}

#define PORT_RESET 0xcf9
#define RESET_ARM  0x02
#define RESET_HARD 0x06
#define PORT_KBD   0x64
#define KBD_RESET  0xfe

void machine_reset(struct cpu *cpu, const char *why)
{
    exit_more(cpu, SNAP_STEP | SNAP_RSP);
    log_line("%s at rip %lx rsp %lx: resetting the machine", why, cpu->st.rip, cpu->st.rsp);
    outb(PORT_RESET, RESET_ARM);
    outb(PORT_RESET, RESET_HARD);
    outb(PORT_KBD, KBD_RESET);
    cpu_shut_down(); /* the ports did not reset: L0 shuts down as L1's processor would */
}
