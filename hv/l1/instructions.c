/* The instructions and events of L1 that L0 handles itself; control registers are
 * emulate_cr.c, task switches emulate_task.c. */
#include "hv/dispatch.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/msr_l1.h"
#include "hv/vmx/insn.h"
#include "hv/core/insn.h"

#define LEAF_HV          0x40000000u /* signature */
#define LEAF_HV_VERSION  0x40000001u
#define LEAF_HV_EXITS    0x40000002u
#define LEAF_HV_END      0x40000100u
#define NIDUS_VERSION    1u
#define EXITS_FROM_L2    0x80000000u

#define CPUID1_ECX_VMX      BIT(5)
#define CPUID1_ECX_OSXSAVE  BIT(27)
#define CPUID1_ECX_HYPER    BIT(31)
#define CPUID7_ECX_OSPKE    BIT(4)
#define CPUIDX_EDX_SYSCALL  BIT(11)

/* CAVEAT(hypervisor-leaves) */
static struct cpuid cpuid_nidus(const struct cpu *cpu, u32 leaf, u32 sub)
{
    struct cpuid r = {0};
    u32 from_l2 = sub >> 31, reason = sub & ~EXITS_FROM_L2;
    if (leaf == LEAF_HV)
        return (struct cpuid){LEAF_HV_EXITS, 0x7564694e, 0x64694e73, 0x00007375}; /* NidusNidus */
    if (leaf == LEAF_HV_VERSION)
        return (struct cpuid){NIDUS_VERSION, cpu->vm->depth, 0, 0};
    if (leaf == LEAF_HV_EXITS && reason < EXIT_REASON_COUNT) {
        reason &= (u32)index_mask(reason, EXIT_REASON_COUNT);
        r.eax = (u32)cpu->exits[from_l2][reason];
        r.edx = (u32)(cpu->exits[from_l2][reason] >> 32);
    }
    return r;
}

static u32 mirror(u32 word, u64 flag, bool set)
{
    return set ? word | (u32)flag : word & ~(u32)flag;
}

/* Bits that mirror registers mirror L1's, and those that options decide.
 * SDM 2A 3.3 "Instructions (A-L)" (CPUID) */
static void cpuid_adjust(struct cpu *cpu, u32 leaf, u32 sub, struct cpuid *r)
{
    switch (leaf) {
    case 1:
        r->ecx = mirror(r->ecx, CPUID1_ECX_VMX, cpu->vm->shown != NULL);
        r->ecx = mirror(r->ecx, CPUID1_ECX_OSXSAVE, any(vmcs_read(ENC_guest_cr4), CR4_OSXSAVE));
        r->ecx |= (u32)CPUID1_ECX_HYPER;
        break;
    case 7:
        if (!sub)
            r->ecx = mirror(r->ecx, CPUID7_ECX_OSPKE, any(vmcs_read(ENC_guest_cr4), CR4_PKE));
        break;
    case 0xa: /* counters that would count in root are hidden */
        if (!cpu->vm->facts.perf_global)
            *r = (struct cpuid){0};
        break;
    case 0x80000001:
        /* Intel shows SYSCALL in 64-bit mode only, and L0 asked from there. */
        if (!guest_is_64bit(cpu))
            r->edx &= ~(u32)CPUIDX_EDX_SYSCALL;
        break;
    default:
        break;
    }
}

/* CAVEAT(cpuid-known) CAVEAT(rtit-hidden) */
enum outcome emulate_cpuid(struct cpu *cpu)
{
    u64 *gpr = cpu->regs.gpr;
    const struct cpu_facts *f = &cpu->vm->facts;
    u32 leaf = (u32)gpr[REG_RAX], sub = (u32)gpr[REG_RCX];
    struct cpuid r;
    if (leaf - LEAF_HV < LEAF_HV_END - LEAF_HV) {
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

/* The same as emulate_cpuid and exit_advance for an instruction that has nothing special about
 * it: no interrupt shadow, no TF or RF, and RIP stays within its 4 GiB. CPUID exits more often
 * than anything else that L0 handles for L1. */
bool emulate_short(struct percpu *percpu)
{
    struct cpu *cpu = cpu_of(percpu);
    u64 *gpr = cpu->regs.gpr, leaf = (u32)gpr[REG_RAX];
    if (vmcs_read(ENC_exit_reason) != EXIT_REASON_CPUID || leaf > 63 ||
        !any(cpu->vm->facts.leaf_plain >> leaf, 1))
        return false;
    u64 len = vmcs_read(ENC_exit_instruction_len), next = vmcs_read(ENC_guest_rip) + len;
    if (any(vmcs_read(ENC_guest_interruptibility), BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) ||
        any(vmcs_read(ENC_guest_rflags), RFLAGS_TF | RFLAGS_RF) || (u32)next < len)
        return false;
    cpuid_gpr(gpr, leaf);
    vmcs_write(ENC_guest_rip, next);
    cpu->exits[0][EXIT_REASON_CPUID]++;
    cpu->vmcs01.launched = 1; /* it may be the first exit, and an NMI come before the entry */
    return true;
}

static u64 edx_eax(const struct cpu *cpu)
{
    return cpu->regs.gpr[REG_RDX] << 32 | (u32)cpu->regs.gpr[REG_RAX];
}

/* XCR0 is L1's as far as CPUID shows its bits; the CPU itself judges the rest. A CPU checks CPL before it exits, the emulator
 * does not. SDM 3C 26.1.1 "Relative Priority of Faults and VM Exits" */
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

/* GETSEC with SMX hidden, and VMX instructions outside VMX operation. */
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

#define PORT_RESET   0xcf9
#define RESET_ARM    0x02
#define RESET_HARD   0x06
#define PORT_KBD     0x64
#define KBD_RESET    0xfe

void machine_reset(struct cpu *cpu, const char *why)
{
    exit_more(cpu, SNAP_STEP | SNAP_RSP);
    log_line("%s at rip %lx rsp %lx: resetting the machine", why, cpu->st.rip, cpu->st.rsp);
    outb(PORT_RESET, RESET_ARM);
    outb(PORT_RESET, RESET_HARD);
    outb(PORT_KBD, KBD_RESET);
    cpu_shut_down(); /* no such port: what L1's processor would have done is done for it */
}

/* The CPU would have shut down, and the platform answers a shutdown with a reset. */
enum outcome emulate_triple_fault(struct cpu *cpu)
{
    machine_reset(cpu, "L1 triple fault");
}
