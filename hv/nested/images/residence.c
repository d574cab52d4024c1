/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Residence: where the truth about the current VMCS12 is. L1's page may be stale in all of them,
 * from VMPTRLD to VMCLEAR, as the SDM allows.
 *
 *   fields of VMCS12                        AT_HOME        LENT           SHOWN
 *   controls, host state, launch state      working copy   working copy   working copy
 *   what L1 writes without an exit (*)      working copy   vmcs02         vmcs02
 *   what an exit saves of L2                working copy   vmcs02         vmcs02
 *   exit information                        working copy   working copy   vmcs02
 *   L1 reads and writes (*) in              shadow01       (L2 runs)      vmcs02
 *
 *   (*) the rows WRITES of shadow01.def; of a shadow VMCS of L1's, which is AT_HOME always, INFO
 *       and INNER as well. AT_HOME such rows are in shadow01 until they are pulled
 *
 * AT_HOME is the residence of the plain path, and the only one with fast=off. While L2 runs at
 * home, the working copy holds what the VM entry took, and vmcs02 L2's state.
 *
 * An exit of L2 on the short path leads to SHOWN: nothing is copied, and vmcs02 itself is the
 * shadow VMCS of L1. L1's VMRESUME on the short path leads from SHOWN to LENT. Any exit that the
 * short path does not answer calls residence_home first, so nobody else knows of residences. One
 * field can be reached without coming home (residence_fetch, residence_wrote), for L1's VMREAD
 * and VMWRITE. On a CPU without VMCS shadowing SHOWN is the same, but each VMREAD exits.
 *
 * A value that an exit saves by a control of VMCS12 only (DR7, EFER, ...) is L1's old one or
 * vmcs02's. L1 cannot reach it without an exit. VMCS12 comes home before L1 writes the controls.
 *
 * Inside another Nidus SHOWN is the same to everybody but to L1: its shadow VMCS is shadow01, whose
 * region is memory that both Nidus access. shadow01_fill and shadow01_drain copy (*) and what L1
 * reads, when vmcs02 is left and when it is taken back.
 */
#include "hv/nested/images/images.h"
#include "hv/nested/images/pack.h"
#include "hv/vmcs12/check_inputs.h"
#include "hv/vmcs12/sync.h"
#include "hv/vmx/insn.h"

