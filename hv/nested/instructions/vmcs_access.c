/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1's VMX instructions that name or access a VMCS, and VMXON, VMXOFF and VMCALL. Each follows the
 * SDM's operation section: permission, operand, verdict, commit. What the CPU checks before the
 * exit (CR0.PE, virtual-8086, compatibility mode) is not checked again.
 * SDM 3C 31.3 "VMX Instructions"
 */
#include "hv/nested/instructions/instructions.h"
#include "hv/nested/instructions/memory_operand.h"
#include "hv/explain/explain.h"
#include "hv/nested/images/images.h"
#include "hv/arch/vmx_error.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"

#define ARITHMETIC_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static enum outcome finish(struct cpu *cpu, u64 flags)
{
    exit_more(cpu, SNAP_STEP);
    cpu->st.rflags = (cpu->st.rflags & ~ARITHMETIC_FLAGS) | flags;
    vmcs_write(ENC_guest_rflags, cpu->st.rflags);
    return ADVANCE;
}

enum outcome nested_succeed(struct cpu *cpu)
{
    return finish(cpu, 0);
}

enum outcome nested_fail_invalid(struct cpu *cpu)
{
    explain_fail(cpu, EXPLAIN_INVALID);
    return finish(cpu, RFLAGS_CF);
}

enum outcome nested_fail(struct cpu *cpu, enum vmx_insn insn, enum vmx_error error)
{
    struct nested *n = cpu->nested;
    ASSERT(vmx_error_allowed(insn, error));
    explain_fail(cpu, error);
    if (n->now->at.a == NO_VMCS)
        return finish(cpu, RFLAGS_CF);
    n->now->vmcs12.vm_instruction_error = error;
    return finish(cpu, RFLAGS_ZF);
}

enum outcome nested_fail_on(struct cpu *cpu, enum vmx_insn insn, enum vmx_error error, u64 culprit)
{
    cpu->nested->culprit = culprit;
    return nested_fail(cpu, insn, error);
}

bool nested_permitted(struct cpu *cpu, enum outcome *out)
{
    bool in_vmx = cpu->nested && cpu->nested->vmxon;
    if (in_vmx && guest_cpl(cpu) == 0)
        return true;
    *out = fault(cpu, in_vmx ? VEC_GP : VEC_UD, 0);
    return false;
}

/* A VMCS or VMXON pointer: 4 KiB aligned and inside the physical-address width. */
static bool is_vmcs_address(const struct cpu *cpu, u64 address)
{
    return is_aligned(address, PAGE_SIZE) && fits_phys(address, cpu->vm->facts.phys_bits);
}

static u32 revision_at(const struct cpu *cpu, gpa1_t at)
{
    const volatile u32 *page = gpa1_map(cpu, at);
    return page ? *page : ~0u;
}

/* ---- VMXON, VMXOFF ---------------------------------------------------------------------- */

/* VMX operation allows L1's CR0 and CR4. SDM 3C 24.8 "Restrictions on VMX Operation" */
static bool control_registers_fit(struct cpu *cpu)
{
    const struct vmx_caps *c = &cpu->nested->caps;
    exit_more(cpu, SNAP_MODE);
    u64 cr0 = (cpu->st.cr0 & ~CR0_MASK01) | (cpu->cr0_shadow & CR0_MASK01);
    u64 cr4 = (cpu->st.cr4 & ~CR4_MASK01) | (cpu->cr4_shadow & CR4_MASK01);
    return all(cr0, c->cr0_fixed0) && !any(cr0, ~c->cr0_fixed1) && all(cr4, c->cr4_fixed0) &&
           !any(cr4, ~c->cr4_fixed1);
}

/* In VMX operation a write to CR0 or CR4 that breaks the fixed bits is #GP. So L0 owns those bits
 * while L1 is in VMX operation. SDM 3C 24.8 "Restrictions on VMX Operation" */
