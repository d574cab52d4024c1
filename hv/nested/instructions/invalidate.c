/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INVEPT and INVVPID by L1. Changes of EPT12 reach EPT02 by comparison (hv/nested/ept02/context.c).
 * A VPID of L1's gets a tag of the CPU's from a bounded pool.
 * SDM 3C 31.3 "VMX Instructions"
 */
#include "hv/nested/instructions/instructions.h"
#include "hv/nested/instructions/memory_operand.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/vmx/insn.h"

static u64 type_operand(struct cpu *cpu)
{
    exit_more(cpu, SNAP_INSN_INFO);
    return reg_operand(cpu, operand_reg2(cpu->exit.insn_info));
}

/* ---- INVEPT ----------------------------------------------------------------------------- */

static bool invept_supported(const struct nested *n, u64 type)
{
    return (type == INVEPT_SINGLE && any(n->caps.ept_vpid, EPT_CAP_INVEPT_SINGLE)) ||
           (type == INVEPT_ALL && any(n->caps.ept_vpid, EPT_CAP_INVEPT_ALL));
}

enum outcome nested_invept(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct vmx_descriptor d;
    enum outcome out;
    if (!n || !any(n->caps.ept_vpid, EPT_CAP_INVEPT))
        return fault(cpu, VEC_UD, 0);
    if (!nested_permitted(cpu, &out))
        return out;
    u64 type = type_operand(cpu);
    if (!invept_supported(n, type))
        return nested_fail_on(cpu, INSN_INVEPT, ERR_INVEPT_INVVPID_OPERAND, 0);
    if (!nested_operand_read(cpu, &d, sizeof d))
        return INJECT;
    if (type == INVEPT_ALL) {
        ept02_invalidate_all(cpu);
        return nested_succeed(cpu);
    }
    if (!check_eptp(d.lo, &n->check_cpu))
        return nested_fail_on(cpu, INSN_INVEPT, ERR_INVEPT_INVVPID_OPERAND, d.lo);
    ept02_invalidate(cpu, d.lo);
    return nested_succeed(cpu);
}

/* ---- VPIDs ------------------------------------------------------------------------------ */

static u32 find_tag(const struct nested *n, u16 vpid12)
{
    for (u32 i = 0; i < VPID02_COUNT; i++)
        if (n->vpid12[i] == vpid12)
            return VPID02_FIRST + i;
    return 0;
}

u16 nested_vpid02(struct cpu *cpu, u16 vpid12)
{
    struct nested *n = cpu->nested;
    u32 tag = find_tag(n, vpid12);
    if (tag != 0 && n->tlb.forgets)
        vpid_flush(cpu->vm, (u16)tag);
    if (tag != 0)
        return (u16)tag;
    /* the tag may be in the vmcs02 of an active VMCS12, whose next entry must get another */
    for (u32 i = 1; n->vpid12[n->vpid_next] != 0 && i <= ACTIVE_VMCSS; i++)
        n->active[i].path.ready = false;
    tag = VPID02_FIRST + n->vpid_next;
    n->vpid12[n->vpid_next] = vpid12;
    n->vpid_next = (u16)((n->vpid_next + 1) % VPID02_COUNT);
    vpid_flush(cpu->vm, (u16)tag);
    return (u16)tag;
}

void nested_flush_all(struct cpu *cpu)
{
    bool vpid = cpu->vm->facts.vpid && invvpid(INVVPID_ALL, 0, 0) != VMX_OK;
    if (vpid || invept(INVEPT_ALL, 0) != VMX_OK)
        panic("bug: a global INVEPT or INVVPID was refused");
}

static bool invvpid_supported(const struct nested *n, u64 type)
{
    static const u64 cap[] = {VPID_CAP_INDIVIDUAL, VPID_CAP_SINGLE, VPID_CAP_ALL,
                              VPID_CAP_SINGLE_GLOBAL};
    return type < ARRAY_LEN(cap) && any(n->caps.ept_vpid, cap[type]);
}

static bool descriptor_legal(struct cpu *cpu, u64 type, const struct vmx_descriptor *d)
{
    if (d->lo >> 16 || (type != INVVPID_ALL && d->lo == 0))
        return false;
    unsigned width = any(cpu->st.cr4, CR4_LA57) ? 57 : 48;
    return type != INVVPID_ADDRESS || is_canonical(d->hi, width);
}

/* The CPU has cached nothing for a VPID that has no tag. */
static void invalidate_vpid(struct cpu *cpu, u64 type, const struct vmx_descriptor *d)
{
    const struct nested *n = cpu->nested;
    for (u32 i = 0; type == INVVPID_ALL && i < VPID02_COUNT; i++)
        if (n->vpid12[i] != 0)
            vpid_flush(cpu->vm, (u16)(VPID02_FIRST + i));
    u32 tag = type == INVVPID_ALL ? 0 : find_tag(n, (u16)d->lo);
    if (tag != 0 && invvpid((enum invvpid_type)type, (u16)tag, d->hi) != VMX_OK)
        panic("bug: INVVPID type %lx of tag %u was refused", type, tag);
}

enum outcome nested_invvpid(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct vmx_descriptor d;
    enum outcome out;
    if (!n || !any(n->caps.ept_vpid, VPID_CAP_INVVPID))
        return fault(cpu, VEC_UD, 0);
    if (!nested_permitted(cpu, &out))
        return out;
    u64 type = type_operand(cpu);
    if (!invvpid_supported(n, type))
        return nested_fail_on(cpu, INSN_INVVPID, ERR_INVEPT_INVVPID_OPERAND, 0);
    if (!nested_operand_read(cpu, &d, sizeof d))
        return INJECT;
    if (!descriptor_legal(cpu, type, &d))
        return nested_fail_on(cpu, INSN_INVVPID, ERR_INVEPT_INVVPID_OPERAND, d.lo);
    invalidate_vpid(cpu, type, &d);
    return nested_succeed(cpu);
}
