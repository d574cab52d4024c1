/* SPDX-License-Identifier: BSD-2-Clause */
/* From the firmware's context into VMX operation, and back. Contract in launch.h. */
#include "hv/launch.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/arch/paging.h"
#include "hv/arch/root_cr.h"
#include "hv/arch/vmx_error.h"
#include "hv/fields.h"
#include "hv/gdb/gdb.h"
#include "hv/explain/explain.h"
#include "hv/nested/state/state.h"
#include "hv/paranoid/paranoid.h"
#include "hv/plant.h"
#include "hv/seen.h"
#include "hv/sleep/sleep.h"
#include "hv/trace/trace.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/leave.h"
#include "hv/vmx/msr_l1.h"
#include "hv/vmx/stress.h"
#include "hv/core/lib.h"
#include "hv/core/privileged.h"

/* ---- the reason ------------------------------------------------------------------------------ */

enum handoff_status launch_refuse(struct handoff *h, const char *why)
{
    u32 i = 0;
    for (; i < HANDOFF_WHY_MAX - 1 && why[i]; i++)
        h->why[i] = why[i];
    h->why[i] = 0;
    return HANDOFF_REFUSED;
}

/* The log's last line, without what stands before each line. */
static const char *last_line(const struct cpu *cpu)
{
    return cpu->vm->log.text + cpu->vm->log.words;
}

static const char *tell_broken(struct cpu *cpu)
{
    log_begin();
    log_part("vmcs01 breaks a rule of VM entry: ");
    judge_tell(cpu);
    log_end();
    return last_line(cpu);
}

/* What the CPU said, and what our rules say. @pre run_bringup has just returned BRINGUP_REFUSED */
static const char *tell_refused(struct cpu *cpu)
{
    u32 reason = cpu->exit.reason;
    if (any(reason, EXIT_REASON_ENTRY_FAIL) &&
        EXIT_REASON_BASIC(reason) == EXIT_REASON_ENTRY_MACHINE_CHECK)
        cpu->percpu.mc_pending = 1; /* the firmware gets it */
    log_begin();
    if (any(reason, EXIT_REASON_ENTRY_FAIL))
        log_part("the CPU refused L1: exit reason %u, qualification %lx; ",
                 EXIT_REASON_BASIC(reason), cpu->exit.qual);
    else
        log_part("the CPU refused L1: VM-instruction error %u, %s; ", reason,
                 vmx_error_text(reason));
    judge_tell(cpu);
    log_end();
    return last_line(cpu);
}

/* ---- in and out ------------------------------------------------------------------------------ */

static enum handoff_status enter_vmx(struct cpu *cpu)
{
    const struct vmx_caps *c = &cpu->vm->facts.vmx;
    struct cpuid one = cpuid(1, 0), seven = {0};
    if (cpuid(0, 0).eax >= 7)
        seven = cpuid(7, 0);
    struct root_cpuid has = {one.ecx, one.edx, seven.ebx, seven.ecx};
    vmcs_stamp(&cpu->vmxon, VMX_BASIC_REVISION(c->basic));
    write_cr0(root_cr0(read_cr0(), c->cr0_fixed0, c->cr0_fixed1));
    write_cr4(root_cr4(read_cr4(), &has, c->cr4_fixed0, c->cr4_fixed1));
    if (vmxon(cpu->vmxon.hpa) != VMX_OK)
        return HANDOFF_VMXON;
    cpu->root = ROOT_ENTERED;
    seen_stage(cpu, STAGE_VMX, 0);
    return HANDOFF_OK;
}

/* Leaves VMX operation, if the processor is in it. After a try of a VM entry the registers that an
 * exit loads, and L1's own, come from vmcs01; before it the firmware's have not changed. */
static void leave(struct cpu *cpu, struct handoff *h)
{
    u32 root = cpu->root;
    cpu->root = ROOT_NOT;
    if (root == ROOT_NOT)
        return;
    if (cpu->nested)
        nested_leave(cpu);
    if (root == ROOT_TRIED)
        vmcs_load(cpu, &cpu->vmcs01);
    vmx_leave(cpu, root == ROOT_TRIED ? h : NULL);
}

/* Goes to the way back of boot/handoff.asm, from wherever L0 is. */
static void NORETURN hand_back(const struct handoff *h, enum handoff_status status)
{
    __asm__ volatile("push %0\n ret" : : "r"(h->back), "b"(h), "a"((u64)status) : "memory");
    __builtin_unreachable();
}

void launch_escape(struct percpu *p)
{
    struct cpu *cpu = cpu_of(p);
    bool tried = cpu->root == ROOT_TRIED;
    p->escape = NULL; /* a panic on the way out ends the processor */
    launch_refuse(cpu->handoff, last_line(cpu));
    leave(cpu, cpu->handoff);
    hand_back(cpu->handoff, tried ? HANDOFF_TURNED_BACK : HANDOFF_REFUSED);
}

/* ---- the steps ------------------------------------------------------------------------------- */

