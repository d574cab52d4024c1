/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX instructions that failed, in one line each: which, why, with which operand, and where in L1.
 * Contract in explain.h. The operand is read from the registers once more, as nothing has changed
 * them since the exit; what the instruction read from memory is n->culprit. */
#include "hv/explain/private.h"
#include "hv/arch/vmx_error.h"
#include "hv/vmx/guestmem.h"

static const char *insn_name(u32 reason)
{
    switch (reason) {
#define CASE(name)           \
    case EXIT_REASON_##name: \
        return #name;
        CASE(VMCALL)
        CASE(VMCLEAR)
        CASE(VMLAUNCH)
        CASE(VMPTRLD)
        CASE(VMPTRST)
        CASE(VMREAD)
        CASE(VMRESUME)
        CASE(VMWRITE)
        CASE(VMXOFF)
        CASE(VMXON)
        CASE(INVEPT)
        CASE(INVVPID)
    default:
        return "a VMX instruction";
    }
}

void explain_place(struct cpu *cpu)
{
    exit_more(cpu, SNAP_STEP);
    log_part("; L%u rip %lx", cpu->in_l2 ? 2 : 1, cpu->st.rip);
    if (cpu->nested->now->at.a != NO_VMCS)
        log_part(", VMCS %lx", cpu->nested->now->at.a);
    else
        log_part(", no current VMCS");
}

/* The second register operand: an encoding, or a type. */
static u64 reg2(struct cpu *cpu)
{
    exit_more(cpu, SNAP_INSN_INFO);
    return reg_operand(cpu, operand_reg2(cpu->exit.insn_info));
}

static void tell_encoding(struct cpu *cpu)
{
    u64 encoding = reg2(cpu);
    enum vmcs_field f = vmcs12_find(encoding);
    log_part(": field %lx", encoding);
    if (f != F_COUNT)
        log_part(" (%s)", vmcs12_name(f));
}

/* L1's page holds a revision in its first 4 bytes; bit 31 makes a shadow VMCS of it. */
static void tell_region(const struct cpu *cpu, u32 wanted, bool align)
{
    u32 found = 0;
    u64 at = cpu->nested->culprit;
    log_part(": address %lx", at);
    if (align)
        return;
    gpa1_read_open(cpu, GPA1(at), &found, sizeof found);
    log_part(", revision found %x, wanted %x", found, wanted);
}

static void tell_type(struct cpu *cpu)
{
    log_part(": type %lx, descriptor %lx", reg2(cpu), cpu->nested->culprit);
}

static void tell_operand(struct cpu *cpu, u32 error)
{
    u32 revision = cpu->nested->check_cpu.revision;
    switch (error) {
    case ERR_UNSUPPORTED_FIELD:
    case ERR_VMWRITE_READ_ONLY:
        tell_encoding(cpu);
        return;
    case ERR_VMCLEAR_ADDRESS:
    case ERR_VMCLEAR_VMXON_POINTER:
    case ERR_VMPTRLD_ADDRESS:
    case ERR_VMPTRLD_VMXON_POINTER:
        tell_region(cpu, revision, true);
        return;
    case ERR_VMPTRLD_REVISION:
        tell_region(cpu, revision, false);
        return;
    case ERR_INVEPT_INVVPID_OPERAND:
        tell_type(cpu);
        return;
    case EXPLAIN_INVALID:
        if (EXIT_REASON_BASIC(cpu->exit.reason) == EXIT_REASON_VMXON)
            tell_region(cpu, revision, !is_aligned(cpu->nested->culprit, PAGE_SIZE));
        return;
    default:
        return;
    }
}

static void count(struct cpu *cpu, u32 error)
{
    u32 reason = EXIT_REASON_BASIC(cpu->exit.reason);
    u32 *told = cpu->nested->told;
    told[error]++;
    if (error == ERR_INVEPT_INVVPID_OPERAND)
        told[reason == EXIT_REASON_INVEPT ? TOLD_INVEPT : TOLD_INVVPID]++;
}

void explain_fail(struct cpu *cpu, u32 error)
{
    count(cpu, error);
    /* a refused entry has a line of its own */
    if (cpu->vm->log.verbose == 0 || error == ERR_ENTRY_CONTROLS || error == ERR_ENTRY_HOST_STATE ||
        !log_rare_begin(LOG_EXPLAIN))
        return;
    if (error == EXPLAIN_INVALID)
        log_part("VMfailInvalid: %s", insn_name(EXIT_REASON_BASIC(cpu->exit.reason)));
    else
        log_part("VMfail %u: %s: %s", error, insn_name(EXIT_REASON_BASIC(cpu->exit.reason)),
                 vmx_error_text(error));
    tell_operand(cpu, error);
    explain_place(cpu);
    log_end();
}
