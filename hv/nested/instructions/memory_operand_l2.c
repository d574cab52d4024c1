/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L2's memory by linear address, for VMREAD and VMWRITE, the only instructions of L2 that L0
 * carries out with a memory operand. L2's paging (hv/arch/pagewalk.h) leads to the operand. EPT12
 * translates the address of each of L2's page tables, and then the operand's. EPT02 is not asked:
 * it may lag behind EPT12, and its gaps are L0's.
 */
#include "hv/nested/instructions/memory_operand.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/vmx/gla.h"
#include "hv/vmx/insn.h"

#define RUN_AGAIN (~0u) /* EPT12 changed under every walk: L2 is to execute the instruction again */

struct access {
    struct cpu *cpu;
    u32 stopped;          /* the exit that L1 gets in place of a fault, or RUN_AGAIN, or 0 */
    u64 qual;             /* of EXIT_REASON_APIC_ACCESS */
    gpa2_t gpa2;          /* of EXIT_REASON_EPT_VIOLATION: the address that EPT12 refuses */
    struct ept_walk walk; /* the last walk of EPT12, which refuses gpa2 if any does */
};

static bool through_ept12(struct access *a, u64 gpa2, u64 qual, gpa1_t *at)
{
    const struct vmcs_image *v = &a->cpu->nested->now->vmcs12;
    *at = GPA1(gpa2);
    if (a->stopped)
        return false;
    if (!any(vmcs12_cpu2(v), CPU2_ENABLE_EPT))
        return true;
    struct ept_from root = ept_from_root(v->ept_pointer);
    struct ept12_access access = {GPA2(gpa2), qual | QUAL_EPT_GLA_VALID};
    if (!ept12_walk(a->cpu, &root, &access, &a->walk)) {
        a->stopped = RUN_AGAIN;
        return false;
    }
    if (a->walk.result != EPT_OK) {
        a->stopped = EXIT_REASON_EPT_VIOLATION;
        a->gpa2 = GPA2(gpa2);
        return false;
    }
    *at = GPA1(a->walk.leaf.base.a + (gpa2 & (a->walk.leaf.size - 1)));
    return true;
}

/* An entry behind an address that EPT12 refuses reads as 0, not present. That ends the walk, and
 * `stopped` says why. */
static u64 table_read(void *access, u64 gpa2, unsigned size)
{
    struct access *a = access;
    gpa1_t at;
    return through_ept12(a, gpa2, QUAL_EPT_READ, &at) ? gla_table_read(a->cpu, at.a, size) : 0;
}

static bool table_set_flags(void *access, u64 gpa2, unsigned size, u64 old, u64 new)
{
    struct access *a = access;
    gpa1_t at;
    return !through_ept12(a, gpa2, QUAL_EPT_WRITE, &at) ||
           gla_table_set_flags(a->cpu, at.a, size, old, new);
}

/* Bits 11:9 of the qualification of an EPT violation: the rights in L2's paging.
 * SDM 3C 28.2.1 "Basic VM-Exit Information" */
static u64 rights_told(const struct walk_result *r)
{
    return (r->user ? QUAL_EPT_USER : 0) | (r->write ? QUAL_EPT_WRITE_PAGE : 0) |
           (r->fetch ? 0 : QUAL_EPT_NX_PAGE);
}

/* Translates the address of the operand itself. An operand in the APIC-access page is an exit, as a
 * 64-bit access is on the CPU. A CPU may virtualize a 32-bit access.
 * CAVEAT(shadowed-apic-operand) */
static bool place(void *access, const struct walk_result *r, u64 pf, gpa1_t *at)
{
    struct access *a = access;
    const struct vmcs_image *v = &a->cpu->nested->now->vmcs12;
    u64 qual =
        (any(pf, PF_W) ? QUAL_EPT_WRITE : QUAL_EPT_READ) | QUAL_EPT_GLA_FINAL | rights_told(r);
    if (!through_ept12(a, r->gpa, qual, at))
        return false;
    if (any(vmcs12_cpu2(v), CPU2_VIRTUALIZE_APIC_ACCESSES) &&
        (at->a ^ v->apic_access_addr) < PAGE_SIZE) {
        a->stopped = EXIT_REASON_APIC_ACCESS;
        a->qual = (at->a & (PAGE_SIZE - 1)) | (any(pf, PF_W) ? BIT(12) : 0);
        return false;
    }
    return true;
}

/* Turns the exit of the VMREAD or VMWRITE into the exit that the CPU would have made for the
 * operand. The exits for an operand save RF = 1.
 * SDM 3C 28.3.3 "Saving RIP, RSP, RFLAGS, and SSP" */
static enum outcome leave(struct cpu *cpu, const struct access *a)
{
    if (a->stopped == RUN_AGAIN) {
        exit_execute_again(cpu);
        return RESUME;
    }
    exit_more(cpu, SNAP_STEP);
    vmcs_write(ENC_guest_rflags, cpu->st.rflags | RFLAGS_RF);
    exit_unpend_step();
    cpu->exit.reason = a->stopped;
    cpu->exit.gla = cpu->fault.address;
    cpu->exit.gpa = a->gpa2.a;
    cpu->have |= SNAP_GLA | SNAP_GPA;
    if (a->stopped == EXIT_REASON_EPT_VIOLATION)
        return ept12_refused(cpu, &a->walk, false);
    cpu->exit.qual = a->qual;
    return REFLECT;
}

bool nested_operand_l2(struct cpu *cpu, void *bytes, unsigned size, bool write, enum outcome *out)
{
    struct access a = {.cpu = cpu};
    struct gla_memory m = {{&a, table_read, table_set_flags}, place};
    struct gla_span span;
    u64 gla;
    *out = INJECT;
    if (!nested_operand_gla(cpu, size, write, &gla))
        return false;
    bool there = gla_translate_in(cpu, &m, gla, size, write ? PF_W : 0, &span);
    if (a.stopped) { /* whatever the walk made of the refusal */
        *out = leave(cpu, &a);
        return false;
    }
    if (there)
        nested_operand_accessed(gla, size, write);
    if (there && write)
        span_write(cpu, &span, bytes);
    else if (there)
        span_read(cpu, &span, bytes);
    return there;
}