void nested_vmx_operation(struct cpu *cpu, bool on)
{
    struct nested *n = cpu->nested;
    n->vmxon = on;
    cpu->cr0_fixed = on ? n->caps.cr0_fixed0 : 0;
    cpu->cr4_fixed = on ? n->caps.cr4_fixed0 : 0;
    cpu->cr0_shadow |= cpu->cr0_fixed;
    vmcs_write(ENC_cr0_read_shadow, cpu->cr0_shadow);
    vmcs_write(ENC_cr0_guest_host_mask, CR0_MASK01 | cpu->cr0_fixed);
}

enum outcome nested_vmxon(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    u64 pointer;
    if (!n || !any(cpu->cr4_shadow, CR4_VMXE))
        return fault(cpu, VEC_UD, 0);
    if (guest_cpl(cpu) != 0)
        return fault(cpu, VEC_GP, 0);
    if (n->vmxon)
        return nested_fail(cpu, INSN_VMXON, ERR_VMXON_IN_ROOT);
    if (!all(cpu->feature_control, FEATURE_CONTROL_ALLOW_VMX) || !control_registers_fit(cpu))
        return fault(cpu, VEC_GP, 0);
    if (!nested_operand_read(cpu, &pointer, sizeof pointer))
        return INJECT;
    if (!is_vmcs_address(cpu, pointer) ||
        revision_at(cpu, GPA1(pointer)) != VMX_BASIC_REVISION(n->caps.basic)) {
        n->culprit = pointer;
        return nested_fail_invalid(cpu);
    }
    n->vmxon_pointer = GPA1(pointer);
    nested_vmx_operation(cpu, true);
    return nested_succeed(cpu);
}

enum outcome nested_vmxoff(struct cpu *cpu)
{
    enum outcome out;
    if (!nested_permitted(cpu, &out))
        return out;
    active_end_all(cpu);
    nested_vmx_operation(cpu, false);
    if (cpu->nested->init_blocked) {
        cpu->nested->init_blocked = false;
        return handle_as_l1(cpu, EXIT_REASON_INIT);
    }
    return nested_succeed(cpu);
}

/* ---- VMCLEAR, VMPTRLD, VMPTRST ---------------------------------------------------------- */

static bool revision_fits(const struct nested *n, u32 revision)
{
    u32 allowed = vcaps_gate(&n->caps, GATE_VMCS_SHADOWING) ? VMCS_SHADOW_INDICATOR : 0;
    return (revision & ~allowed) == VMX_BASIC_REVISION(n->caps.basic);
}

u32 nested_pointer(struct cpu *cpu, bool clear, gpa1_t at)
{
    struct nested *n = cpu->nested;
    if (!is_vmcs_address(cpu, at.a))
        return clear ? ERR_VMCLEAR_ADDRESS : ERR_VMPTRLD_ADDRESS;
    if (at.a == n->vmxon_pointer.a)
        return clear ? ERR_VMCLEAR_VMXON_POINTER : ERR_VMPTRLD_VMXON_POINTER;
    if (clear)
        active_clear(cpu, at);
    else if (revision_fits(n, revision_at(cpu, at)))
        active_load(cpu, at);
    else
        return ERR_VMPTRLD_REVISION;
    return 0;
}

enum outcome nested_vmptrld_vmclear(struct cpu *cpu)
{
    bool clear = EXIT_REASON_BASIC(cpu->exit.reason) == EXIT_REASON_VMCLEAR;
    enum outcome out;
    u64 p;
    if (!nested_permitted(cpu, &out))
        return out;
    if (!nested_operand_read(cpu, &p, sizeof p))
        return INJECT;
    bool resumed = !clear && active_resume(cpu, GPA1(p));
    u32 error = resumed ? 0 : nested_pointer(cpu, clear, GPA1(p));
    return error == 0 ? nested_succeed(cpu)
                      : nested_fail_on(cpu, clear ? INSN_VMCLEAR : INSN_VMPTRLD, error, p);
}

enum outcome nested_vmptrst(struct cpu *cpu)
{
    enum outcome out;
    if (!nested_permitted(cpu, &out))
        return out;
    bool written = nested_operand_write(cpu, &cpu->nested->now->at.a, sizeof(u64));
    return written ? nested_succeed(cpu) : INJECT;
}

