/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID by L1: the processor's answer, cut to the list of hv/arch/cpuid_policy.def, and the
 * leaves of Nidus itself. */
#include "hv/l1/l1.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/nested/nested.h"
#include "hv/vmx/insn.h"
#include "hv/vtd/vtd.h"
#include "hv/core/privileged.h"

#define NIDUS_VERSION 1u
#define EXITS_FROM_L2 0x80000000u

/* nidus.efi, as L1, ends bring-up. Afterwards the leaf does nothing. */
static void bringup_call(struct cpu *cpu, u32 sub)
{
    if (__atomic_load_n(&cpu->vm->committed, __ATOMIC_ACQUIRE))
        return;
    if (sub == 0)
        __atomic_store_n(&cpu->vm->committed, 1, __ATOMIC_RELEASE);
    else if (sub == 1)
        cpu->leaving = true;
}

/* CAVEAT(hypervisor-leaves) CAVEAT(log-readable) */
static struct cpuid cpuid_nidus(struct cpu *cpu, u32 leaf, u32 sub)
{
    struct cpuid r = {0};
    u32 from_l2 = sub >> 31, reason = sub & ~EXITS_FROM_L2;
    if (leaf == LEAF_NIDUS)
        return (struct cpuid){LEAF_NIDUS_TRACE, NIDUS_EBX, NIDUS_ECX, NIDUS_EDX};
    if (leaf == LEAF_NIDUS_VERSION)
        return (struct cpuid){NIDUS_VERSION, cpu->vm->depth, NIDUS_IN_PLACE, 0};
    if (leaf == LEAF_NIDUS_BRINGUP)
        bringup_call(cpu, sub);
    if (leaf == LEAF_NIDUS_LOG && cpu->vm->ring) {
        struct ring_words w = ring_words(cpu->vm->ring, sub);
        return (struct cpuid){w.word[0], w.word[1], w.word[2], w.word[3]};
    }
    if (leaf == LEAF_NIDUS_FAILS && sub < TOLD_COUNT && cpu->nested)
        r.eax = cpu->nested->told[sub & (u32)index_mask(sub, TOLD_COUNT)];
    if (leaf == LEAF_NIDUS_VTD)
        return (struct cpuid){cpu->vm->unit_count, vtd_faults(cpu->vm), 0, 0};
    if (leaf == LEAF_NIDUS_EXITS && reason < EXIT_REASON_COUNT) {
        reason &= (u32)index_mask(reason, EXIT_REASON_COUNT);
        u64 count = cpu->exits[from_l2][reason];
        return (struct cpuid){(u32)count, (u32)cpu->first_touches, 0, (u32)(count >> 32)};
    }
    return r;
}

static u32 mirror(u32 word, u64 flag, bool set)
{
    return set ? word | (u32)flag : word & ~(u32)flag;
}

/* Sets the bits that mirror a control register, L1's here, and the bits that options decide.
 * SDM 2A 3.3 "Instructions (A-L)" (CPUID) */
static void cpuid_adjust(struct cpu *cpu, u32 leaf, u32 sub, struct cpuid *r)
{
    switch (leaf) {
    case 1:
        r->ecx = mirror(r->ecx, CPUID1_ECX_VMX, cpu->vm->shown != NULL);
        r->ecx = mirror(r->ecx, CPUID1_ECX_OSXSAVE, any(vmcs_read(ENC_guest_cr4), CR4_OSXSAVE));
        r->ecx = mirror(r->ecx & ~cpu->vm->hide1_ecx, CPUID1_ECX_HYPERVISOR, cpu->vm->hvbit);
        break;
    case 7:
        if (!sub)
            r->ecx = mirror(r->ecx, CPUID7_ECX_OSPKE, any(vmcs_read(ENC_guest_cr4), CR4_PKE));
        break;
    case 0xa: /* hidden where a VM exit cannot stop the counters */
        if (!cpu->vm->facts.perf_global)
            *r = (struct cpuid){0};
        break;
    case 0x80000001:
        /* Intel shows SYSCALL in 64-bit mode only, and L0 executed CPUID in that mode. */
        if (!guest_is_64bit(cpu))
            r->edx &= ~(u32)CPUIDX_EDX_SYSCALL;
        break;
    default:
        break;
    }
}

/* CAVEAT(cpuid-known) CAVEAT(rtit-hidden) CAVEAT(hvbit-off) */
enum outcome emulate_cpuid(struct cpu *cpu)
{
    u64 *gpr = cpu->regs.gpr;
    const struct cpu_facts *f = &cpu->vm->facts;
    u32 leaf = (u32)gpr[REG_RAX], sub = (u32)gpr[REG_RCX];
    struct cpuid r;
    if (leaf - LEAF_NIDUS < LEAF_NIDUS_END - LEAF_NIDUS &&
        (cpu->vm->hvbit || !cpu->vm->committed)) {
        r = cpuid_nidus(cpu, leaf, sub);
    } else {
        leaf = cpuid_asked(leaf, f->leaf_basic, f->leaf_extended);
        r = cpuid_shown(leaf, sub, cpuid(leaf, sub));
        cpuid_adjust(cpu, leaf, sub, &r);
    }
    gpr[REG_RAX] = r.eax;
    gpr[REG_RBX] = r.ebx;
    gpr[REG_RCX] = r.ecx;
    gpr[REG_RDX] = r.edx;
    return ADVANCE;
}

/* Does what emulate_cpuid and exit_advance do, for the plain case: no blocking by STI or MOV SS,
 * TF and RF clear, and RIP stays within its 4 GiB. CPUID exits more often than anything else
 * that L0 handles for L1. */
u64 emulate_short(struct percpu *percpu)
{
    struct cpu *cpu = cpu_of(percpu);
    u64 *gpr = cpu->regs.gpr, leaf = (u32)gpr[REG_RAX];
    if (leaf > 63 || !any(cpu->vm->facts.leaf_plain >> leaf, 1))
        return SHORT_NOT;
    u64 len = vmcs_read(ENC_exit_instruction_len), next = vmcs_read(ENC_guest_rip) + len;
    if (any(vmcs_read(ENC_guest_interruptibility), BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) ||
        any(vmcs_read(ENC_guest_rflags), RFLAGS_TF | RFLAGS_RF) || (u32)next < len)
        return SHORT_NOT;
    cpuid_gpr(gpr, leaf);
    vmcs_write(ENC_guest_rip, next);
    cpu->exits[0][EXIT_REASON_CPUID]++;
    cpu->vmcs01.launched = 1; /* after a first exit, an NMI may stop the VMRESUME */
    return SHORT_RESUME;
}