enum handoff_status launch_probe(struct cpu *cpu, struct handoff *h)
{
    struct vmcs *scratch = &cpu->vmcs01;
    bool narrowed = false;
    if (!h->info->can_vmx)
        return HANDOFF_OK;
    enum handoff_status status = enter_vmx(cpu);
    if (status != HANDOFF_OK)
        return status;
    vmcs_stamp(scratch, VMX_BASIC_REVISION(cpu->vm->facts.vmx.basic));
    vmcs_clear(cpu, scratch);
    vmcs_load(cpu, scratch);
    bool enough = fields_probe(cpu, &narrowed);
    leave(cpu, h);
    if (enough && !narrowed)
        return HANDOFF_OK;
    launch_refuse(h, last_line(cpu)); /* the user is told, even if this is no refusal */
    return enough ? bringup_settle(cpu, h) : HANDOFF_REFUSED;
}

/* The pages that the firmware's tables and L0's map alike were for the switch only. */
static void drop_identity_map(const struct vm *vm)
{
    u64 *pml4 = mem_va(&vm->mem, HPA(read_cr3()));
    memset(pml4, 0, PAGE_SIZE / 2); /* the lower half of the address space */
    write_cr3(read_cr3());
}

static void build_vmcs(struct cpu *cpu, struct handoff *h)
{
    if (any(cpu->percpu.spec, SPEC_CTRL))
        cpu->percpu.guest_spec_ctrl = rdmsr(MSR_IA32_SPEC_CTRL);
    msr_l1_init(cpu);
    ept01_init(cpu);
    h->eptp = cpu->ept01->eptp;
    vmcs01_init(cpu, h);
    sleep_guard(cpu);
    if (cpu->nested)
        nested_init(cpu);
    vmcs_write(ENC_host_rip, vmcs_host_rip(cpu, true));
    if (stressed(cpu, STRESS_PARANOID))
        paranoid_init(cpu, h->info);
    if (stressed(cpu, STRESS_TRACE))
        trace_init(cpu);
    cpu->percpu.nmi_pending |= h->nmi; /* those that came on the bridge */
    cpu->percpu.mc_pending |= h->mc;
    h->nmi = h->mc = 0;
}

/* Where another Nidus is below: how L1's shadow VMCS is kept (hv/nested/images/shadow01.c). */
static const char *variant(const struct cpu *cpu)
{
    if (cpu->vm->depth == 0 || !cpu->nested || !cpu->nested->can_shadow01)
        return "";
    return cpu->nested->vmcs02_shows ? ", shadow VMCS loaded" : ", shadow VMCS in place";
}

/* Ends bring-up: from here on the processor is L0's until a reset. */
static void NORETURN stay(struct cpu *cpu)
{
    cpu->percpu.escape = NULL;
    cpu->handoff = NULL;
    drop_identity_map(cpu->vm);
    seen_stage(cpu, STAGE_RUNS, 0);
    log_line("L1 runs; region %lx size %lx, depth %u%s, eptp %lx", cpu->vm->hole.a,
             cpu->vm->hole_size, cpu->vm->depth, variant(cpu), cpu->ept01->eptp);
    plant_panic(cpu, PLANT_PANIC_LAUNCHED);
    if (cpu->gdb)
        gdb_start(cpu);
    run(cpu);
}

/* VMCSs must lie in write-back memory: errata AAJ50, SKL001 and kin. The region consists of
 * aligned blocks of 2 MiB. */
static bool is_write_back(const struct cpu *cpu)
{
    const struct vm *vm = cpu->vm;
    if (plant_uncached(cpu))
        return false;
    for (u64 at = 0; at < vm->hole_size; at += SIZE_2M) {
        u8 type;
        if (!mtrr_uniform(&cpu->mtrr, vm->hole.a + at, SIZE_2M, &type) || type != MT_WB)
            return false;
    }
    return true;
}

/* Enters VMX operation, makes vmcs01 and judges it. */
static enum handoff_status make_ready(struct cpu *cpu, struct handoff *h)
{
    enum handoff_status status = enter_vmx(cpu);
    if (status != HANDOFF_OK)
        return status;
    build_vmcs(cpu, h);
    if (!is_write_back(cpu))
        return launch_refuse(h, "L0's memory is not write-back by this processor's MTRRs");
    seen_stage(cpu, STAGE_READY, 0);
    plant_field(cpu);
    if (judge_current(cpu) == R_NONE || plant_unjudged(cpu))
        return HANDOFF_OK;
    return launch_refuse(h, tell_broken(cpu));
}

enum handoff_status launch_rehearse(struct cpu *cpu, struct handoff *h)
{
    if (!h->info->can_vmx)
        return HANDOFF_OK;
    enum handoff_status status = make_ready(cpu, h);
    leave(cpu, h);
    return status;
}

enum handoff_status launch_for_good(struct cpu *cpu, struct handoff *h)
{
    if (!cpu->percpu.id && stressed(cpu, STRESS_LAST_CPU))
        return launch_refuse(h, "the last launch fails, as stress=last-cpu asks");
    enum handoff_status status = make_ready(cpu, h);
    if (status == HANDOFF_OK) {
        seen_stage(cpu, STAGE_ENTERS, 0);
        enum bringup_end end = run_bringup(cpu);
        if (end == BRINGUP_DONE)
            stay(cpu);
        status = HANDOFF_LEFT;
        if (end == BRINGUP_REFUSED) {
            launch_refuse(h, tell_refused(cpu));
            status = HANDOFF_TURNED_BACK;
        }
    }
    plant_remove(cpu);
    leave(cpu, h);
    return status;
}
