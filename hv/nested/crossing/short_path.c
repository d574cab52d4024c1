/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the short path may be taken, found out once, at a VM entry on the plain path. What it needs
 * of VMCS12 stays as it is while `ready`: L1's VMWRITE to another field than those which the short
 * path judges itself ends that (residence_wrote).
 */
#include "hv/nested/crossing/private.h"
#include "hv/nested/instructions/instructions.h"
#include "hv/vmcs12/merge.h"
#include "hv/vmcs12/route.h"
#include "hv/vmcs12/sync.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/stress.h"

#define B(reason) BIT(EXIT_REASON_##reason)
/* The reasons for which controls alone may say whose the exit is, and of whose exit information L0
 * changes nothing. */
/* clang-format off */
#define BY_CONTROLS                                                                                \
    (B(EXTERNAL_INTERRUPT) | B(CPUID) | B(GETSEC) | B(HLT) | B(INVD) | B(INVLPG) | B(RDPMC) |      \
     B(RDTSC) | B(VMCALL) | B(VMCLEAR) | B(VMLAUNCH) | B(VMPTRLD) | B(VMPTRST) | B(VMREAD) |       \
     B(VMRESUME) | B(VMWRITE) | B(VMXOFF) | B(VMXON) | B(MOV_DR) | B(IO_INSTRUCTION) | B(RDMSR) |  \
     B(WRMSR) | B(MWAIT) | B(MONITOR_TRAP_FLAG) | B(MONITOR) | B(PAUSE) | B(TPR_BELOW_THRESHOLD) | \
     B(APIC_ACCESS) | B(VIRTUALIZED_EOI) | B(GDTR_IDTR_ACCESS) | B(LDTR_TR_ACCESS) | B(INVEPT) |   \
     B(RDTSCP) | B(PREEMPTION_TIMER) | B(INVVPID) | B(WBINVD) | B(XSETBV) | B(APIC_WRITE) |        \
     B(RDRAND) | B(INVPCID) | B(RDSEED))
/* clang-format on */

/* A reason whose route asks L1's bitmap is not L1's by the controls alone. */
static u64 always_reflected(const struct vmcs_image *v12)
{
    u64 set = 0;
    for (u32 reason = 0; reason < 64; reason++) {
        struct vmexit x = {.reason = reason};
        struct route_env e = {.v12 = v12, .x = &x};
        if (any(BY_CONTROLS, BIT(reason)) && !route_needs_bitmap(&e) && route_exit(&e) == ROUTE_L1)
            set |= BIT(reason);
    }
    return set;
}

/* What the short path leaves to the plain one. */
/* The controls hardly ever change, and the question is asked 64 times. */
static void find_reflected(struct short_path *p, const struct vmcs_image *v)
{
    u32 cpu2 = vmcs12_cpu2(v);
    if (p->reflect_of[0] == v->pin_ctl && p->reflect_of[1] == v->cpu1_ctl &&
        p->reflect_of[2] == cpu2)
        return;
    p->reflect = always_reflected(v);
    p->reflect_of[0] = v->pin_ctl;
    p->reflect_of[1] = v->cpu1_ctl;
    p->reflect_of[2] = cpu2;
}

/* An L1 may write, before each entry, what only the plain path takes. To fetch home what a short
 * exit has left in vmcs02 then costs more than a plain exit, so most exits are plain for it. */
#define WASTED_MOST 4u
#define TRY_AGAIN   16u

void short_closed(struct cpu *cpu)
{
    struct short_path *p = &cpu->nested->now->path;
    bool once = cpu->exits[0][EXIT_REASON_VMRESUME] - p->prepared_at <= 1;
    p->wasted = !once ? 0 : p->wasted + (p->wasted < WASTED_MOST);
}

static bool allows(const struct cpu *cpu)
{
    const struct nested *n = cpu->nested;
    const struct vmcs_image *v = &n->now->vmcs12;
    return cpu->vm->fast && !n->tlb.forgets && !stressed(cpu, STRESS_REMERGE) &&
           any(n->caps.misc, VMX_MISC_SAVES_LMA) && !n->now->nowhere_written &&
           (v->entry_msr_load_count | v->exit_msr_load_count | v->exit_msr_store_count) == 0 &&
           !any(v->cr4_read_shadow, n->now->path.cr4_hidden) && !merge_needs_pdptes(v) &&
           !host_needs_pdptes(v);
}

static u32 extra_if(bool due, enum short_extra what)
{
    return due ? (u32)what : 0;
}

