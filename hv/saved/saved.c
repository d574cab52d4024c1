/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nested state of one processor leaves as bytes and comes back: KVM's nested-state blob, which
 * KVM can read, and a tail with what KVM's format has no place for. As with KVM, L1's own registers
 * (vmcs01) are not in the blob. No address of L0's leaves. nested_load merges vmcs02 anew and takes
 * only L2's own state from the tail.
 */
#include "hv/saved/saved.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/images/images.h"
#include "hv/nested/instructions/instructions.h"
#include "hv/core/lib.h"
#include "hv/saved/kvm_state.h"
#include "hv/vmcs12/sync.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/stress.h"

enum tail_flags { TAIL_LAUNCHING = 1, TAIL_NMI_HELD = 2, TAIL_INIT_BLOCKED = 4 };

/* Version KVM_TAIL_VERSION of the tail. Both images are in LAYOUT_EXTENDED. */
struct tail {
    u32 flags;
    u32 zero;
    u8 vmcs12[PAGE_SIZE]; /* the working copy: KVM's page lacks fields and holds L2's state */
    u8 guest02[PAGE_SIZE];
};

_Static_assert(sizeof(struct tail) + KVM_STATE_HEADER + 2 * KVM_STATE_PAGE + KVM_TAIL_HEADER <=
                   NESTED_STATE_MAX,
               "NESTED_STATE_MAX holds a whole blob");

