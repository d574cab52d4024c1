/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1's VMREAD, VMWRITE, VMPTRLD and VMCLEAR the short way, in the plain case: 64-bit code at CPL 0,
 * no blocking, no trap; fields that exist, with operands in registers; a VMCS named in memory that
 * L1's tables plainly map. Everything else is vmcs_access.c's, and so is every failure.
 */
#include "hv/nested/instructions/instructions.h"
#include "hv/core/privileged.h"
#include "hv/nested/images/images.h"
#include "hv/vmcs12/bitmap.h"
#include "hv/vmx/gla.h"

#define REGISTER_OPERAND BIT(10)
#define NOT_PLAIN        (RFLAGS_TF | RFLAGS_RF)
#define ARITHMETIC_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* In compatibility mode the instruction is #UD and does not exit. @pre vmcs01 is current */
static inline bool plain_code(u64 rflags)
{
    u64 blocking = vmcs_get(ENC_guest_interruptibility) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
    return any(vmcs_get(ENC_guest_efer), EFER_LMA) && !any(rflags, NOT_PLAIN) &&
           (ar_dpl((u32)vmcs_get(ENC_guest_ss_ar)) | blocking) == 0;
}

/* VMsucceed, and on to the next instruction. */
static inline void succeed(u64 rflags)
{
    vmcs_set(ENC_guest_rip, vmcs_get(ENC_guest_rip) + vmcs_get(ENC_exit_instruction_len));
    if (any(rflags, ARITHMETIC_FLAGS))
        vmcs_set(ENC_guest_rflags, rflags & ~(u64)ARITHMETIC_FLAGS);
}

#define KEPT_BY_C \
    (BIT(REG_RBX) | BIT(REG_RBP) | BIT(REG_R12) | BIT(REG_R13) | BIT(REG_R14) | BIT(REG_R15))

/* Whether the working copy has the truth of the field, as it is in an image, and a write concerns
 * nobody else. */
static inline bool at_hand(const struct active *a, u8 how, u8 width, bool write)
{
    u8 is = how & (SHORT_WAY | AWAY | CONDITIONAL | READ | READ_ONLY);
    return is == SHORT_WAY ||
           (!write && a->residence != SHOWN && any(is, SHORT_WAY) && width != WAR);
}

static FORCE_INLINE bool access(struct cpu *cpu, struct active *a, u64 name, u64 *reg, bool write)
{
    enum vmcs_field f = (enum vmcs_field)vmcs12_slots[VMCS12_SLOT(name)];
    const struct vmcs_field_desc *d = vmcs12_desc(f);
    if (name != d->encoding)
        return false;
    if (UNLIKELY(!at_hand(a, cpu->nested->field_how[f], d->width, write)))
        return write ? residence_write(cpu, f, *reg) : residence_read(cpu, f, reg);
    u8 *at = &a->vmcs12.bytes[d->offset];
    u64 is, mask = vmcs12_width_mask[d->width];
    __builtin_memcpy(&is, at, sizeof is);
    u64 changed = write ? (is ^ *reg) & mask : 0;
    if (!write)
        *reg = is & mask;
    else
        __builtin_memcpy(at, &(u64){is ^ changed}, sizeof is);
    if (changed != 0)
        residence_wrote(cpu, f);
    return true;
}

/* L2 accesses the VMCS that L1 shadows for it, in a field that L1's bitmap lets pass. A monitor
 * trap behind the instruction is the plain path's.
 * @pre vmcs02 is current, all registers but RSP are saved */
static NOINLINE u64 access_of_l2(struct cpu *cpu, u64 reason, u32 name, u32 operand)
{
    struct nested *n = cpu->nested;
    u64 *gpr = cpu->regs.gpr, rflags = vmcs_get(ENC_guest_rflags), then = rdtsc();
    bool write = reason == EXIT_REASON_VMWRITE;
    struct vmcs_image *v = n->now->path.shadow12;
    if (!any(vmcs12_cpu2(&n->now->vmcs12), CPU2_VMCS_SHADOWING) ||
        any(n->now->path.cpu1, CPU1_MONITOR_TRAP_FLAG))
        return SHORT_NOT;
    if (vmcs_bitmap_hit(n->now->path.shadow_bitmap12[write], gpr[name]))
        return SHORT_GIVE;
    enum vmcs_field f = (enum vmcs_field)vmcs12_slots[VMCS12_SLOT(gpr[name])];
    u8 how = n->field_how[f] & (write ? SHORT_WAY | READ_ONLY : SHORT_WAY);
    if (!v || how != SHORT_WAY || gpr[name] != vmcs12_desc(f)->encoding)
        return SHORT_NOT;
    if (write)
        vmcs12_set(v, f, gpr[operand]);
    else
        gpr[operand] = vmcs12_get(v, f);
    succeed(rflags);
    cpu->exits[1][reason]++;
    n->entering = false;
    n->now->vmcs02.launched = 1; /* an NMI may stop the VMRESUME */
    nested_charge_timer(cpu, then);
    return SHORT_RESUME;
}