/* ---- VMREAD, VMWRITE -------------------------------------------------------------------- */

static struct insn_operand field_operands(struct cpu *cpu)
{
    exit_more(cpu, SNAP_INSN_INFO);
    u32 info = cpu->exit.insn_info;
    return (struct insn_operand){
        .is_reg = any(info, BIT(10)), .reg = (u8)bits(info, 6, 3), .reg2 = operand_reg2(info)};
}

/* "In VMX root operation, the current VMCS; in VMX non-root operation, the VMCS referenced by the
 * VMCS link pointer". NULL: there is no such VMCS. */
static struct vmcs_image *accessed_vmcs(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (cpu->in_l2)
        return shadow12(cpu);
    return n->now->at.a == NO_VMCS ? NULL : &n->now->vmcs12;
}

static bool memory_operand(struct cpu *cpu, u64 *value, bool write, enum outcome *out)
{
    unsigned size = guest_is_64bit(cpu) ? 8 : 4;
    if (cpu->in_l2)
        return nested_operand_l2(cpu, value, size, write, out);
    *out = INJECT;
    return write ? nested_operand_write(cpu, value, size) : nested_operand_read(cpu, value, size);
}

/* The error number of a failure goes to the current VMCS, even when L2 accessed another VMCS.
 * SDM 3C 31.2 "Conventions" */
enum outcome nested_vmread(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    enum outcome out;
    u64 value;
    if (!nested_permitted(cpu, &out))
        return out;
    const struct vmcs_image *v = accessed_vmcs(cpu);
    if (!v)
        return nested_fail_invalid(cpu);
    struct insn_operand op = field_operands(cpu);
    if (!cpu->in_l2)
        residence_fetch(cpu, reg_operand(cpu, op.reg2), false);
    if (vmcs12_read(v, &n->caps, reg_operand(cpu, op.reg2), &value) != 0)
        return nested_fail(cpu, INSN_VMREAD, ERR_UNSUPPORTED_FIELD);
    if (op.is_reg)
        reg_write(cpu, (enum reg)op.reg, guest_is_64bit(cpu) ? value : (u32)value);
    else if (!memory_operand(cpu, &value, true, &out))
        return out;
    return nested_succeed(cpu);
}

enum outcome nested_vmwrite(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    enum outcome out;
    u64 value = 0;
    if (!nested_permitted(cpu, &out))
        return out;
    struct vmcs_image *v = accessed_vmcs(cpu);
    if (!v)
        return nested_fail_invalid(cpu);
    struct insn_operand op = field_operands(cpu);
    if (op.is_reg)
        value = reg_operand(cpu, op.reg);
    else if (!memory_operand(cpu, &value, false, &out))
        return out;
    u64 encoding = reg_operand(cpu, op.reg2);
    if (!cpu->in_l2)
        residence_fetch(cpu, encoding, true);
    u32 error = vmcs12_write(v, &n->caps, encoding, value);
    if (error != 0)
        return nested_fail(cpu, INSN_VMWRITE, error);
    if (cpu->in_l2)
        return nested_succeed(cpu);
    enum vmcs_field f = vmcs12_find(encoding);
    residence_wrote(cpu, f);
    shadow01_put(cpu, f);
    return nested_succeed(cpu);
}

/* VMCALL exits in every mode, so L0 checks the mode. The other VMX instructions raise #UD before
 * they could exit. VMCALL in VMX root operation always fails outside SMM when there is no SMM
 * monitor. */
enum outcome nested_vmcall(struct cpu *cpu)
{
    enum outcome out;
    exit_more(cpu, SNAP_MODE | SNAP_STEP);
    bool compat = any(cpu->st.efer, EFER_LMA) && !any(cpu->st.cs_ar, AR_L);
    if (compat || any(cpu->st.rflags, RFLAGS_VM))
        return fault(cpu, VEC_UD, 0);
    if (!nested_permitted(cpu, &out))
        return out;
    return nested_fail(cpu, INSN_VMCALL, ERR_VMCALL_IN_ROOT);
}
