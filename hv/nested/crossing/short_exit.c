/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From L2 to L1 on the short path: no field of VMCS12 moves. vmcs02 becomes L1's shadow VMCS, and
 * L1's host state goes from a block into vmcs01. What sync_exit12 and sync_host12 (hv/vmcs12) would
 * make is what L1 finds; stress=paranoid compares.
 */
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/crossing/private.h"
#include "hv/paranoid/audits.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/nested/images/images.h"
#include "hv/core/privileged.h"
#include "hv/vmcs12/check_inputs.h"
#include "hv/vmcs12/event.h"
#include "hv/vmcs12/sync.h"
#include "hv/vmx/stress.h"

/* ---- vmcs02 shows VMCS12's values ------------------------------------------------------------ */

/* Whether each fact of the exit that a handler of L0's may have changed is vmcs02's. With `write`
 * makes it so. Groups that nobody read are as the CPU recorded them. */
static bool exit_told(const struct cpu *cpu, bool write)
{
    const struct vmexit *x = &cpu->exit;
    /* clang-format off */
    const struct {
        u32 group;
        u64 encoding, value;
    } fact[] = {
        {~0u, ENC_exit_reason, x->reason},
        {SNAP_QUAL, ENC_exit_qualification, x->qual},
        {SNAP_STEP, ENC_exit_instruction_len, x->insn_len},
        {SNAP_INSN_INFO, ENC_exit_instruction_info, x->insn_info},
        {SNAP_GLA, ENC_guest_linear_address, x->gla},
        {SNAP_GPA, ENC_guest_physical_address, x->gpa},
        {SNAP_INTR, ENC_exit_intr_info, x->intr_info},
        {SNAP_INTR, ENC_exit_intr_error_code, x->intr_error},
        {SNAP_IDT, ENC_idt_vectoring_info, x->idt_info},
        {SNAP_IDT, ENC_idt_vectoring_error_code, x->idt_error},
    };
    /* clang-format on */
    for (u32 i = 0; i < ARRAY_LEN(fact); i++) {
        if (fact[i].group != ~0u && !any(cpu->have, fact[i].group))
            continue;
        if (vmcs_read(fact[i].encoding) == fact[i].value)
            continue;
        if (!write)
            return false;
        vmcs_write(fact[i].encoding, fact[i].value);
    }
    return true;
}

/* The exit clears the valid bit of L1's event. L0 may have put an event of its own into vmcs02, or
 * a lower TPR threshold. @pre VMCS12 is at home */
