/*
 * VMCS shadowing for L1: the CPU answers L1's VMREAD and VMWRITE of frequent fields from a
 * shadow VMCS of ours. A shadowed access never fails: whatever could fail, is absent from
 * the profile, has masked bits or needs L0 keeps its bit in the bitmaps and exits to insn.c.
 * shadow=off leaves the plain path, which must show L1 the same.
 * SDM 3C 25.10 "VMCS Types: Ordinary and Shadow"
 */
#include "hv/nested/nested.h"
#include "hv/vmx/insn.h"

/* Writing exit information into the shadow VMCS takes VMX_MISC[29]. */
static bool cpu_can_shadow(const struct vm *vm)
{
    return any(vcaps_cpu2(&vm->facts.vmx).may_be_1, CPU2_VMCS_SHADOWING) &&
           any(vm->facts.vmx.misc, VMX_MISC_WRITE_ANY_FIELD);
}

static bool is_shadowed(const struct nested *n, enum vmcs_gate gate)
{
    return vcaps_gate(&n->caps, gate) && any(n->hw_gates, BIT(gate));
}

static void allow(u8 *bitmap, u32 encoding)
{
    bitmap[encoding / 8] &= (u8)~(1u << (encoding % 8));
}

static void fill_bitmaps(const struct nested *n)
{
    for (u32 i = 0; i < PAGE_SIZE; i++)
        n->vmread_bitmap[i] = n->vmwrite_bitmap[i] = 0xff;
#define SHADOW(name, written)                                                                    \
    if (is_shadowed(n, (enum vmcs_gate)vmcs12_desc(F_##name)->gate)) {                           \
        allow(n->vmread_bitmap, ENC_##name);                                                     \
        if (written)                                                                             \
            allow(n->vmwrite_bitmap, ENC_##name);                                                \
    }
#include "hv/nested/shadow.def"
}

bool nested_shadow_reserve(struct cpu *cpu)
{
    struct vm *vm = cpu->vm;
    struct nested *n = cpu->nested;
    if (!vm->shadow || !cpu_can_shadow(vm))
        return true;
    u32 revision = VMX_BASIC_REVISION(vm->facts.vmx.basic) | VMCS_SHADOW_INDICATOR;
    n->vmread_bitmap = mem_pages(&vm->mem, 1);
    n->vmwrite_bitmap = mem_pages(&vm->mem, 1);
    n->can_shadow = true;
    return n->vmread_bitmap && n->vmwrite_bitmap && vmcs_alloc(&n->shadow, &vm->mem, revision);
}

void nested_shadow_init(struct cpu *cpu)
{
    const struct mem *mem = &cpu->vm->mem;
    struct nested *n = cpu->nested;
    if (!n->can_shadow)
        return;
    fill_bitmaps(n);
    vmcs_write(ENC_vmread_bitmap_addr, mem_hpa(mem, n->vmread_bitmap).a);
    vmcs_write(ENC_vmwrite_bitmap_addr, mem_hpa(mem, n->vmwrite_bitmap).a);
    vmcs_clear(cpu, &n->shadow);
}

/* L1 wrote a field by an exit that it may read without one. */
void nested_shadow_put(struct cpu *cpu, u64 encoding)
{
    struct nested *n = cpu->nested;
    enum vmcs_field f = vmcs12_find(encoding);
    u32 full = vmcs12_desc(f)->encoding;
    if (!n->shadow_on || any(n->vmread_bitmap[full / 8], 1u << (full % 8)))
        return;
    vmcs_load(cpu, &n->shadow);
    vmcs_write(full, vmcs12_get(&n->vmcs12, f));
    vmcs_clear(cpu, &n->shadow);
    vmcs_load(cpu, &cpu->vmcs01);
}

/* @pre vmcs01 is current */
static void turn(struct cpu *cpu, bool on)
{
    struct nested *n = cpu->nested;
    if (n->shadow_on == on)
        return;
    u64 cpu2 = vmcs_read(ENC_cpu2_ctl);
    vmcs_write(ENC_cpu2_ctl, on ? cpu2 | CPU2_VMCS_SHADOWING : cpu2 & ~(u64)CPU2_VMCS_SHADOWING);
    vmcs_write(ENC_vmcs_link_pointer, on ? n->shadow.hpa.a : ~0ull);
    n->shadow_on = on;
}

void nested_shadow_push(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (!n->can_shadow)
        return;
    bool on = n->vmxon && n->current.a != NO_VMCS12;
    turn(cpu, on);
    if (!on)
        return;
    vmcs_load(cpu, &n->shadow);
#define SHADOW(name, written)                                                                    \
    if (is_shadowed(n, (enum vmcs_gate)vmcs12_desc(F_##name)->gate))                             \
        vmcs_write(ENC_##name, vmcs12_get(&n->vmcs12, F_##name));
#include "hv/nested/shadow.def"
    vmcs_clear(cpu, &n->shadow);
    vmcs_load(cpu, &cpu->vmcs01);
}

void nested_shadow_pull(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (!n->shadow_on)
        return;
    vmcs_load(cpu, &n->shadow);
#define SHADOW(name, written)                                                                    \
    if ((written) && is_shadowed(n, (enum vmcs_gate)vmcs12_desc(F_##name)->gate))                \
        vmcs12_set(&n->vmcs12, F_##name, vmcs_read(ENC_##name));
#include "hv/nested/shadow.def"
    vmcs_clear(cpu, &n->shadow);
    vmcs_load(cpu, &cpu->vmcs01);
}
