/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS shadowing for L1: the CPU answers L1's VMREAD and VMWRITE of frequent fields from a
 * shadow VMCS of ours. A shadowed access never fails. An access still exits (to vmcs_access.c) when
 * it could fail, when L1's profile lacks the field, when the field has masked bits, or when L0 must
 * know of the access. With shadow=off every access exits, and L1 must see the same values.
 * SDM 3C 25.10 "VMCS Types: Ordinary and Shadow"
 */
#include "hv/nested/images/images.h"
#include "hv/nested/images/pack.h"
#include "hv/vmcs12/check_inputs.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/stress.h"

/* L0 writes exit information into the shadow VMCS, which takes VMX_MISC[29]. */
static bool cpu_can_shadow(const struct vm *vm)
{
    return any(vcaps_cpu2(&vm->facts.vmx).may_be_1, CPU2_VMCS_SHADOWING) &&
           any(vm->facts.vmx.misc, VMX_MISC_WRITE_ANY_FIELD);
}

enum { EXITS, READ_SHADOWED, ALL_SHADOWED };

/* How each field is shadowed. The compiler knows the values, so each inclusion of fields.def below
 * becomes straight code. */
static const u8 how[F_COUNT] = {
#define SHADOW(name, written) [F_##name] = (written) ? ALL_SHADOWED : READ_SHADOWED,
#include "hv/nested/images/shadow01.def"
};

static void allow(u8 *bitmap, u32 encoding)
{
    bitmap[encoding / 8] &= (u8) ~(1u << (encoding % 8));
}

