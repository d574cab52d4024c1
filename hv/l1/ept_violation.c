/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT violations that are L0's: the first touch of a page of the hole, an address that EPT01 does
 * not map yet, and an address that is wider than L1's physical addresses. EPT01 walks 48 bits. On a
 * CPU whose own addresses are wider, paging lets a wider address through. L1's processor has
 * 48 bits and would have found a reserved bit set in a page table.
 * SDM 3A 4.7 "Page-Fault Exceptions"
 */
#include "hv/l1/l1.h"
#include "hv/arch/event.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/vmcs12/event.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

/* When the address is that of a page table, the exit does not tell the access.
 * CAVEAT(wide-address) */
static u32 reserved_bit_error(struct cpu *cpu)
{
    const struct exit_state *st = &cpu->st;
    u64 access = any(cpu->exit.qual, QUAL_EPT_GLA_FINAL) ? cpu->exit.qual : 0;
    bool tells_fetch = any(st->cr4, CR4_SMEP) || (any(st->cr4, CR4_PAE) && any(st->efer, EFER_NXE));
    u64 error = PF_P | PF_RSVD | (any(access, QUAL_EPT_WRITE) ? PF_W : 0) |
                (guest_cpl(cpu) == 3 ? PF_U : 0);
    return (u32)(tells_fetch && any(access, QUAL_EPT_FETCH) ? error | PF_I : error);
}

static enum outcome triple_fault(struct cpu *cpu)
{
    if (!cpu->in_l2)
        return emulate_triple_fault(cpu);
    nested_reflect_event(cpu, EXIT_REASON_TRIPLE_FAULT, 0);
    return RESUME;
}

/* Raises the fault, combined with the event whose delivery met it. Whether L2's fault exits to
 * L1 is decided by the fault alone.
 * SDM 3C 28.2.4 "Information for VM Exits During Event Delivery" */
static enum outcome fault_of_access(struct cpu *cpu, u8 vector, u32 error)
{
    bool triple;
    if (cpu->in_l2 && event_exits_to_l1(&cpu->nested->now->vmcs12, vector, error))
        return fault(cpu, vector, error);
    struct event first = event_interrupted(&cpu->exit, cpu->st.cr0),
                 second = event_exception(vector, error, cpu->st.cr0);
    struct event e = event_combine(&first, &second, cpu->st.cr0, &triple);
    return triple ? triple_fault(cpu) : fault(cpu, INTR_VECTOR(e.info), e.error);
}

static enum outcome no_such_address(struct cpu *cpu)
{
    exit_more(cpu, SNAP_MODE | SNAP_GLA);
    if (!any(cpu->exit.qual, QUAL_EPT_GLA_VALID))
        return fault_of_access(cpu, VEC_GP, 0);
    cpu->fault.address = cpu->exit.gla;
    if (!cpu->in_l2) /* hv/nested writes CR2 for L2, unless L1 takes the exit */
        write_cr2(cpu->exit.gla);
    return fault_of_access(cpu, VEC_PF, reserved_bit_error(cpu));
}

/* Maps the address and lets the guest try again. */
enum outcome emulate_ept_violation(struct cpu *cpu)
{
    if (!ept01_fill(cpu, GPA1(cpu->exit.gpa)))
        return no_such_address(cpu);
    exit_retry(cpu);
    return RESUME;
}