/* A register that VMCS12 both saves and loads is L2's own as long as L2 lives. */
static u32 extra_registers(const struct cpu *cpu, const struct vmcs_image *v)
{
    u32 exit = v->exit_ctl, entry = v->entry_ctl;
    bool reloads = (any(entry, ENTRY_LOAD_EFER) && !any(exit, EXIT_SAVE_EFER)) ||
                   (any(entry, ENTRY_LOAD_PAT) && !any(exit, EXIT_SAVE_PAT)) ||
                   (any(entry, ENTRY_LOAD_DEBUG_CONTROLS) && !any(exit, EXIT_SAVE_DEBUG_CONTROLS));
    bool perf = any(exit, EXIT_LOAD_PERF_GLOBAL_CTRL) || any(entry, ENTRY_LOAD_PERF_GLOBAL_CTRL);
    return extra_if(!any(entry, ENTRY_LOAD_EFER), SHORT_EFER) |
           extra_if(!any(entry, ENTRY_LOAD_PAT), SHORT_PAT) |
           extra_if(!any(entry, ENTRY_LOAD_DEBUG_CONTROLS), SHORT_DEBUG) |
           extra_if(reloads, SHORT_RELOADS) | extra_if(perf, SHORT_PERF) |
           extra_if(!perf && cpu->vm->facts.perf_global, SHORT_PERF_KEPT) |
           extra_if(!any(exit, EXIT_LOAD_EFER), SHORT_HOST_EFER) |
           extra_if(!any(exit, EXIT_LOAD_PAT), SHORT_HOST_PAT);
}

static u32 extra_controls(const struct cpu *cpu, const struct vmcs_image *v)
{
    const struct nested *n = cpu->nested;
    u32 cpu2 = vmcs12_cpu2(v);
    bool timer = any(v->pin_ctl, PIN_PREEMPTION_TIMER);
    bool tpr = any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW) && !any(cpu2, CPU2_VIRTUAL_INTR_DELIVERY);
    return extra_if(v->vmcs_link_pointer != NO_VMCS, SHORT_LINK) | extra_if(tpr, SHORT_TPR) |
           extra_if(n->now->path.cr4_hidden != 0, SHORT_CR4_HIDDEN) |
           extra_if(n->now->image02.cpu1_ctl != v->cpu1_ctl, SHORT_CPU1) |
           extra_if(timer && !any(v->exit_ctl, EXIT_SAVE_PREEMPTION_TIMER), SHORT_TIMER) |
           extra_if(cpu->vm->facts.vpid && !any(cpu2, CPU2_ENABLE_VPID), SHORT_NO_VPID) |
           extra_if(any(cpu2, CPU2_ENABLE_EPT), SHORT_EPT) |
           extra_if(any(v->cpu1_ctl, CPU1_USE_MSR_BITMAPS), SHORT_MSRS) |
           extra_if(!any(v->cpu1_ctl, CPU1_HLT_EXITING) || v->guest_activity_state, SHORT_HALTS) |
           extra_if(!any(v->pin_ctl, PIN_VIRTUAL_NMIS), SHORT_NMIS);
}

static u32 extra_of_cpu(const struct cpu *cpu)
{
    bool wide = cpu->vm->judge->linear_reserved != cpu->nested->check_cpu.linear_reserved;
    return extra_if(wide, SHORT_WIDE) | extra_if(any(cpu->percpu.spec, SPEC_IBPB), SHORT_IBPB) |
           extra_if(cpu->vm->depth != 0, SHORT_DEEP) |
           extra_if(cpu->nested->now->wide != 0, SHORT_GUEST);
}

/* An interrupt window may open and close at any entry. An NMI window may under virtual NMIs. */
static u32 free_controls(const struct nested *n)
{
    bool nmi = any(n->now->vmcs12.pin_ctl, PIN_VIRTUAL_NMIS);
    u32 windows = CPU1_INTR_WINDOW_EXITING | (nmi ? CPU1_NMI_WINDOW_EXITING : 0u);
    return windows & n->check_cpu.cpu1.may_be_1 & ~n->check_cpu.cpu1.must_be_1;
}

void short_prepare(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    const struct vmcs_image *v = &n->now->vmcs12;
    struct short_path *p = &n->now->path;
    p->host_made = false;
    p->prepared_at = cpu->exits[0][EXIT_REASON_VMRESUME];
    p->ready = allows(cpu) && (p->wasted < WASTED_MOST || ++p->skipped % TRY_AGAIN == 0);
    if (!p->ready)
        return;
    p->extra = extra_registers(cpu, v) | extra_controls(cpu, v) | extra_of_cpu(cpu);
    p->cpu1 = v->cpu1_ctl;
    p->cpu1_extra = n->now->image02.cpu1_ctl ^ v->cpu1_ctl;
    p->cpu1_free = free_controls(n);
    p->cr4 = v->guest_cr4;
    p->lma = any(v->entry_ctl, ENTRY_IA32E_MODE_GUEST) ? EFER_LMA : 0;
    p->efer_judged = EFER_LMA | n->check_cpu.efer_reserved;
    p->host_mode = any(v->exit_ctl, EXIT_HOST_ADDR_SPACE_SIZE) ? EFER_LMA | EFER_LME : 0;
    p->blocking01 = ~0u;
    p->invvpid = any(cpu->vm->facts.vmx.ept_vpid, VPID_CAP_SINGLE) ? INVVPID_SINGLE : INVVPID_ALL;
    p->apic_page = cpu->apic_page;
    p->msr_bitmap12 = bitmap02_of_l1(cpu);
    p->vtpr12 = gpa1_map(cpu, GPA1(v->virtual_apic_addr + VTPR_OFFSET));
    p->shadow_bitmap12[0] = shadow12_bitmap(cpu, false);
    p->shadow_bitmap12[1] = shadow12_bitmap(cpu, true);
    p->shadow12 = shadow12(cpu);
    find_reflected(p, v);
}