static void show_controls(struct nested *n)
{
    struct vmcs_image *v = &n->now->vmcs12;
    u32 info = v->entry_intr_info & ~INTR_VALID;
    nested_changed(n, check_changed(F_entry_intr_info, v->entry_intr_info, info));
    v->entry_intr_info = info;
#define SHOW(name)                          \
    if (vmcs_read(ENC_##name) != v->name) { \
        vmcs_write(ENC_##name, v->name);    \
        n->now->image02.name = v->name;     \
    }
    SHOW(entry_intr_info)
    SHOW(entry_exception_error_code)
    SHOW(entry_instruction_len)
    if (any(n->hw_gates, BIT(GATE_TPR_SHADOW))) {
        SHOW(tpr_threshold)
    }
}

/* ---- L1's host state ------------------------------------------------------------------------- */

/* What L2 decides about is patched later. @pre no host rule is broken, and L1 needs no PDPTEs */
static void make_host(struct nested *n)
{
    struct short_path *p = &n->now->path;
    struct host_env h = {.v12 = &n->now->vmcs12, .left = &n->now->image02, .maxphyaddr = 52};
    struct vmcs_image *v = &n->want02; /* the next VM entry makes it anew */
    p->host_made = sync_host12(&h, v) == ABORT_NONE;
    p->host_cr0 = v->guest_cr0;
    p->host_cr4 = v->guest_cr4;
    v->guest_cr0 |= CR0_NE;
    v->guest_cr4 = (v->guest_cr4 | CR4_VMXE) & CR4_KNOWN;
#define HOST01(name) p->host.name = WIDTH_##name == (int)WAR ? ar_unpack((u16)v->name) : v->name;
#include "hv/vmcs12/host01.def"
}

/* The bits of CR0 that an exit does not load are L2's. They hardly ever change. */
static void patch_cr0(struct short_path *p, u64 cr0)
{
    p->host_cr0 = (p->host_cr0 & ~CR0_NEVER_LOADED) | (cr0 & CR0_NEVER_LOADED);
    p->host.guest_cr0 = p->host_cr0 | CR0_NE;
}

/* L2 runs without paging, so an entry gives it LMA and leaves L1's LME; or the entry loads what the
 * exit has not saved, and finds in vmcs02 what L2 left there. @pre vmcs02 is current */
static KEEPS_REGISTERS NOINLINE void note_rest(struct active *a)
{
    const struct vmcs_image *v = &a->vmcs12;
    struct short_path *p = &a->path;
    u32 loads = v->entry_ctl;
    if (!any(p->cr0, CR0_PG))
        p->left.efer = (p->efer & ~EFER_LMA) | (p->host_mode & EFER_LMA);
    p->left.reloads_fit =
        (!any(loads, ENTRY_LOAD_EFER) || v->guest_efer == p->efer) &&
        (!any(loads, ENTRY_LOAD_PAT) || v->guest_pat == vmcs_get(ENC_guest_pat)) &&
        (!any(loads, ENTRY_LOAD_DEBUG_CONTROLS) ||
         (v->guest_dr7 == vmcs_get(ENC_guest_dr7) &&
          v->guest_debugctl == vmcs_get(ENC_guest_debugctl)));
}

/* Registers that VMCS12 does not keep for both levels: L1 goes on with L2's EFER and PAT, and notes
 * what L1 must have for L2 to go on with vmcs02 as it is. Of EFER an entry gives L2 its mode bits.
 * SDM 3C 28.5.1 "Loading Host Control Registers, Debug Registers, MSRs",
 * SDM 3C 27.3.2.1 "Loading Guest Control Registers, Debug Registers, and MSRs".
 * @pre vmcs02 is current */
static KEEPS_REGISTERS NOINLINE void pass_registers(struct active *a)
{
    struct short_path *p = &a->path;
    p->left.efer = (p->efer & ~(EFER_LMA | EFER_LME)) | p->host_mode;
    if (any(p->extra, SHORT_HOST_EFER))
        p->host.guest_efer = p->left.efer;
    p->left.pat = vmcs_get(ENC_guest_pat);
    if (any(p->extra, SHORT_HOST_PAT))
        p->host.guest_pat = p->left.pat;
    if (any(p->extra, SHORT_DEBUG)) {
        p->left.dr7 = vmcs_get(ENC_guest_dr7);
        p->left.debugctl = vmcs_get(ENC_guest_debugctl);
    }
    if (UNLIKELY(any(p->extra, SHORT_RELOADS) || !any(p->cr0, CR0_PG)))
        note_rest(a);
}

#define PASSED \
    (SHORT_EFER | SHORT_PAT | SHORT_DEBUG | SHORT_RELOADS | SHORT_HOST_EFER | SHORT_HOST_PAT)

/* An exit by an NMI blocks NMIs. Any other exit leaves the blocking as it was in L2. Under virtual
 * NMIs the flag in L2's state tells of virtual blocking.
 * SDM 3C 28.5.5 "Updating Non-Register State". @pre vmcs02 is current */
static inline u32 blocking_of_l1(u32 extra, u32 reason)
{
    if (UNLIKELY(reason == EXIT_REASON_EXCEPTION_NMI) &&
        INTR_TYPE((u32)vmcs_get(ENC_exit_intr_info)) == INTR_NMI)
        return BLOCKING_BY_NMI;
    return any(extra, SHORT_NMIS) ? (u32)vmcs_get(ENC_guest_interruptibility) & BLOCKING_BY_NMI : 0;
}

/* L1 leaves most of its state as it was, and the Nidus below lets VMREAD of it pass. */
static KEEPS_REGISTERS NOINLINE void put_changed(const struct short_path *p)
{
#define HOST01(name)                          \
    if (vmcs_get(ENC_##name) != p->host.name) \
        vmcs_set(ENC_##name, p->host.name);
#include "hv/vmcs12/host01.def"
}

/* SDM 3C 28.5 "Loading Host State". @pre vmcs01 is current */
static FORCE_INLINE void put_host(struct cpu *cpu, const struct short_path *p, u32 blocking)
{
    if (UNLIKELY(p->blocking01 != blocking))
        vmcs_write(ENC_guest_interruptibility, blocking);
    if (UNLIKELY(any(p->extra, SHORT_DEEP))) {
        put_changed(p);
    } else {
#define HOST01(name) vmcs_put(ENC_##name, &p->host.name);
#include "hv/vmcs12/host01.def"
    }
    if (UNLIKELY(cpu->cr0_shadow != p->host_cr0)) {
        cpu->cr0_shadow = p->host_cr0;
        vmcs_write(ENC_cr0_read_shadow, p->host_cr0);
    }
    if (UNLIKELY(cpu->cr4_shadow != p->host_cr4)) {
        cpu->cr4_shadow = p->host_cr4;
        vmcs_write(ENC_cr4_read_shadow, p->host_cr4);
    }
}

/* ---- leaving L2 ------------------------------------------------------------------------------ */

/* Whether L2 stopped in a state that the short path can leave in vmcs02. What it cannot: another
 * activity state, a mode that VMCS12 does not tell, values that L1's processor lacks, and PDPTEs,
 * which an exit saves or not. Notes CR0 and EFER. @pre vmcs02 is current */
static FORCE_INLINE bool simple(const struct nested *n, struct short_path *p)
{
    u64 cr0 = vmcs_get(ENC_guest_cr0), efer = vmcs_get(ENC_guest_efer);
    if (n->nmi_held || (efer & p->efer_judged) != p->lma)
        return false;
    if (any(p->extra, SHORT_HALTS) && vmcs_get(ENC_guest_activity_state) != ACTIVITY_ACTIVE)
        return false;
    if (UNLIKELY(!p->lma) && any(cr0, CR0_PG) && any(vmcs_get(ENC_guest_cr4), CR4_PAE))
        return false;
    p->cr0 = cr0;
    p->efer = efer;
    return true;
}

/* What few L1s need. @pre vmcs01 is current */
static KEEPS_REGISTERS NOINLINE void leave_extra(const struct short_path *p)
{
    if (any(p->extra, SHORT_PERF))
        vmcs_write(ENC_guest_perf_global_ctrl, p->perf01);
    if (any(p->extra, SHORT_IBPB))
        wrmsr(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
}

/* Everything behind the decision. @pre vmcs02 is current and holds VMCS12's values */
static FORCE_INLINE void leave(struct cpu *cpu, struct nested *n, struct active *a, u32 reason)
{
    struct short_path *p = &a->path;
    u32 blocking = blocking_of_l1(p->extra, reason);
    if (UNLIKELY(any(p->extra, SHORT_PERF)))
        p->perf01 = perf_loaded(any(a->vmcs12.exit_ctl, EXIT_LOAD_PERF_GLOBAL_CTRL),
                                a->vmcs12.host_perf_global_ctrl);
    if (any(p->extra, PASSED))
        pass_registers(a);
    if (UNLIKELY(any(p->cr0 ^ p->host.guest_cr0, CR0_NEVER_LOADED)))
        patch_cr0(p, p->cr0);
    if (any(p->extra, SHORT_CPU1))
        vmcs_write(ENC_cpu1_ctl, p->cpu1);
    vmcs02_show(n, a);
    vmcs_load_ours(cpu, &cpu->vmcs01);
    put_host(cpu, p, blocking);
    if (any(p->extra, SHORT_NO_VPID))
        short_flush(cpu, p);
    if (UNLIKELY(any(p->extra, SHORT_PERF | SHORT_IBPB)))
        leave_extra(p);
    a->residence = SHOWN;
    n->entering = false;
    cpu->in_l2 = false;
}

/* For all but the hottest: one copy more of some 200 instructions is enough. */
static KEEPS_REGISTERS NOINLINE void leave_out_of_line(struct cpu *cpu, struct nested *n,
                                                       struct active *a, u32 reason)
{
    leave(cpu, n, a, reason);
}

bool short_leave(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct active *a = n->now;
    bool may_write = any(cpu->vm->facts.vmx.misc, VMX_MISC_WRITE_ANY_FIELD);
    u32 perf = any(a->path.extra, SHORT_PERF_KEPT) ? SHORT_PERF : 0; /* L0 may have written it */
    if (!a->path.ready || !simple(n, &a->path) || (!may_write && !exit_told(cpu, false)))
        return false;
    (void)exit_told(cpu, true);
    if (stressed(cpu, STRESS_PARANOID))
        short_audit_leaving(cpu);
    show_controls(n);
    if (!a->path.host_made)
        make_host(n);
    a->path.blocking01 = ~0u; /* L1's is written */
    a->path.extra |= perf;
    leave_out_of_line(cpu, n, a, EXIT_REASON_BASIC(cpu->exit.reason));
    a->path.extra &= ~perf;
    cpu->have = 0;
    if (n->can_shadow01)
        shadow_show(cpu, shown_vmcs(n, a));
    a->path.open = cpu->vm->stress == 0;
    cpu->crossings++;
    if (stressed(cpu, STRESS_PARANOID))
        short_audit_left(cpu);
    return true;
}

/* ---- the door's question --------------------------------------------------------------------- */

/* L2 meets an EPT violation and nothing else: there is no event to deliver again, no blocking, step
 * or threshold to mend (exit_retry, nested_goes_on), and the address is one of L1's
 * processor. */
static FORCE_INLINE bool only_access(const struct nested *n, const struct ept12_access *at)
{
    const struct vmcs_image *v = &n->now->vmcs12;
    return !any(at->qual, QUAL_EPT_NMI_UNBLOCKING) &&
           !any(at->gpa2.a, n->check_cpu.phys_reserved) &&
           !any(vmcs_get(ENC_idt_vectoring_info), INTR_VALID) &&
           !any(vmcs_get(ENC_guest_rflags), RFLAGS_TF) &&
           (!any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW) ||
            (v->tpr_threshold | vmcs_get(ENC_tpr_threshold)) == 0);
}

/* Gives L1 the exit, if L2's state is simple. */
static FORCE_INLINE u64 give(struct cpu *cpu, struct nested *n, struct active *a, u64 reason,
                             bool in_line)
{
    if (!simple(n, &a->path))
        return SHORT_NOT;
    cpu->exits[1][reason]++;
    if (in_line)
        leave(cpu, n, a, (u32)reason);
    else
        leave_out_of_line(cpu, n, a, (u32)reason);
    a->path.open = true;
    return SHORT_RESUME;
}

u64 nested_short_violation(struct percpu *percpu)
{
    struct cpu *cpu = cpu_of(percpu);
    struct nested *n = cpu->nested;
    struct active *a = n->now;
    struct ept12_access at = {GPA2(vmcs_get(ENC_guest_physical_address)),
                              vmcs_get(ENC_exit_qualification)};
    u64 then = rdtsc();
    if (!only_access(n, &at))
        return SHORT_NOT;
    enum ept02_short answer = ept02_short(cpu, a->image02.ept_pointer, at, true);
    if (answer == SHORT_REFUSES && a->residence == LENT &&
        !any(vmcs12_cpu2(&a->vmcs12), CPU2_EPT_VIOLATION_VE))
        return give(cpu, n, a, EXIT_REASON_EPT_VIOLATION, false);
    if (answer != SHORT_FILLS)
        return SHORT_NOT;
    cpu->exits[1][EXIT_REASON_EPT_VIOLATION]++;
    cpu->current->launched = 1;
    n->entering = false;
    nested_charge_timer(cpu, then);
    return SHORT_RESUME;
}

/* A reason for which controls alone do not decide. @pre vmcs02 is current */
static FORCE_INLINE bool l1_asks_for(struct cpu *cpu, u64 reason)
{
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    u32 info;
    switch (reason) {
    case EXIT_REASON_EXCEPTION_NMI:
        info = (u32)vmcs_get(ENC_exit_intr_info);
        if (INTR_TYPE(info) == INTR_NMI)
            return any(v->pin_ctl, PIN_NMI_EXITING);
        return event_exits_to_l1(v, INTR_VECTOR(info), (u32)vmcs_get(ENC_exit_intr_error_code));
    case EXIT_REASON_INTERRUPT_WINDOW:
        return any(v->cpu1_ctl, CPU1_INTR_WINDOW_EXITING);
    case EXIT_REASON_NMI_WINDOW:
        return any(v->cpu1_ctl, CPU1_NMI_WINDOW_EXITING);
    case EXIT_REASON_IO_INSTRUCTION:
        cpu->exit.qual = vmcs_get(ENC_exit_qualification);
        return any(v->cpu1_ctl, CPU1_USE_IO_BITMAPS) && io_bitmaps12_hit(cpu);
    case EXIT_REASON_RDMSR:
    case EXIT_REASON_WRMSR:
        return any(v->cpu1_ctl, CPU1_USE_MSR_BITMAPS) &&
               bitmap02_l1_wants(cpu, reason == EXIT_REASON_WRMSR);
    default:
        return false;
    }
}

/* An exit that controls alone do not give to L1. What is here costs no other a saved register. */
static KEEPS_REGISTERS NOINLINE u64 ask(struct cpu *cpu, struct nested *n, struct active *a,
                                        u64 reason)
{
    if (a->residence != LENT || reason > 63)
        return SHORT_NOT;
    if (reason == EXIT_REASON_VMREAD || reason == EXIT_REASON_VMWRITE)
        return SHORT_SAVE;
    return l1_asks_for(cpu, reason) ? give(cpu, n, a, reason, false) : SHORT_NOT;
}

/* LENT says that the short path is ready, that L1's host state is made, and that vmcs01 names
 * vmcs02 as L1's shadow VMCS. The log's last exits are those of the run loop. */
KEEPS_REGISTERS u64 nested_short_exit(void)
{
    u64 reason = vmcs_get_first(ENC_exit_reason);
    if (reason == EXIT_REASON_EPT_VIOLATION)
        return SHORT_VIOLATION;
    struct cpu *cpu = cpu_of(percpu());
    struct nested *n = cpu->nested;
    struct active *a = n->now;
    if (UNLIKELY(a->residence != LENT) || reason > 63 || !any(a->path.reflect >> reason, 1))
        return ask(cpu, n, a, reason);
    return give(cpu, n, a, reason, true);
}

KEEPS_REGISTERS u64 nested_short_give(void)
{
    struct cpu *cpu = cpu_of(percpu());
    return give(cpu, cpu->nested, cpu->nested->now, vmcs_get(ENC_exit_reason), false);
}
