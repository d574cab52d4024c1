/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS shadowing for L1: the CPU answers L1's VMREAD and VMWRITE of frequent fields from a
 * shadow VMCS of ours. A shadowed access never fails. An access still exits (to vmcs_access.c) when
 * it could fail, when L1's profile lacks the field, when L1 would see masked bits, or when L0 must
 * know of the access. With shadow=off every access exits, and L1 must see the same values.
 * SDM 3C 25.10 "VMCS Types: Ordinary and Shadow"
 */
#include "hv/nested/images/images.h"
#include "hv/nested/images/pack.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/core/privileged.h"
#include "hv/paranoid/audits.h"
#include "hv/vmcs12/check_inputs.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/stress.h"

/* L0 writes exit information into the shadow VMCS, which takes VMX_MISC[29]. */
static bool cpu_can_shadow(const struct vm *vm)
{
    return any(vcaps_cpu2(&vm->facts.vmx).may_be_1, CPU2_VMCS_SHADOWING) &&
           any(vm->facts.vmx.misc, VMX_MISC_WRITE_ANY_FIELD);
}

/* The class of each field. Where the compiler knows it, as in each inclusion of fields.def below,
 * it makes straight code. */
/* clang-format off */
static const u8 class_of[F_COUNT] = {
#define SHADOW(name, class) [F_##name] = CLASS_##class,
#include "hv/nested/images/shadow01.def"
};
#define READ_IN(set)  (1u << 2 * SET_##set)
#define WRITE_IN(set) (2u << 2 * SET_##set)
#define READ_IN_ALL   (READ_IN(PLAIN) | READ_IN(WIDE) | READ_IN(INNER))
static const u8 passes[] = {
    [CLASS_WRITES] = READ_IN_ALL | WRITE_IN(PLAIN) | WRITE_IN(WIDE) | WRITE_IN(INNER),
    [CLASS_WIDE]   = READ_IN_ALL | WRITE_IN(WIDE),
    [CLASS_RIGHTS] = READ_IN(PLAIN) | WRITE_IN(WIDE) | READ_IN(INNER),
    [CLASS_INFO]   = READ_IN_ALL | WRITE_IN(INNER),
    [CLASS_INNER]  = READ_IN(INNER) | WRITE_IN(INNER),
};
/* clang-format on */

/* Whether the shadow VMCS of an active VMCS that is AT_HOME has the field, and whether L1 writes it
 * there without an exit. `inner` alone is no constant. */
#define SHOWS(f, inner) (class_of[f] != CLASS_EXITS && (class_of[f] != CLASS_INNER || (inner)))
#define TAKES(f, inner) (class_of[f] == CLASS_WRITES || (class_of[f] >= CLASS_INFO && (inner)))

/* A shadow VMCS of L1's. */
static inline bool is_inner(const struct active *a)
{
    return any(a->vmcs12.revision, VMCS_SHADOW_INDICATOR);
}

static void fill_bitmaps(struct nested *n)
{
    for (u32 i = 0; i < 2 * SHADOW_SETS; i++) {
        u8 *bitmap = n->shadow_bitmap[i / 2][i % 2];
        for (u32 k = 0; k < PAGE_SIZE; k++)
            bitmap[k] = 0xff;
        for (u32 f = 0; f < F_COUNT; f++) {
            const struct vmcs_field_desc *d = vmcs12_desc((enum vmcs_field)f);
            if (any(passes[class_of[f]], 1u << i) && HAS(n->shadow01_gates, d->gate) &&
                !(i % 2 == 1 && any(n->field_how[f], READ_ONLY)))
                bitmap[d->encoding / 8] &= (u8) ~(1u << (d->encoding % 8));
        }
    }
}

