/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From L1's VMRESUME to L2 on the short path: VMCS12's state lives in vmcs02 and stays there. Every
 * field that a rule reads and that may have another value than at the last judgement is judged: L1
 * writes some without an exit (shadow01.def), and L2 changed others. The judgement is by a simpler
 * rule that implies those of hv/vmcs12/check.h. Where it does not hold, the plain path judges all.
 * stress=paranoid has all rules judged and compares vmcs02 with a merge.
 */
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/crossing/private.h"
#include "hv/paranoid/audits.h"
#include "hv/core/privileged.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/nested/images/images.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/stress.h"

#define RFLAGS_RESERVED (~0ull << 22 | BIT(15) | BIT(5) | BIT(3))

/* ---- L1's own state. @pre vmcs01 is current -------------------------------------------------- */

/* SDM 3C 27.3.1.5 "Checks on Guest Non-Register State": the link pointer's page */
static KEEPS_REGISTERS NOINLINE bool link_fits(const struct cpu *cpu)
{
    const struct nested *n = cpu->nested;
    const struct vmcs_image *v = &n->now->vmcs12;
    bool shadowing = any(vmcs12_cpu2(v), CPU2_VMCS_SHADOWING);
    u32 header;
    gpa1_read_open(cpu, GPA1(v->vmcs_link_pointer), &header, sizeof header);
    return header == (n->check_cpu.revision | (shadowing ? VMCS_SHADOW_INDICATOR : 0));
}

/* Where the entry loads a register of L1, vmcs02 has what L2 had: they must be the same. */
static inline bool registers_fit(const struct short_path *p, u64 efer)
{
    const struct left02 *l = &p->left;
    return (!any(p->extra, SHORT_EFER) || efer == l->efer) &&
           (!any(p->extra, SHORT_PAT) || vmcs_get(ENC_guest_pat) == l->pat) &&
           (!any(p->extra, SHORT_DEBUG) ||
            (vmcs_get(ENC_guest_dr7) == l->dr7 && vmcs_get(ENC_guest_debugctl) == l->debugctl)) &&
           (!any(p->extra, SHORT_RELOADS) || l->reloads_fit);
}

/* CPL 0, no MOV SS, and what vmcs02 holds of L1: bits of CR0, and addresses. */
static inline bool l1_fits(const struct cpu *cpu, struct active *a)
{
    struct short_path *p = &a->path;
    u64 efer = vmcs_get(ENC_guest_efer);
    p->blocking01 = (u32)vmcs_get(ENC_guest_interruptibility);
    if (ar_dpl((u32)vmcs_get(ENC_guest_ss_ar)) != 0 || any(p->blocking01, BLOCKING_BY_MOV_SS) ||
        ((efer ^ p->host_mode) & EFER_LMA) != 0 ||
        any(vmcs_get(ENC_guest_cr0) ^ p->cr0, CR0_NEVER_LOADED) ||
        cpu->apic_page.a != p->apic_page.a)
        return false;
    return !any(p->extra, SHORT_EFER | SHORT_PAT | SHORT_DEBUG | SHORT_RELOADS | SHORT_LINK) ||
           (registers_fit(p, efer) && (!any(p->extra, SHORT_LINK) || link_fits(cpu)));
}

/* ---- L2's state. @pre vmcs02 is current ------------------------------------------------------ */

/* A CPU with wider linear addresses took from L2 what is not canonical on L1's. */
static KEEPS_REGISTERS NOINLINE bool bases_fit(const struct check_cpu *c)
{
    /* clang-format off */
    static const u16 field[] = {
        ENC_guest_fs_base, ENC_guest_gs_base, ENC_guest_ldtr_base, ENC_guest_tr_base,
        ENC_guest_gdtr_base, ENC_guest_idtr_base, ENC_guest_sysenter_esp, ENC_guest_sysenter_eip,
    };
    /* clang-format on */
    u64 bad = 0;
    for (u32 i = 0; i < ARRAY_LEN(field); i++)
        bad |= (vmcs_get(field[i]) + c->linear_bias) & c->linear_reserved;
    return bad == 0;
}

/* SDM 3C 27.3.1.4 "Checks on Guest RIP, RFLAGS, and SSP" */
static inline bool rip_fits(const struct check_cpu *c, const struct short_path *p)
{
    u64 rip = vmcs_get(ENC_guest_rip);
    if (rip >> 32 == 0)
        return true;
    return p->lma && any(vmcs_get(ENC_guest_cs_ar), AR_L) &&
           !any(rip + 2 * c->linear_bias, c->linear_reserved << 1);
}

/* An external interrupt without reserved bits and without an error code. */
#define EXTERNAL_PLAIN(info) (((info) & ~0xffu) == INTR_VALID)

/* Any other event, judged whole. The working copy is given what the rules read.
 * @pre L2 is active, and nothing but an NMI is blocked */