/* clang-format off */
static const u8 shadowed[F_COUNT] = {
#define SHADOW(name, class) \
    [F_##name] = CLASS_##class == CLASS_WRITES ? READ | WRITTEN \
                                               : CLASS_##class == CLASS_INNER ? 0 : READ,
#include "hv/nested/images/shadow01.def"
};

/* The control by which an exit saves the field; 0: the exit always saves it, or never. */
#define PLACE_UNKNOWN (~0u) /* no control alone decides, or the field tells where others are */
static const u32 saved_by[F_COUNT] = {
    [F_guest_dr7]              = EXIT_SAVE_DEBUG_CONTROLS,
    [F_guest_debugctl]         = EXIT_SAVE_DEBUG_CONTROLS,
    [F_guest_pat]              = EXIT_SAVE_PAT,
    [F_guest_efer]             = EXIT_SAVE_EFER,
    [F_guest_perf_global_ctrl] = EXIT_SAVE_PERF_GLOBAL_CTRL,
    [F_preemption_timer_value] = EXIT_SAVE_PREEMPTION_TIMER,
    [F_guest_pdptr0]           = PLACE_UNKNOWN,
    [F_guest_pdptr1]           = PLACE_UNKNOWN,
    [F_guest_pdptr2]           = PLACE_UNKNOWN,
    [F_guest_pdptr3]           = PLACE_UNKNOWN,
    [F_entry_ctl]              = PLACE_UNKNOWN,
    [F_exit_ctl]               = PLACE_UNKNOWN,
};
/* clang-format on */

/* Of L2's state, fields whose rules the short path judges when L1 has written one. Of the controls,
 * those that no rule reads and of which vmcs02 has the same value. */
static bool judged_short(const struct vmcs_field_desc *d, enum vmcs_field f)
{
    u32 groups = d->area == AREA_GUEST ? SHORT_GUEST_GROUPS | CHECK_RIP | CHECK_ACTIVITY : 0;
    bool same = d->to02 == TO02_COPY || (d->to02 == TO02_MERGE && d->area == AREA_CTL);
    return same && !any(check_readers[f], ~groups) && f != F_cr4_guest_host_mask;
}

static u8 how(enum vmcs_field f)
{
    const struct vmcs_field_desc *d = vmcs12_desc(f);
    bool saved = d->area == AREA_GUEST && d->to12 != TO12_KEEP;
    u8 h = shadowed[f];
    if (saved_by[f] != 0)
        h |= saved_by[f] == PLACE_UNKNOWN ? CONDITIONAL : CONDITIONAL | AWAY;
    else if (saved || (d->area == AREA_RO && f != F_vm_instruction_error) || any(h, WRITTEN))
        h |= AWAY;
    if (!any(h, WRITTEN | CONDITIONAL) && judged_short(d, f))
        h |= JUDGED;
    return h;
}

void residence_init(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    bool writes_any = any(cpu->vm->facts.vmx.misc & n->caps.misc, VMX_MISC_WRITE_ANY_FIELD);
    for (u32 f = 0; f < F_COUNT; f++) {
        enum vmcs_gate gate = (enum vmcs_gate)vmcs12_desc((enum vmcs_field)f)->gate;
        n->field_how[f] = how((enum vmcs_field)f);
        if (vcaps_gate(&n->caps, gate) && HAS(n->hw_gates, gate))
            n->field_how[f] |= cpu->vm->fast && !cpu->vm->stress ? EXISTS | SHORT_WAY : EXISTS;
        if (vmcs12_desc((enum vmcs_field)f)->area == AREA_RO && !writes_any)
            n->field_how[f] |= READ_ONLY;
    }
}

/* ---- coming home ----------------------------------------------------------------------------- */

/* Takes the controls that L1 writes without an exit, into *v. Those of the working copy and of
 * vmcs02 differ in "primary controls" only, which the short path keeps right in all three places
 * while L2 runs. Returns the groups of rules that read a changed one. @pre vmcs02 is current */
static u32 take_controls(const struct nested *n, struct vmcs_image *v)
{
    u32 changed = 0;
#define FIELD(enc, width, area, name, gate, to02, to12)                                          \
    if (AREA_##area == AREA_CTL && any(shadowed[F_##name], WRITTEN) && F_##name != F_cpu1_ctl && \
        HAS(n->hw_gates, GATE_##gate)) {                                                         \
        vmcs_type_##name is = PACK_##width(vmcs_read(enc));                                      \
        changed |= check_changed(F_##name, v->name, is);                                         \
        v->name = is;                                                                            \
    }
#include "hv/vmcs12/fields.def"
    return changed;
}

/* The same controls of vmcs02's image. */
static void follow_controls(struct nested *n)
{
#define FIELD(enc, width, area, name, gate, to02, to12)                                          \
    if (AREA_##area == AREA_CTL && any(shadowed[F_##name], WRITTEN) && F_##name != F_cpu1_ctl && \
        HAS(n->hw_gates, GATE_##gate))                                                           \
        n->now->image02.name = n->now->vmcs12.name;
#include "hv/vmcs12/fields.def"
}

/* The exit of L2 that L1 was given last. The facts of L1's own exit must be read again afterwards,
 * as after any change of the current VMCS. @pre vmcs02 is current */
static struct vmexit exit_information(struct cpu *cpu)
{
    exit_snapshot(cpu, SNAP_TOLD);
    struct vmexit x = cpu->exit;
    x.reason = (u32)vmcs_read(ENC_exit_reason);
    return x;
}

/* Makes *v, a copy of the working copy or that itself, what VMCS12 is: what the plain path would
 * have written at the exit, and over it what L1 has written since. L1 wrote to the same fields of
 * vmcs02. L1 may have turned PAE paging on, but the exit saved no PDPTEs: the short path takes none
 * from PAE paging. Returns as take_controls. @pre VMCS12 is SHOWN, vmcs02 is current */
static u32 take_all(struct cpu *cpu, struct vmcs_image *v)
{
    struct nested *n = cpu->nested;
    vmcs02_fetch_guest(cpu);
    struct vmexit x = exit_information(cpu);
    struct sync_env s = {&n->now->image02, &x, &n->caps};
    u64 pdpte[4] = {v->guest_pdptr0, v->guest_pdptr1, v->guest_pdptr2, v->guest_pdptr3};
    u32 changed = sync_exit12(&s, v) | take_controls(n, v), cpu1 = (u32)vmcs_read(ENC_cpu1_ctl);
    v->guest_pdptr0 = pdpte[0];
    v->guest_pdptr1 = pdpte[1];
    v->guest_pdptr2 = pdpte[2];
    v->guest_pdptr3 = pdpte[3];
    changed |= check_changed(F_cpu1_ctl, v->cpu1_ctl, cpu1);
    v->cpu1_ctl = cpu1;
    return changed;
}

void residence_take(struct cpu *cpu, struct active *a)
{
    struct nested *n = cpu->nested;
    struct active *now = n->now;
    if (a->residence != SHOWN)
        return;
    n->now = a;
    a->residence = AT_HOME;
    a->path.open = false;
    vmcs02_take_back(cpu, a);
    nested_changed(n, take_all(cpu, &a->vmcs12));
    follow_controls(n);
    a->image02.cpu1_ctl = a->vmcs12.cpu1_ctl;
    vmcs_load(cpu, &cpu->vmcs01);
    n->now = now;
}

/* L2 was entered on the short path. An entry that the CPU refused leaves L1's guest state and the
 * last exit's information in vmcs02.
 * SDM 3C 27.8 "VM-Entry Failures During or After Loading Guest State" */
static void home_from_l2(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    nested_changed(n, take_controls(n, &n->now->vmcs12));
    follow_controls(n);
    if (!n->entering)
        return;
    vmcs02_fetch_guest(cpu);
/* clang-format off */
#define FIELD(enc, width, area, name, gate, to02, to12)                                          \
    if (AREA_##area == AREA_GUEST && (n->field_how[F_##name] & (AWAY | CONDITIONAL)) == AWAY)    \
        n->now->vmcs12.name = n->now->image02.name; \
    if (AREA_##area == AREA_RO && HAS(n->hw_gates, GATE_##gate) &&                               \
        any(n->field_how[F_##name], AWAY))    \
        n->now->vmcs12.name = PACK_##width(vmcs_read(enc));
/* clang-format on */
#include "hv/vmcs12/fields.def"
    n->now->settled = 0;
}

void residence_home(struct cpu *cpu)
{
    struct active *a = cpu->nested->now;
    if (LIKELY(a->residence == AT_HOME))
        return;
    if (a->residence == LENT) {
        a->residence = AT_HOME;
        a->path.open = false;
        home_from_l2(cpu);
    } else {
        residence_take(cpu, a);
        shadow01_push(cpu);
    }
}

/* ---- one field ------------------------------------------------------------------------------- */

/* Also before L1 writes what tells of others: where they are, or, in EFER, the mode that the exit
 * saves in "VM-entry controls". */
static FORCE_INLINE bool needs_home(const struct nested *n, enum vmcs_field f, bool write)
{
    return n->now->residence == SHOWN && any(n->field_how[f], CONDITIONAL) &&
           ((!any(n->field_how[f], AWAY) && (write || f != F_exit_ctl)) ||
            (write && f == F_guest_efer));
}

/* While VMCS12 is SHOWN, exit_ctl is what it was at the exit. */
static FORCE_INLINE bool is_away(const struct nested *n, enum vmcs_field f)
{
    return n->now->residence == SHOWN && all(n->field_how[f], AWAY | EXISTS) &&
           (LIKELY(!any(n->field_how[f], CONDITIONAL)) ||
            any(n->now->vmcs12.exit_ctl, saved_by[f]));
}

/* vmcs02 may be loaded for a moment as the shadow VMCS that it is. */
static void back_to_l1(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (n->now->path.marked)
        vmclear_ours(&n->now->vmcs02.hpa);
    vmcs_load_ours(cpu, &cpu->vmcs01);
}

static u64 get_away(struct cpu *cpu, enum vmcs_field f)
{
    vmcs_load_ours(cpu, &cpu->nested->now->vmcs02);
    u64 value = vmcs_read(vmcs12_desc(f)->encoding);
    back_to_l1(cpu);
    return vmcs12_desc(f)->width == WAR ? ar_unpack(ar_pack((u32)value)) : value;
}

/* Returns whether the field had another value. */
static bool put_away(struct cpu *cpu, enum vmcs_field f)
{
    struct active *a = cpu->nested->now;
    u64 encoding = vmcs12_desc(f)->encoding, value = vmcs12_get(&a->vmcs12, f);
    vmcs_load_ours(cpu, &a->vmcs02);
    bool changed = vmcs_read(encoding) != value;
    if (changed)
        vmcs_write(encoding, value);
    back_to_l1(cpu);
    return changed;
}

void residence_fetch(struct cpu *cpu, u64 encoding, bool write)
{
    struct nested *n = cpu->nested;
    enum vmcs_field f = vmcs12_find(encoding);
    if (n->shadow_set == SET_INNER)
        shadow01_pull(cpu);
    if (f == F_COUNT || n->now->residence != SHOWN)
        return;
    if (needs_home(n, f, write) || (any(n->field_how[f], READ_ONLY) && write)) {
        residence_home(cpu);
    } else if (is_away(n, f)) {
        vmcs12_set(&n->now->vmcs12, f, get_away(cpu, f));
        nested_changed(n, check_groups_of(f));
    }
}

/* Fields that only rules about their own value speak of, each with the bits that must be 0. L1's
 * host state goes to the block for the next exit. False: a bit is set, or there is more to it.
 * SDM 3C 27.2 "Checks on VMX Controls and Host-State Area",
 * SDM 3C 27.3.1 "Checks on the Guest State Area" */
static bool stands_alone(const struct check_cpu *c, struct active *a, enum vmcs_field f)
{
    const struct vmcs_image *v = &a->vmcs12;
    struct host01 *h = &a->path.host;
    /* clang-format off */
#define GUEST(name, bits)        case F_guest_##name: return !(bits);
#define HOST(name, name01, bits)                                                                   \
    case F_host_##name: h->guest_##name01 = v->host_##name; return !(bits);
#define WIDE(name)               ((v->name + c->linear_bias) & c->linear_reserved)
#define HIGH(name)               (v->name >> 32)
/* an unusable segment stays so */
#define NULL_OR_NOT(seg)         (any(v->host_##seg##_selector, 7) ||                              \
                                  !v->host_##seg##_selector !=                                     \
                                      any(h->guest_##seg##_ar, AR_UNUSABLE))
    switch (f) {
    GUEST(intr_status, 0)
    GUEST(sysenter_cs, 0)
    GUEST(sysenter_esp, WIDE(guest_sysenter_esp))
    GUEST(sysenter_eip, WIDE(guest_sysenter_eip))
    GUEST(cs_base, HIGH(guest_cs_base))
    GUEST(ss_base, HIGH(guest_ss_base))
    GUEST(ds_base, HIGH(guest_ds_base))
    GUEST(es_base, HIGH(guest_es_base))
    GUEST(fs_base, WIDE(guest_fs_base))
    GUEST(gs_base, WIDE(guest_gs_base))
    GUEST(tr_base, WIDE(guest_tr_base))
    GUEST(ldtr_base, WIDE(guest_ldtr_base))
    GUEST(gdtr_base, WIDE(guest_gdtr_base))
    GUEST(idtr_base, WIDE(guest_idtr_base))
    GUEST(gdtr_limit, v->guest_gdtr_limit >> 16)
    GUEST(idtr_limit, v->guest_idtr_limit >> 16)
    HOST(rsp, rsp, 0)
    HOST(cr3, cr3, v->host_cr3 & c->cr3_reserved)
    HOST(fs_base, fs_base, WIDE(host_fs_base))
    HOST(gs_base, gs_base, WIDE(host_gs_base))
    HOST(tr_base, tr_base, WIDE(host_tr_base))
    HOST(gdtr_base, gdtr_base, WIDE(host_gdtr_base))
    HOST(idtr_base, idtr_base, WIDE(host_idtr_base))
    HOST(sysenter_cs, sysenter_cs, 0)
    HOST(sysenter_esp, sysenter_esp, WIDE(host_sysenter_esp))
    HOST(sysenter_eip, sysenter_eip, WIDE(host_sysenter_eip))
    HOST(es_selector, es_selector, NULL_OR_NOT(es))
    HOST(ds_selector, ds_selector, NULL_OR_NOT(ds))
    HOST(fs_selector, fs_selector, NULL_OR_NOT(fs))
    HOST(gs_selector, gs_selector, NULL_OR_NOT(gs))
    default: return false;
    }
    /* clang-format on */
}

/* L1 wrote a field of a VMCS12 that is SHOWN. The next entry goes the plain path, unless the
 * field's rules are judged here or by the short path, and its value is where that path wants it.
 * Each entry of the short path starts the timer from where the truth is, or anew. image02 gets
 * L2's state from vmcs02 whenever it is asked. */
void residence_follow(struct cpu *cpu, enum vmcs_field f)
{
    struct nested *n = cpu->nested;
    struct active *a = n->now;
    u8 h = n->field_how[f];
    bool away = is_away(n, f), follows = any(h, WRITTEN | JUDGED);
    if (all(h, JUDGED | READ))
        shadow_wrote(cpu, a);
    if ((away || all(h, JUDGED | EXISTS)) && !put_away(cpu, f))
        return;
    if (UNLIKELY(any(h, CONDITIONAL)))
        follows = f == F_preemption_timer_value && (away || any(a->path.extra, SHORT_TIMER));
    else if (stands_alone(&n->check_cpu, a, f))
        follows = true;
    else if (all(h, JUDGED | AWAY))
        a->path.extra |= SHORT_GUEST;
    if (!follows)
        a->path.ready = a->path.open = false;
    if ((h & (JUDGED | AWAY)) == JUDGED)
        vmcs12_set(&a->image02, f, vmcs12_get(&a->vmcs12, f));
}

bool residence_read(struct cpu *cpu, enum vmcs_field f, u64 *value)
{
    const struct nested *n = cpu->nested;
    if (!any(n->field_how[f], SHORT_WAY) || needs_home(n, f, false))
        return false;
    *value = is_away(n, f) ? get_away(cpu, f) : vmcs12_get(&n->now->vmcs12, f);
    return true;
}

/* A write of the value that the field has changes nothing. */
bool residence_write(struct cpu *cpu, enum vmcs_field f, u64 value)
{
    struct nested *n = cpu->nested;
    u8 h = n->field_how[f];
    bool away = is_away(n, f);
    if (!any(h, SHORT_WAY) || needs_home(n, f, false))
        return false;
    if (any(h, CONDITIONAL) && (away ? get_away(cpu, f) : vmcs12_get(&n->now->vmcs12, f)) == value)
        return true;
    if (any(h, READ_ONLY) || needs_home(n, f, true))
        return false;
    if (vmcs12_set(&n->now->vmcs12, f, value) || away) {
        residence_wrote(cpu, f);
        if (UNLIKELY(n->reached == &n->now->shadow01))
            shadow01_put(cpu, f);
    }
    return true;
}

void residence_look(struct cpu *cpu, struct vmcs_image *v)
{
    *v = cpu->nested->now->vmcs12;
    if (cpu->nested->now->residence != SHOWN)
        return;
    vmcs_load(cpu, &cpu->nested->now->vmcs02);
    shadow01_drain(cpu->nested, cpu->nested->now);
    (void)take_all(cpu, v);
    back_to_l1(cpu);
    cpu->have = 0;
}