/* What KVM keeps in vmcs12 while L2 runs: the guest area as L2 left it, all else unchanged. */
static void vmcs12_with_l2(const struct cpu *cpu, struct vmcs_image *out)
{
    const struct nested *n = cpu->nested;
    struct vmexit none = {0};
    struct sync_env s = {&n->now->image02, &none, &n->caps};
    *out = n->now->vmcs12;
    (void)sync_exit12(&s, out);
#define FIELD(enc, width, area, name, gate, to02, to12) \
    if (AREA_##area != AREA_GUEST)                      \
        out->name = n->now->vmcs12.name;
#include "hv/vmcs12/fields.def"
}

static void encode(const struct vmcs_image *v, u8 *page)
{
    enum vmcs_field homeless = layout_encode(LAYOUT_EXTENDED, v, page);
    ASSERT(homeless == F_COUNT);
}

static void fill_tail(struct cpu *cpu, struct tail *t)
{
    const struct nested *n = cpu->nested;
    t->flags = (n->launching ? TAIL_LAUNCHING : 0) | (n->nmi_held ? TAIL_NMI_HELD : 0) |
               (n->init_blocked ? TAIL_INIT_BLOCKED : 0);
    t->zero = 0;
    encode(&n->now->vmcs12, t->vmcs12);
    encode(&n->now->image02, t->guest02);
}

/* While L2 runs, KVM keeps a copy of L1's shadow VMCS, and the blob has a page for the copy. Nidus
 * keeps the shadow VMCS in L1's page, which moves with L1's memory and has more fields. So
 * nested_load takes nothing from the copy. The copy gets a right header, as L2 may have written
 * over the page's. */
static void save_shadow12(struct cpu *cpu, struct kvm_state *s)
{
    bool on = any(vmcs12_cpu2(&cpu->nested->now->vmcs12), CPU2_VMCS_SHADOWING);
    const struct vmcs_image *v = cpu->in_l2 && on ? shadow12(cpu) : NULL;
    s->has_shadow12 = v != NULL;
    if (!v)
        return;
    vmcs12_load_page(&s->shadow12, v->bytes);
    s->shadow12.revision = VMCS12_REVISION | VMCS_SHADOW_INDICATOR;
}

/* KVM's layout has no place for the field. The tail has vmcs12's value. L1's page has the value of
 * the shadow VMCS. */
static void drop_field(struct kvm_state *s, enum vmcs_field f)
{
    vmcs12_set(&s->vmcs12, f, 0);
    vmcs12_set(&s->shadow12, f, 0);
}

bool saved_reserve(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct mem *mem = &cpu->vm->mem;
    n->state = mem_pages(mem, (sizeof *n->state + PAGE_SIZE - 1) / PAGE_SIZE);
    n->tail = mem_pages(mem, NESTED_STATE_MAX / PAGE_SIZE);
    n->blob = mem_pages(mem, NESTED_STATE_MAX / PAGE_SIZE);
    return n->state && n->tail && n->blob;
}

size_t nested_save(struct cpu *cpu, u8 *blob)
{
    struct nested *n = cpu->nested;
    struct kvm_state *s = n->state;
    struct tail *t = n->tail;
    bool has_current = n->vmxon && n->now->at.a != NO_VMCS;
    memset(s, 0, sizeof *s);
    residence_home(cpu);
    active_end_others(cpu);
    vmcs_load(cpu, cpu->in_l2 ? &n->now->vmcs02 : &cpu->vmcs01);
    if (cpu->in_l2)
        vmcs02_fetch_guest(cpu);
    else
        shadow01_pull(cpu);
    fill_tail(cpu, t);
    s->flags = cpu->in_l2 ? KVM_GUEST_MODE : 0;
    s->vmxon_pa = n->vmxon ? n->vmxon_pointer.a : KVM_NO_ADDRESS;
    s->vmcs12_pa = has_current ? n->now->at.a : KVM_NO_ADDRESS;
    s->has_vmcs12 = has_current;
    save_shadow12(cpu, s);
    if (cpu->in_l2)
        vmcs12_with_l2(cpu, &s->vmcs12);
    else
        s->vmcs12 = n->now->vmcs12;
    s->tail_version = KVM_TAIL_VERSION;
    s->tail_length = sizeof *t;
    s->tail = (const u8 *)t;
    for (enum vmcs_field f; (f = kvm_state_produce(s, blob)) != F_COUNT;)
        drop_field(s, f);
    return kvm_state_length(s);
}

/* Puts L2's own state over what merge made: registers, and an event that waits to be injected. */
static void take_guest02(struct vmcs_image *want, const struct vmcs_image *from)
{
#define FIELD(enc, width, area, name, gate, to02, to12) \
    if (AREA_##area == AREA_GUEST)                      \
        want->name = from->name;
#include "hv/vmcs12/fields.def"
    want->entry_ctl = from->entry_ctl;
    want->entry_intr_info = from->entry_intr_info;
    want->entry_exception_error_code = from->entry_exception_error_code;
    want->entry_instruction_len = from->entry_instruction_len;
}

static void load_l2(struct cpu *cpu, const struct tail *t)
{
    struct nested *n = cpu->nested;
    const u64 no_pdptes[4] = {0};
    nested_merge(cpu, no_pdptes);
    layout_decode(LAYOUT_EXTENDED, t->guest02, &n->base12);
    take_guest02(&n->want02, &n->base12);
    nested_run_l2(cpu);
    vmcs02_store(cpu, &n->want02);
}

void nested_wipe(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct active *a = n->now;
    n->nmi_held = false; /* the blob has the NMI, so L1 must not get it now */
    nested_run_l1(cpu);
    n->vmxon = n->launching = n->entering = n->init_blocked = false;
    memset(&n->want02, 0, sizeof n->want02);
    if (a != n->active) {
        a->told = a->path.ready = false;
        a->at = GPA1(NO_VMCS);
        a->page = NULL;
        memset(&a->vmcs12, 0, sizeof a->vmcs12);
        a->settled = 0;
        vmcs02_reset(cpu);
    }
    n->now = n->active;
    shadow01_push(cpu);
}

const char *nested_load(struct cpu *cpu, const u8 *blob, size_t length)
{
    struct nested *n = cpu->nested;
    struct kvm_state *s = n->state;
    const char *why = kvm_state_parse(blob, length, s);
    if (why)
        return why;
    if (s->tail_length != sizeof(struct tail) || s->tail_version != KVM_TAIL_VERSION)
        return "the tail is not of this version";
    const struct tail *t = (const struct tail *)s->tail;
    n->launching = any(t->flags, TAIL_LAUNCHING);
    n->vmxon_pointer = GPA1(s->vmxon_pa);
    n->now = n->active;
    if (s->vmcs12_pa != KVM_NO_ADDRESS) {
        n->now = &n->active[1];
        n->now->at = GPA1(s->vmcs12_pa);
        n->now->page = gpa1_map(cpu, n->now->at);
        layout_decode(LAYOUT_EXTENDED, t->vmcs12, &n->now->vmcs12);
        n->now->settled = 0;
    }
    nested_vmx_operation(cpu, s->vmxon_pa != KVM_NO_ADDRESS);
    if (any(s->flags, KVM_GUEST_MODE))
        load_l2(cpu, t);
    else
        shadow01_push(cpu);
    if (any(t->flags, TAIL_NMI_HELD))
        cpu->percpu.nmi_pending = 1; /* decided anew: no field of the blob has its window */
    n->init_blocked = any(t->flags, TAIL_INIT_BLOCKED);
    return NULL;
}

void nested_stress(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (stressed(cpu, STRESS_FLUSH))
        nested_flush_all(cpu);
    if (!stressed(cpu, STRESS_RESTORE))
        return;
    size_t length = nested_save(cpu, n->blob);
    nested_wipe(cpu);
    const char *why = nested_load(cpu, n->blob, length);
    if (why)
        panic("bug: our own nested state is refused: %s", why);
}
