/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MOV to CR0 and CR4 that changes a bit which L0 owns: CR0.NE, which VMX fixes; CR4.VMXE, which VMX
 * fixes and L1 sees as its own; the bits of CR4 that are hidden (CR4_KNOWN). L0 judges the whole
 * write, changes only the read shadow and lets L1 execute the instruction again. The owned bits now
 * equal the shadow, so the instruction no longer exits and the CPU does everything else.
 * CAVEAT(numeric-error) SDM 3C 26.3 "Changes to Instruction Behavior in VMX Non-Root Operation"
 */
#include "hv/l1/l1.h"
#include "hv/vmx/insn.h"

static bool cr0_legal(struct cpu *cpu, u64 v)
{
    const struct exit_state *st = &cpu->st;
    if (v >> 32 || (any(v, CR0_PG) && !any(v, CR0_PE)) || (any(v, CR0_NW) && !any(v, CR0_CD)))
        return false;
    if (any(v, CR0_PG) && !any(st->cr0, CR0_PG) && any(st->efer, EFER_LME))
        return any(st->cr4, CR4_PAE) && !any(st->cs_ar, AR_L);
    if (!any(v, CR0_PG) && any(st->cr0, CR0_PG))
        return !guest_is_64bit(cpu) && !any(st->cr4, CR4_PCIDE);
    return true;
}

/* SDM 3A 2.5 "Control Registers", SDM 3A 4.10.1 "Process-Context Identifiers (PCIDs)" */
static bool cr4_legal(const struct cpu *cpu, u64 v)
{
    const struct exit_state *st = &cpu->st;
    bool lma = any(st->efer, EFER_LMA);
    u64 supported = cpu->vm->facts.vmx.cr4_fixed1 & CR4_KNOWN;
    if (!cpu->vm->shown)
        supported &= ~CR4_VMXE;
    if (any(v, ~supported))
        return false;
    if (lma && !any(v, CR4_PAE))
        return false;
    return !any(v, CR4_PCIDE) || any(st->cr4, CR4_PCIDE) || (lma && !any(st->cr3, PAGE_SIZE - 1));
}

static enum outcome write_cr0(struct cpu *cpu, u64 v)
{
    if (!cr0_legal(cpu, v) || !all(v, cpu->cr0_fixed))
        return fault(cpu, VEC_GP, 0);
    cpu->cr0_shadow = (cpu->cr0_shadow & ~CR0_MASK01) | (v & CR0_MASK01);
    vmcs_write(ENC_cr0_read_shadow, cpu->cr0_shadow);
    exit_execute_again(cpu);
    return RESUME;
}

static enum outcome write_cr4(struct cpu *cpu, u64 v)
{
    if (!cr4_legal(cpu, v) || !all(v, cpu->cr4_fixed))
        return fault(cpu, VEC_GP, 0);
    cpu->cr4_shadow = (cpu->cr4_shadow & ~CR4_MASK01) | (v & CR4_MASK01);
    vmcs_write(ENC_cr4_read_shadow, cpu->cr4_shadow);
    exit_execute_again(cpu);
    return RESUME;
}

enum outcome emulate_cr_access(struct cpu *cpu)
{
    u64 qual = cpu->exit.qual;
    if (qual_cr_type(qual) != CR_MOV_TO)
        return unwanted_in_l1(cpu); /* CLTS and LMSW write no bit that L0 owns */
    u64 v = reg_read(cpu, (enum reg)qual_cr_gpr(qual));
    if (!guest_is_64bit(cpu))
        v = (u32)v;
    if (qual_cr_number(qual) == 0)
        return write_cr0(cpu, v);
    return qual_cr_number(qual) == 4 ? write_cr4(cpu, v) : unwanted_in_l1(cpu);
}