static void fill_bitmaps(const struct nested *n)
{
    for (u32 i = 0; i < PAGE_SIZE; i++)
        n->vmread_bitmap[i] = n->vmwrite_bitmap[i] = 0xff;
#define FIELD(enc, width, area, name, gate, to02, to12)                  \
    if (how[F_##name] != EXITS && HAS(n->shadow01_gates, GATE_##gate)) { \
        allow(n->vmread_bitmap, enc);                                    \
        if (how[F_##name] == ALL_SHADOWED)                               \
            allow(n->vmwrite_bitmap, enc);                               \
    }
#include "hv/vmcs12/fields.def"
}

bool shadow01_reserve(struct cpu *cpu)
{
    struct mem *mem = &cpu->vm->mem;
    struct nested *n = cpu->nested;
    n->vmread_bitmap = mem_pages(mem, 1);
    n->vmwrite_bitmap = mem_pages(mem, 1);
    return n->vmread_bitmap && n->vmwrite_bitmap && vmcs_alloc(&n->shadow01, mem);
}

void shadow01_init(struct cpu *cpu)
{
    const struct mem *mem = &cpu->vm->mem;
    struct nested *n = cpu->nested;
    n->can_shadow01 = cpu->vm->shadow && cpu_can_shadow(cpu->vm);
    if (!n->can_shadow01)
        return;
    vmcs_stamp(&n->shadow01, VMX_BASIC_REVISION(cpu->vm->facts.vmx.basic) | VMCS_SHADOW_INDICATOR);
    for (u32 g = 0; g < GATE_COUNT; g++)
        n->shadow01_gates |= vcaps_gate(&n->caps, (enum vmcs_gate)g) ? n->hw_gates & BIT(g) : 0;
    fill_bitmaps(n);
    vmcs_write(ENC_vmread_bitmap_addr, mem_hpa(mem, n->vmread_bitmap).a);
    vmcs_write(ENC_vmwrite_bitmap_addr, mem_hpa(mem, n->vmwrite_bitmap).a);
    vmcs_clear(cpu, &n->shadow01);
}

/* L1 may read a field without an exit although its VMWRITE of the field exits. */
void shadow01_put(struct cpu *cpu, u64 encoding)
{
    struct nested *n = cpu->nested;
    enum vmcs_field f = vmcs12_find(encoding);
    u32 full = vmcs12_desc(f)->encoding;
    if (n->shows != SHOWS_SHADOW01 || any(n->vmread_bitmap[full / 8], 1u << (full % 8)))
        return;
    vmcs_load(cpu, &n->shadow01);
    vmcs_write(full, vmcs12_get(&n->vmcs12, f));
    vmcs12_set(&n->shown01, f, vmcs12_get(&n->vmcs12, f));
    vmcs_clear(cpu, &n->shadow01);
    vmcs_load(cpu, &cpu->vmcs01);
}

void shadow_show(struct cpu *cpu, enum shows what)
{
    struct nested *n = cpu->nested;
    if (n->shows == what)
        return;
    u64 cpu2 = vmcs_read(ENC_cpu2_ctl) & ~(u64)CPU2_VMCS_SHADOWING;
    vmcs_write(ENC_cpu2_ctl, what == SHOWS_NOTHING ? cpu2 : cpu2 | CPU2_VMCS_SHADOWING);
    vmcs_write(ENC_vmcs_link_pointer, what == SHOWS_NOTHING  ? NO_VMCS
                                      : what == SHOWS_VMCS02 ? n->vmcs02.hpa.a
                                                             : n->shadow01.hpa.a);
    n->shows = what;
}

/* stress=paranoid: checks that L1 reads what its VMCS12 holds. @pre the shadow VMCS is current */
static void verify(const struct nested *n)
{
#define FIELD(enc, width, area, name, gate, to02, to12)                  \
    if (how[F_##name] != EXITS && HAS(n->shadow01_gates, GATE_##gate) && \
        vmcs_read(enc) != UNPACK_##width(n->vmcs12.name))                \
        panic("bug: the shadow VMCS and VMCS12 differ in %s", #name);
#include "hv/vmcs12/fields.def"
}

/* Writes only fields that differ from shown01. The shadow VMCS holds what shown01 says, because L0
 * pulls L1's writes before it changes the working copy. Until the first push, and after L1 was
 * without a current VMCS, shown01 does not count: then every field is written. */
void shadow01_push(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (!n->can_shadow01)
        return;
    bool on = n->vmxon && n->current.a != NO_VMCS;
    bool every = n->shows == SHOWS_NOTHING || stressed(cpu, STRESS_REMERGE);
    shadow_show(cpu, on ? SHOWS_SHADOW01 : SHOWS_NOTHING);
    if (!on)
        return;
    vmcs_load(cpu, &n->shadow01);
#define FIELD(enc, width, area, name, gate, to02, to12)                  \
    if (how[F_##name] != EXITS && HAS(n->shadow01_gates, GATE_##gate) && \
        (n->shown01.name != n->vmcs12.name || every)) {                  \
        vmcs_write(enc, UNPACK_##width(n->vmcs12.name));                 \
        n->shown01.name = n->vmcs12.name;                                \
    }
#include "hv/vmcs12/fields.def"
    if (stressed(cpu, STRESS_PARANOID))
        verify(n);
    vmcs_clear(cpu, &n->shadow01);
    vmcs_load(cpu, &cpu->vmcs01);
}

void shadow01_pull(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    u32 changed = 0;
    if (n->shows != SHOWS_SHADOW01)
        return;
    vmcs_load(cpu, &n->shadow01);
#define FIELD(enc, width, area, name, gate, to02, to12)                         \
    if (how[F_##name] == ALL_SHADOWED && HAS(n->shadow01_gates, GATE_##gate)) { \
        vmcs_type_##name is = PACK_##width(vmcs_read(enc));                     \
        if (UNLIKELY(is != n->shown01.name)) {                                  \
            changed |= check_changed(F_##name, n->shown01.name, is);            \
            n->vmcs12.name = n->shown01.name = is;                              \
        }                                                                       \
    }
#include "hv/vmcs12/fields.def"
    nested_changed(n, changed);
    vmcs_clear(cpu, &n->shadow01);
    vmcs_load(cpu, &cpu->vmcs01);
}
