/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM entry by L1: decode -> verdict -> commit. Until the verdict is OK nothing has changed. A
 * refusal changes flags and the error field (VMfail), or is an exit to L1 that records only
 * reason and qualification. SDM 3C 27 "VM Entries"
 */
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/crossing/private.h"
#include "hv/paranoid/audits.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/explain/explain.h"
#include "hv/nested/images/images.h"
#include "hv/nested/instructions/instructions.h"
#include "hv/arch/vmx_error.h"
#include "hv/core/lib.h"
#include "hv/vmcs12/merge.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/stress.h"

/* ---- verdict ---------------------------------------------------------------------------- */

/* Reads the few bytes of memory that the rules speak of, each once. */
static void read_needs(struct cpu *cpu, struct check_env *env)
{
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    u32 needs = check_needs(v, env->cpu);
    env->vtpr_valid = any(needs, NEED_VTPR) &&
                      gpa1_read(cpu, GPA1(v->virtual_apic_addr + VTPR_OFFSET), &env->vtpr, 1);
    env->pdpte_valid = any(needs, NEED_PDPTES);
    if (env->pdpte_valid)
        gpa1_read_pdptes(cpu, v->guest_cr3, env->pdpte);
    env->link_valid = any(needs, NEED_LINK);
    if (env->link_valid)
        gpa1_read_open(cpu, GPA1(v->vmcs_link_pointer), &env->link_header, sizeof env->link_header);
}

/* What a verdict of these groups rests on can change without a change of vmcs12: memory, the
 * current-VMCS pointer, L1's mode. They are judged at every entry. */
#define NEVER_SETTLED (CHECK_TPR | CHECK_PDPTES | CHECK_LINK | CHECK_HOST_SIZE)

struct verdict nested_judge(struct cpu *cpu, struct check_env *env)
{
    struct nested *n = cpu->nested;
    struct rule_set broken;
    exit_more(cpu, SNAP_MODE);
    env->cpu = &n->check_cpu;
    env->in_ia32e_mode = any(cpu->st.efer, EFER_LMA);
    env->current_vmptr = n->now->at.a;
    read_needs(cpu, env);
    struct verdict v = check_entry(&n->now->vmcs12, env, CHECK_ALL & ~n->now->settled, &broken);
    if (stressed(cpu, STRESS_PARANOID))
        short_audit_judged(n, env, &broken);
    if (v.rule == R_NONE)
        n->now->settled = CHECK_ALL & ~(u32)NEVER_SETTLED;
    else
        explain_verdict(cpu, &v, env);
    return v;
}

/* ---- commit ----------------------------------------------------------------------------- */

/* The hpa of a page of L1's that vmcs02 uses in place, or `nothing` where no memory is. */
static hpa_t used_page(struct cpu *cpu, u64 gpa1, hpa_t nothing)
{
    struct gpa1_place p = gpa1_to_hpa(cpu, GPA1(gpa1));
    return p.kind == GPA1_NOTHING ? nothing : p.hpa;
}

/* A write of L2's to a page without memory must not be read back. CAVEAT(vapic-nowhere) */
void nested_forget_nowhere(struct cpu *cpu)
{
    memset(cpu->nested->page_of_nowhere, 0xff, PAGE_SIZE);
}

/* Fills in the pages that the CPU writes for L2. */
static void fill_written(struct cpu *cpu, struct merge_addr *a)
{
    struct nested *n = cpu->nested;
    const struct vmcs_image *v = &n->now->vmcs12;
    hpa_t nowhere = mem_hpa(&cpu->vm->mem, n->page_of_nowhere);
    if (any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW))
        a->virtual_apic = used_page(cpu, v->virtual_apic_addr, nowhere);
    if (any(v->pin_ctl, PIN_POSTED_INTERRUPTS))
        a->posted_intr_desc = used_page(cpu, v->posted_intr_desc_addr, nowhere);
    a->virtual_apic_nowhere = a->virtual_apic.a == nowhere.a;
    n->now->vapic_nowhere = a->virtual_apic_nowhere;
    n->now->nowhere_written = a->virtual_apic_nowhere || a->posted_intr_desc.a == nowhere.a;
    if (n->now->nowhere_written)
        nested_forget_nowhere(cpu);
}