bool shadow01_reserve(struct cpu *cpu)
{
    struct mem *mem = &cpu->vm->mem;
    struct nested *n = cpu->nested;
    u8 *bitmaps = mem_pages(mem, 2 * SHADOW_SETS);
    for (u32 i = 0; i < 2 * SHADOW_SETS; i++)
        n->shadow_bitmap[i / 2][i % 2] = bitmaps + i * PAGE_SIZE;
    for (u32 i = 1; i <= ACTIVE_VMCSS; i++)
        if (!vmcs_alloc(&n->active[i].shadow01, mem))
            return false;
    return bitmaps != NULL;
}

static void use_set(struct cpu *cpu, enum shadow_set set)
{
    struct nested *n = cpu->nested;
    n->shadow_set = set;
    vmcs_write(ENC_vmread_bitmap_addr, mem_hpa(&cpu->vm->mem, n->shadow_bitmap[set][0]).a);
    vmcs_write(ENC_vmwrite_bitmap_addr, mem_hpa(&cpu->vm->mem, n->shadow_bitmap[set][1]).a);
}

void shadow01_init(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    n->can_shadow01 = cpu->vm->shadow && cpu_can_shadow(cpu->vm);
    if (!n->can_shadow01)
        return;
    for (u32 g = 0; g < GATE_COUNT; g++)
        n->shadow01_gates |= vcaps_gate(&n->caps, (enum vmcs_gate)g) ? n->hw_gates & BIT(g) : 0;
    fill_bitmaps(n);
    n->vmcs02_shows = cpu->vm->depth == 0 || !any(cpuid(LEAF_NIDUS_VERSION, 0).ecx, NIDUS_IN_PLACE);
    use_set(cpu, SET_PLAIN);
    for (u32 i = 1; i <= ACTIVE_VMCSS; i++) {
        vmcs_stamp(&n->active[i].shadow01,
                   VMX_BASIC_REVISION(cpu->vm->facts.vmx.basic) | VMCS_SHADOW_INDICATOR);
        vmcs_clear(cpu, &n->active[i].shadow01);
    }
}

/* L1 may read a field without an exit although its VMWRITE of the field exits. */
void shadow01_put(struct cpu *cpu, enum vmcs_field f)
{
    struct nested *n = cpu->nested;
    u32 full = vmcs12_desc(f)->encoding;
    if (n->reached != &n->now->shadow01 || !any(passes[class_of[f]], READ_IN(PLAIN)))
        return;
    vmcs_load(cpu, &n->now->shadow01);
    vmcs_write(full, vmcs12_get(&n->now->vmcs12, f));
    vmcs12_set(&n->now->shown01, f, vmcs12_get(&n->now->vmcs12, f));
    vmcs_clear(cpu, &n->now->shadow01);
    vmcs_load(cpu, &cpu->vmcs01);
}

void shadow_show(struct cpu *cpu, const struct vmcs *what)
{
    struct nested *n = cpu->nested;
    enum shadow_set set = is_inner(n->now)                               ? SET_INNER
                          : what == &n->now->vmcs02 && n->now->wide != 0 ? SET_WIDE
                                                                         : SET_PLAIN;
    if (UNLIKELY(n->shadow_set != set))
        use_set(cpu, set);
    if (n->reached == what)
        return;
    if (!n->reached || !what)
        vmcs_write(ENC_cpu2_ctl, vmcs_read(ENC_cpu2_ctl) ^ CPU2_VMCS_SHADOWING);
    vmcs_write(ENC_vmcs_link_pointer, what ? what->hpa.a : NO_VMCS);
    n->reached = what;
}

/* An L1 that sets up much of L2's state before each entry, as one does that nests in turn, is
 * better off when it writes without exits and each entry judges all of it. */
#define WIDE_FROM 8u  /* VMWRITEs before one entry */
#define WIDE_FOR  64u /* entries. Then VMCS12 comes home, and the count begins again */

