/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions of L1 that L0 carries out itself, except CPUID and MOV to control registers.
 * Also L1's triple fault. */
#include "hv/l1/l1.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/msr_l1.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

static u64 edx_eax(const struct cpu *cpu)
{
    return cpu->regs.gpr[REG_RDX] << 32 | (u32)cpu->regs.gpr[REG_RAX];
}

/* L1 may set the bits of XCR0 that CPUID shows; the CPU judges everything else about the value.
 * A CPU checks the CPL before it exits. The emulator does not, so L0 checks the CPL too.
 * SDM 3C 26.1.1 "Relative Priority of Faults and VM Exits" */
enum outcome emulate_xsetbv(struct cpu *cpu)
{
    if (guest_cpl(cpu) || any(edx_eax(cpu), ~cpu->vm->facts.xcr0) ||
        !xsetbv_safe((u32)cpu->regs.gpr[REG_RCX], edx_eax(cpu)))
        return fault(cpu, VEC_GP, 0);
    return ADVANCE;
}

/* INVD would throw away L0's own dirty lines. CAVEAT(invd) */
enum outcome emulate_invd(struct cpu *cpu)
{
    (void)cpu;
    wbinvd();
    return ADVANCE;
}

/* GETSEC: L1 is not shown SMX. */
enum outcome emulate_undefined(struct cpu *cpu)
{
    return fault(cpu, VEC_UD, 0);
}

enum outcome emulate_rdmsr(struct cpu *cpu)
{
    u64 v;
    if (!msr_l1_read(cpu, (u32)cpu->regs.gpr[REG_RCX], &v))
        return fault(cpu, VEC_GP, 0);
    cpu->regs.gpr[REG_RAX] = (u32)v;
    cpu->regs.gpr[REG_RDX] = v >> 32;
    return ADVANCE;
}

enum outcome emulate_wrmsr(struct cpu *cpu)
{
    if (!msr_l1_write(cpu, (u32)cpu->regs.gpr[REG_RCX], edx_eax(cpu)))
        return fault(cpu, VEC_GP, 0);
    msr_l1_settle(cpu);
    return ADVANCE;
}

/* L1's processor would have shut down, and the platform answers a shutdown with a reset. */
enum outcome emulate_triple_fault(struct cpu *cpu)
{
    machine_reset(cpu, "L1 triple fault");
}