static void fill_addresses(struct cpu *cpu, struct merge_addr *a)
{
    struct nested *n = cpu->nested;
    const struct vmcs_image *v = &n->now->vmcs12;
    if (any(v->cpu1_ctl, CPU1_USE_IO_BITMAPS)) {
        hpa_t ones = mem_hpa(&cpu->vm->mem, n->page_of_ones);
        a->io_bitmap_a = used_page(cpu, v->io_bitmap_a_addr, ones);
        a->io_bitmap_b = used_page(cpu, v->io_bitmap_b_addr, ones);
    }
    a->msr_bitmap = mem_hpa(&cpu->vm->mem, n->msr_bitmap02);
    n->now->vapic_nowhere = n->now->nowhere_written = false;
    if (any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW) || any(v->pin_ctl, PIN_POSTED_INTERRUPTS))
        fill_written(cpu, a);
    /* The CPU only compares this address, so the address of a device serves as well. */
    if (any(vmcs12_cpu2(v), CPU2_VIRTUALIZE_APIC_ACCESSES))
        a->apic_access = used_page(cpu, v->apic_access_addr, HPA(v->apic_access_addr));
    a->ept_pointer = any(vmcs12_cpu2(v), CPU2_ENABLE_EPT) ? ept02_pointer(cpu, v->ept_pointer)
                                                          : cpu->ept01->eptp;
}

/* The controls that L0 needs in vmcs02: for its MSR map, for EPT02, and for the state that L0's
 * exits and entries save and load. */
static const struct merge_l0 needs_of_l0 = {
    .cpu1 = L0_CPU1_CTL,
    .cpu2 = CPU2_ENABLE_EPT,
    .exit = L0_EXIT_CTL,
    .entry = L0_ENTRY_CTL,
};

/* L0 runs no counters, so L1's IA32_PERF_GLOBAL_CTRL is in vmcs01 and not in the MSR. */
static void add_perf_global(struct merge_env *env)
{
    env->l0.exit |= EXIT_LOAD_PERF_GLOBAL_CTRL;
    env->l0.entry |= ENTRY_LOAD_PERF_GLOBAL_CTRL;
    env->l1.perf_global_ctrl = vmcs_read(ENC_guest_perf_global_ctrl);
}

void nested_merge(struct cpu *cpu, const u64 pdpte[4])
{
    struct nested *n = cpu->nested;
    struct merge_env env = {
        .v12 = &n->now->vmcs12, .base = &n->base02, .hw = &cpu->vm->facts.vmx, .l0 = needs_of_l0};
    env.l0.cr4_mask = cpu->vm->facts.vmx.cr4_fixed1 & ~CR4_KNOWN; /* L1 is not shown these: #GP */
    env.l1.cr0 = vmcs_read(ENC_guest_cr0);
    env.l1.dr7 = vmcs_read(ENC_guest_dr7);
    env.l1.debugctl = vmcs_read(ENC_guest_debugctl);
    env.l1.efer = vmcs_read(ENC_guest_efer);
    env.l1.pat = vmcs_read(ENC_guest_pat);
    if (cpu->vm->facts.perf_global)
        add_perf_global(&env);
    env.l0.vpid02 = any(vmcs12_cpu2(&n->now->vmcs12), CPU2_ENABLE_VPID)
                        ? nested_vpid02(cpu, n->now->vmcs12.vpid)
                        : 0;
    memcpy(env.pdpte, pdpte, sizeof env.pdpte);
    fill_addresses(cpu, &env.addr);
    bitmap02_merge(cpu);
    n->now->path.cr4_hidden = env.l0.cr4_mask & ~n->now->vmcs12.cr4_guest_host_mask;
    merge_vmcs02(&env, &n->want02);
}

/* An INIT that was blocked in VMX root operation makes L2 exit before its first instruction, unless
 * L2 waits for a SIPI. SDM 3C 26.2 "Other Causes of VM Exits". CAVEAT(init-behind-injection) */
static void take_init(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (n->now->vmcs12.guest_activity_state == ACTIVITY_WAIT_SIPI)
        return;
    n->init_blocked = false;
    nested_reflect_event(cpu, EXIT_REASON_INIT, 0);
}

/*
 * An open interrupt window makes a processor exit even from the HLT state that a VM entry put it
 * into. Some CPUs do not make that exit, so L0 makes it. When something else is due before the
 * exit, L0 leaves the entry to the CPU.
 * CAVEAT(bochs-hlt-window) SDM 3C 27.7.5 "Interrupt-Window Exiting and Virtual-Interrupt Delivery"
 */