static KEEPS_REGISTERS NOINLINE bool exception_fits(struct nested *n, u32 info)
{
    u32 blocking = (u32)vmcs_get(ENC_guest_interruptibility);
    const struct check_env env = {.cpu = &n->check_cpu};
    struct rule_set broken = {{0}};
    struct vmcs_image *v = &n->now->vmcs12;
    if (INTR_TYPE(info) == INTR_EXTERNAL)
        return false; /* with bits that are reserved */
    if (INTR_TYPE(info) == INTR_NMI && blocking != 0)
        return false;
    v->entry_intr_info = info;
    v->entry_exception_error_code = (u32)vmcs_get(ENC_entry_exception_error_code);
    v->entry_instruction_len = (u32)vmcs_get(ENC_entry_instruction_len);
    v->guest_cr0 = n->now->path.cr0;
    nested_changed(n, CHECK_EVENT | CHECK_GUEST);
    check_controls(v, &env, CHECK_EVENT, &broken);
    return rule_set_empty(&broken);
}

/* L1 has written CR0 or CR4, and no bit that another field or L1's own CR0 has a say in.
 * SDM 3C 27.3.1.1 "Checks on Guest Control Registers, Debug Registers, and MSRs" */
static KEEPS_REGISTERS NOINLINE bool crs_fit(const struct check_cpu *c, struct short_path *p)
{
    u64 free0 = CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM, cr0 = vmcs_get(ENC_guest_cr0);
    u64 tied4 = CR4_PAE | CR4_PCIDE | CR4_CET, cr4 = vmcs_get(ENC_guest_cr4);
    if (any(cr0 ^ p->cr0, ~free0) || any(cr4 ^ p->cr4, tied4) || any(cr4, CR4_CET) ||
        any(cr4, ~c->cr4_may_be_1) || !all(cr4, c->cr4_must_be_1))
        return false;
    p->cr0 = cr0;
    p->cr4 = cr4;
    return true;
}

/* SDM 3C 27.3.1 "Checks on the Guest State Area". Without blocking by STI or MOV SS and in the
 * active state no rule ties pending debug exceptions to TF. Values are read where they are judged:
 * each register that this needs is saved for it. */
static inline bool state_fits(const struct check_cpu *c, struct short_path *p)
{
    return (vmcs_get(ENC_guest_rflags) & (RFLAGS_RESERVED | RFLAGS_FIXED | RFLAGS_VM)) ==
               RFLAGS_FIXED &&
           !any(vmcs_get(ENC_guest_interruptibility), ~(u64)BLOCKING_BY_NMI) &&
           vmcs_get(ENC_guest_pending_dbg_exceptions) == 0 &&
           ((vmcs_get(ENC_guest_cr0) == p->cr0 && vmcs_get(ENC_guest_cr4) == p->cr4) ||
            crs_fit(c, p)) &&
           !any(vmcs_get(ENC_guest_cr3), c->phys_reserved) &&
           !any(vmcs_get(ENC_guest_debugctl), c->debugctl_reserved) && rip_fits(c, p);
}

static inline bool event_fits(struct nested *n)
{
    u32 info = (u32)vmcs_get(ENC_entry_intr_info);
    if (LIKELY(!any(info, INTR_VALID)))
        return true;
    return EXTERNAL_PLAIN(info) ? any(vmcs_get(ENC_guest_rflags), RFLAGS_IF)
                                : exception_fits(n, info);
}

/* SDM 3C 27.2.1.1 "VM-Execution Control Fields": the TPR threshold */
static KEEPS_REGISTERS NOINLINE bool tpr_fits(const struct cpu *cpu)
{
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    const u8 *vtpr = cpu->nested->now->path.vtpr12;
    u32 threshold = (u32)vmcs_get(ENC_tpr_threshold);
    if (threshold == 0)
        return true;
    if (threshold >> 4 != 0)
        return false;
    return any(vmcs12_cpu2(v), CPU2_VIRTUALIZE_APIC_ACCESSES) || (vtpr && threshold <= *vtpr >> 4);
}

/* L1 has written segments, tables or MSRs of L2, or may have (residence.c). vmcs02 has them and
 * their controls. */
static KEEPS_REGISTERS NOINLINE bool guest_fits(struct cpu *cpu, struct active *a)
{
    const struct check_env env = {.cpu = &cpu->nested->check_cpu};
    struct rule_set broken = {{0}};
    if (a->wide != 0 && --a->wide == 0)
        return false;
    vmcs02_fetch_guest(cpu);
    check_guest(&a->image02, &env, SHORT_GUEST_GROUPS, &broken);
    if (a->wide == 0)
        a->path.extra &= ~(u32)SHORT_GUEST;
    return rule_set_empty(&broken);
}

#define JUDGED_EXTRA (SHORT_TPR | SHORT_CR4_HIDDEN | SHORT_WIDE | SHORT_GUEST)

static KEEPS_REGISTERS NOINLINE bool extra_fits(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    u32 extra = n->now->path.extra;
    if (any(extra, SHORT_GUEST) && !guest_fits(cpu, n->now))
        return false;
    return (!any(extra, SHORT_TPR) || tpr_fits(cpu)) &&
           (!any(extra, SHORT_CR4_HIDDEN) ||
            !any(vmcs_get(ENC_cr4_read_shadow), n->now->path.cr4_hidden)) &&
           (!any(extra, SHORT_WIDE) || bases_fit(&n->check_cpu));
}