void shadow_wrote(struct cpu *cpu, struct active *a)
{
    u64 entries = cpu->exits[0][EXIT_REASON_VMRESUME];
    a->wrote = a->wrote_at == entries ? a->wrote + 1 : 1;
    a->wrote_at = entries;
    if (a->wrote < WIDE_FROM || a->wide != 0 || !cpu->nested->vmcs02_shows)
        return;
    a->wide = WIDE_FOR;
    a->path.extra |= SHORT_GUEST;
    use_set(cpu, SET_WIDE);
}

/* Writes only fields that differ from shown01. The shadow VMCS holds what shown01 says, because L0
 * pulls L1's writes before it changes the working copy. Before the first push shown01 has no
 * revision, and does not count. */
void shadow01_push(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (!n->can_shadow01)
        return;
    bool on = n->vmxon && n->now != n->active;
    bool every = !n->now->shown01.revision || stressed(cpu, STRESS_REMERGE);
    bool inner = is_inner(n->now) || every;
    shadow_show(cpu, on ? &n->now->shadow01 : NULL);
    if (!on)
        return;
    n->now->told = true;
    n->now->shown01.revision = VMCS12_REVISION;
    vmcs_load(cpu, &n->now->shadow01);
#define FIELD(enc, width, area, name, gate, to02, to12)                  \
    if (SHOWS(F_##name, inner) && HAS(n->shadow01_gates, GATE_##gate) && \
        (n->now->shown01.name != n->now->vmcs12.name || every)) {        \
        vmcs_write(enc, UNPACK_##width(n->now->vmcs12.name));            \
        n->now->shown01.name = n->now->vmcs12.name;                      \
    }
#include "hv/vmcs12/fields.def"
    if (stressed(cpu, STRESS_PARANOID))
        shadow01_audit(n);
    vmcs_clear(cpu, &n->now->shadow01);
    vmcs_load(cpu, &cpu->vmcs01);
}

void shadow01_pull(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    bool inner = is_inner(n->now);
    u32 changed = 0;
    if (!n->now->told || n->now->residence != AT_HOME)
        return;
    vmcs_load(cpu, &n->now->shadow01);
#define FIELD(enc, width, area, name, gate, to02, to12)                   \
    if (TAKES(F_##name, inner) && HAS(n->shadow01_gates, GATE_##gate)) {  \
        vmcs_type_##name is = PACK_##width(vmcs_read(enc));               \
        if (UNLIKELY(is != n->now->shown01.name)) {                       \
            changed |= check_changed(F_##name, n->now->shown01.name, is); \
            n->now->vmcs12.name = n->now->shown01.name = is;              \
        }                                                                 \
    }
#include "hv/vmcs12/fields.def"
    nested_changed(n, changed);
    vmcs_clear(cpu, &n->now->shadow01);
    vmcs_load(cpu, &cpu->vmcs01);
}

/* A Nidus below accesses the shadow VMCS that vmcs01 names in its region, in the layout of VMCS12.
 * To load it into the processor and back would cost an exit each. */
void shadow01_fill(const struct nested *n, struct active *a)
{
    struct vmcs_image *region = (struct vmcs_image *)a->shadow01.page;
#define FIELD(enc, width, area, name, gate, to02, to12)                \
    if (SHOWS(F_##name, false) && HAS(n->shadow01_gates, GATE_##gate)) \
        region->name = a->shown01.name = PACK_##width(vmcs_get(enc));
#include "hv/vmcs12/fields.def"
}

void shadow01_drain(const struct nested *n, struct active *a)
{
    const struct vmcs_image *region = (const struct vmcs_image *)a->shadow01.page;
    if (n->vmcs02_shows || !n->can_shadow01)
        return;
#define FIELD(enc, width, area, name, gate, to02, to12)                  \
    if (TAKES(F_##name, false) && HAS(n->shadow01_gates, GATE_##gate) && \
        UNLIKELY(region->name != a->shown01.name))                       \
        vmcs_set(enc, UNPACK_##width(a->shown01.name = region->name));
#include "hv/vmcs12/fields.def"
}