static bool window_wakes(const struct vmcs_image *v)
{
    u32 first = CPU1_MONITOR_TRAP_FLAG | CPU1_NMI_WINDOW_EXITING;
    bool timer = any(v->pin_ctl, PIN_PREEMPTION_TIMER) && v->preemption_timer_value == 0;
    return v->guest_activity_state == ACTIVITY_HLT && any(v->cpu1_ctl, CPU1_INTR_WINDOW_EXITING) &&
           any(v->guest_rflags, RFLAGS_IF) && !any(v->entry_intr_info, INTR_VALID) &&
           v->guest_pending_dbg_exceptions == 0 && !any(v->cpu1_ctl, first) && !timer;
}

static void commit(struct cpu *cpu, enum vmx_insn insn, const struct check_env *checked)
{
    struct nested *n = cpu->nested;
    n->now->path.ready = false;
    nested_merge(cpu, checked->pdpte);
    nested_run_l2(cpu);
    vmcs02_store(cpu, &n->want02);
    u32 failed = nested_msr_load_entry(cpu);
    if (failed != 0) {
        nested_entry_failed(cpu, EXIT_REASON_ENTRY_FAIL | EXIT_REASON_ENTRY_MSR_LOADING, failed);
        return;
    }
    n->launching = insn == INSN_VMLAUNCH;
    n->entering = true;
    n->now->vmcs12.launch_state = LAUNCH_LAUNCHED;
    short_prepare(cpu);
    if (n->init_blocked)
        take_init(cpu);
    else if (UNLIKELY(window_wakes(&n->now->vmcs12)))
        nested_reflect_event(cpu, EXIT_REASON_INTERRUPT_WINDOW, 0);
}

/* ---- the two instructions --------------------------------------------------------------- */

enum outcome nested_enter(struct cpu *cpu)
{
    bool launches = EXIT_REASON_BASIC(cpu->exit.reason) == EXIT_REASON_VMLAUNCH;
    enum vmx_insn insn = launches ? INSN_VMLAUNCH : INSN_VMRESUME;
    struct nested *n = cpu->nested;
    struct check_env env = {0};
    enum outcome out;
    if (!launches && short_enter(cpu))
        return RESUME;
    if (!nested_permitted(cpu, &out))
        return out;
    if (n->now->residence == SHOWN)
        short_closed(cpu);
    residence_home(cpu);
    if (n->now->at.a == NO_VMCS || any(n->now->vmcs12.revision, VMCS_SHADOW_INDICATOR))
        return nested_fail_invalid(cpu);
    shadow01_pull(cpu);
    exit_more(cpu, SNAP_STEP);
    if (any(cpu->st.interruptibility, BLOCKING_BY_MOV_SS))
        return nested_fail(cpu, insn, ERR_ENTRY_MOV_SS);
    if (launches && n->now->vmcs12.launch_state != LAUNCH_CLEAR)
        return nested_fail(cpu, insn, ERR_VMLAUNCH_NOT_CLEAR);
    if (!launches && n->now->vmcs12.launch_state != LAUNCH_LAUNCHED)
        return nested_fail(cpu, insn, ERR_VMRESUME_NOT_LAUNCHED);
    struct verdict v = nested_judge(cpu, &env);
    if (v.outcome == VERDICT_VMFAIL)
        return nested_fail(cpu, insn, v.number);
    if (v.outcome == VERDICT_FAILED_ENTRY)
        nested_entry_failed(cpu, v.number, v.qualification);
    else
        commit(cpu, insn, &env);
    return RESUME;
}

/* L0 has not written vmcs01 since L1's instruction exited, so a VMPTRLD leads back. L2 may have run
 * since, and an MSR area may have changed vmcs02. The next VM entry writes only fields that differ
 * from vmcs02's image, so the image is fetched. */
enum outcome nested_entry_refused(struct cpu *cpu, u32 error)
{
    struct nested *n = cpu->nested;
    explain_refused(cpu, error);
    residence_home(cpu);
    vmcs02_fetch_guest(cpu);
    if (n->launching)
        n->now->vmcs12.launch_state = LAUNCH_CLEAR;
    n->entering = false;
    nested_run_l1(cpu);
    shadow01_push(cpu);
    enum vmx_insn insn = n->launching ? INSN_VMLAUNCH : INSN_VMRESUME;
    return nested_fail(cpu, insn, vmx_error_allowed(insn, error) ? error : ERR_ENTRY_CONTROLS);
}