/* ---- the entry ------------------------------------------------------------------------------- */

/* L1 has written "primary controls". It may have opened or closed a window, no more. */
static KEEPS_REGISTERS NOINLINE bool window_fits(struct active *a)
{
    u32 cpu1 = (u32)vmcs_get(ENC_cpu1_ctl);
    if (any(cpu1 ^ a->path.cpu1, ~a->path.cpu1_free))
        return false;
    a->path.cpu1 = a->vmcs12.cpu1_ctl = cpu1;
    a->image02.cpu1_ctl = cpu1 | a->path.cpu1_extra;
    return true;
}

static KEEPS_REGISTERS NOINLINE void follow_ept02(struct cpu *cpu, struct active *a)
{
    u64 eptp = any(a->path.extra, SHORT_EPT) ? ept02_pointer(cpu, a->vmcs12.ept_pointer)
                                             : cpu->ept01->eptp;
    if (eptp != a->image02.ept_pointer)
        vmcs_write(ENC_ept_pointer, eptp);
    a->image02.ept_pointer = eptp;
}

/* L2's EPT pointer is still what vmcs02 has. */
static inline bool ept_goes_on(const struct cpu *cpu, const struct active *a)
{
    return any(a->path.extra, SHORT_EPT) ? ept02_goes_on(cpu, a)
                                         : a->image02.ept_pointer == cpu->ept01->eptp;
}

/* What vmcs02 does not have of VMCS12, and what L0 composes for L2. */
static inline void follow(struct cpu *cpu, struct nested *n, struct active *a)
{
    struct short_path *p = &a->path;
    u32 bitmap = (u32)vmcs_get(ENC_exception_bitmap);
    if (UNLIKELY(bitmap != a->vmcs12.exception_bitmap))
        a->vmcs12.exception_bitmap = a->image02.exception_bitmap = bitmap;
    if (any(p->extra, SHORT_CPU1))
        vmcs_write(ENC_cpu1_ctl, a->image02.cpu1_ctl);
    if (any(p->extra, SHORT_TIMER))
        vmcs_write(ENC_preemption_timer_value, a->vmcs12.preemption_timer_value);
    if (UNLIKELY(!ept_goes_on(cpu, a)))
        follow_ept02(cpu, a);
    if (any(p->extra, SHORT_MSRS) && n->msr_open02.count)
        msr_bitmap_merge(&n->msr_open02, n->msr_bitmap02, (const u64 *)cpu->vm->msr_bitmap,
                         p->msr_bitmap12);
    if (any(p->extra, SHORT_NO_VPID))
        short_flush(cpu, p);
}

/* VMCS12 must be judged whole: its state goes home before anybody looks. */
static KEEPS_REGISTERS NOINLINE bool give_up(struct cpu *cpu)
{
    cpu->nested->now->path.ready = cpu->nested->now->path.open = false;
    vmcs_load(cpu, &cpu->vmcs01);
    return false;
}

static FORCE_INLINE bool enter(struct cpu *cpu, struct nested *n, bool audit)
{
    struct active *a = n->now;
    struct short_path *p = &a->path;
    if (n->init_blocked || cpu->nmi_waits || !l1_fits(cpu, a))
        return false;
    if (audit)
        short_audit_entering(cpu);
    if (any(p->extra, SHORT_PERF | SHORT_PERF_KEPT))
        p->perf02 = perf_loaded(any(a->vmcs12.entry_ctl, ENTRY_LOAD_PERF_GLOBAL_CTRL),
                                a->vmcs12.guest_perf_global_ctrl);
    vmcs02_take_back(cpu, a);
    if (!state_fits(&n->check_cpu, p) || !event_fits(n) ||
        (any(p->extra, SHORT_PERF | SHORT_PERF_KEPT) &&
         vmcs_get(ENC_guest_perf_global_ctrl) != p->perf02) ||
        (any(p->extra, JUDGED_EXTRA) && !extra_fits(cpu)) ||
        (UNLIKELY((u32)vmcs_get(ENC_cpu1_ctl) != p->cpu1) && !window_fits(a)))
        return give_up(cpu);
    follow(cpu, n, a);
    a->residence = LENT;
    n->launching = false;
    n->entering = true;
    cpu->in_l2 = true;
    return true;
}

bool short_enter(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    bool audit = stressed(cpu, STRESS_PARANOID);
    if (!n || n->now->residence != SHOWN || !n->now->path.ready || !enter(cpu, n, audit))
        return false;
    cpu->crossings++;
    cpu->have = 0;
    if (audit)
        short_audit_entered(cpu);
    return true;
}

KEEPS_REGISTERS u64 nested_short_entry(void)
{
    struct cpu *cpu = cpu_of(percpu());
    struct nested *n = cpu->nested;
    if (!n || !n->now->path.open || !enter(cpu, n, false))
        return SHORT_NOT;
    cpu->exits[0][EXIT_REASON_VMRESUME]++;
    return n->vmcs02_shows ? SHORT_LAUNCH : SHORT_RESUME;
}