u64 nested_short_access(struct percpu *percpu, u64 reason, u64 saved)
{
    struct cpu *cpu = cpu_of(percpu);
    struct nested *n = cpu->nested;
    u64 *gpr = cpu->regs.gpr, rflags = vmcs_get(ENC_guest_rflags);
    u32 info = (u32)vmcs_get(ENC_exit_instruction_info);
    u32 operand = (u32)bits(info, 6, 3), name = info >> 28, used = 1u << operand | 1u << name;
    if (!n || !n->now->page || !any(info, REGISTER_OPERAND) || !plain_code(rflags))
        return SHORT_NOT;
    if (any(used | saved, KEPT_BY_C | BIT(REG_RSP))) {
        if (!saved || any(used, BIT(REG_RSP)))
            return saved ? SHORT_NOT : SHORT_SAVE;
        if (cpu->in_l2)
            return access_of_l2(cpu, reason, name, operand);
    }
    if (reason == EXIT_REASON_VMREAD ? !access(cpu, n->now, gpr[name], &gpr[operand], false)
                                     : !access(cpu, n->now, gpr[name], &gpr[operand], true))
        return SHORT_NOT;
    succeed(rflags);
    cpu->exits[0][reason]++;
    return SHORT_RESUME;
}

/* The form of a memory operand.
 * SDM 3C 28.2.5 "Information for VM Exits Due to Instruction Execution" */
#define OPERAND_INDEX_NONE  BIT(22)
#define OPERAND_BASE_NONE   BIT(27)
#define OPERAND_PLAIN(info) (bits(info, 9, 7) == 2 && bits(info, 17, 15) < SEG_FS)

/* The linear address of a memory operand with 64-bit addresses and a segment that has base 0. */
static inline u64 operand_at(struct cpu *cpu, u64 info)
{
    u64 *gpr = cpu->regs.gpr, at = vmcs_get(ENC_exit_qualification);
    gpr[REG_RSP] = vmcs_get(ENC_guest_rsp);
    if (!any(info, OPERAND_BASE_NONE))
        at += gpr[bits(info, 26, 23)];
    if (!any(info, OPERAND_INDEX_NONE))
        at += gpr[bits(info, 21, 18)] << bits(info, 1, 0);
    return at;
}

/* The 8 bytes there, when they lie in one page. NULL: not plain. */
static inline const u64 *reach(struct cpu *cpu, u64 gla)
{
    u64 cr4 = vmcs_get(ENC_guest_cr4), in_page = gla & (PAGE_SIZE - 1);
    if (!is_canonical(gla, 48) || in_page > PAGE_SIZE - sizeof(u64) || any(cr4, CR4_LA57))
        return NULL;
    const struct plain_walk *w =
        gla_plain(cpu, gla, vmcs_get(ENC_guest_cr3), cr4, vmcs_get(ENC_guest_efer));
    return w && w->va ? (const u64 *)((u8 *)w->va + in_page) : NULL;
}

u64 nested_short_pointer(struct percpu *percpu, u64 reason)
{
    struct cpu *cpu = cpu_of(percpu);
    struct nested *n = cpu->nested;
    u64 rflags = vmcs_get(ENC_guest_rflags), info = vmcs_get(ENC_exit_instruction_info);
    if (!n || !n->vmxon || !plain_code(rflags) || !OPERAND_PLAIN(info) ||
        any(vmcs_get(ENC_guest_dr7), DR7_ENABLED) || !cpu->vm->fast || cpu->vm->stress)
        return SHORT_NOT;
    const u64 *operand = reach(cpu, operand_at(cpu, info));
    gpa1_t at = GPA1(operand ? *(const volatile u64 *)operand : NO_VMCS);
    bool clear = reason == EXIT_REASON_VMCLEAR;
    if ((clear || !active_resume(cpu, at)) && nested_pointer(cpu, clear, at) != 0)
        return SHORT_NOT;
    succeed(rflags);
    cpu->exits[0][reason]++;
    return SHORT_RESUME;
}
