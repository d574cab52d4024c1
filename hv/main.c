/*
 * The core's beginning and its one loop. boot/handoff.asm calls hv_entry on the firmware's behalf.
 * hv_entry returns only if Nidus cannot run; otherwise the firmware goes on as L1.
 */
#include "hv/dispatch.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/arch/root_cr.h"
#include "hv/l1/l1.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/explain/explain.h"
#include "hv/nested/state/state.h"
#include "hv/paranoid/paranoid.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/msr_l1.h"
#include "hv/vmx/stress.h"
#include "hv/core/privileged.h"
#include "hv/core/lib.h"

u64 hv_entry(struct handoff *h);

static void dump(struct percpu *p)
{
    struct cpu *cpu = cpu_of(p);
    log_line("cpu %u in_l2 %u exit reason %x qualification %lx, pages of the hole touched %lu",
             p->id, cpu->in_l2, cpu->exit.reason, cpu->exit.qual, cpu->vm->first_touches);
    for (u32 i = 0; i < REG_COUNT; i++)
        log_line("  gpr%u = %016lx", i, cpu->regs.gpr[i]);
    for (u32 i = 0; i < LAST_EXITS; i++) {
        u32 at = (cpu->last_at + i) % LAST_EXITS;
        log_line("  exit %x at rip %lx", cpu->last[at].reason, cpu->last[at].rip);
    }
    vmcs_dump();
}

/* How many instances of Nidus are below this one. CPUID alone tells the number. */
static u32 depth_here(void)
{
    struct cpuid r = cpuid(LEAF_NIDUS, 0);
    if (r.ebx != NIDUS_EBX || r.ecx != NIDUS_ECX)
        return 0;
    return cpuid(LEAF_NIDUS_VERSION, 0).ebx + 1;
}

/* Puts the largest range first, because nearly every address of L1's is in that range. */
static void take_ranges(struct vm *vm, const struct boot_info *info)
{
    u32 largest = 0;
    vm->range_count = info->range_count;
    memcpy(vm->range, info->range, sizeof vm->range);
    for (u32 i = 1; i < vm->range_count; i++)
        if (vm->range[i].size > vm->range[largest].size)
            largest = i;
    struct boot_range first = vm->range[0];
    vm->range[0] = vm->range[largest];
    vm->range[largest] = first;
}

static struct cpu *make_cpu(struct handoff *h)
{
    const struct boot_info *info = &h->info;
    struct mem mem = {info->physmap_va, info->pool_hpa, info->pool_hpa + info->pool_size};
    struct vm *vm = mem_pages(&mem, (sizeof *vm + PAGE_SIZE - 1) / PAGE_SIZE);
    struct cpu *cpu = mem_pages(&mem, (sizeof *cpu + PAGE_SIZE - 1) / PAGE_SIZE);
    if (!vm || !cpu)
        return NULL;
    log_init(&vm->log, info->log, info->verbose);
    vm->hole = HPA(info->region_hpa);
    vm->hole_size = info->region_size;
    take_ranges(vm, info);
    vm->profile = info->profile;
    vm->shadow = info->shadow;
    vm->fast = info->fast;
    vm->stress = info->stress;
    vm->tlb = info->tlb;
    vm->depth = depth_here();
    vm->mem = mem;
    cpu->vm = vm;
    cpu->rows = cpu->rows_l1 = exit_rows_l1;
    cpu->percpu = (struct percpu){.self = &cpu->percpu,
                                  .log = &vm->log,
                                  .dump = dump,
                                  .spec = info->spec,
                                  .entry_spec = info->spec & (SPEC_L1D | SPEC_VERW | SPEC_CTRL)};
    desc_init(&cpu->desc, mem_va(&vm->mem, HPA(info->stacks_hpa)), (u64)&cpu->percpu);
    return cpu;
}

static enum handoff_status enter_vmx(struct cpu *cpu)
{
    const struct vmx_caps *c = &cpu->vm->facts.vmx;
    struct cpuid one = cpuid(1, 0), seven = {0};
    if (cpuid(0, 0).eax >= 7)
        seven = cpuid(7, 0);
    struct root_cpuid has = {one.ecx, one.edx, seven.ebx, seven.ecx};
    if (!vmcs_alloc(&cpu->vmxon, &cpu->vm->mem, VMX_BASIC_REVISION(c->basic)))
        return HANDOFF_NO_MEMORY;
    write_cr0(root_cr0(read_cr0(), c->cr0_fixed0, c->cr0_fixed1));
    write_cr4(root_cr4(read_cr4(), &has, c->cr4_fixed0, c->cr4_fixed1));
    return vmxon(cpu->vmxon.hpa) == VMX_OK ? HANDOFF_OK : HANDOFF_VMXON;
}

/* The pages that the firmware's tables and L0's map alike were for the switch only. */
static void drop_identity_map(const struct vm *vm)
{
    u64 *pml4 = mem_va(&vm->mem, HPA(read_cr3()));
    memset(pml4, 0, PAGE_SIZE / 2); /* the lower half of the address space */
    write_cr3(read_cr3());
}

static void apply(struct cpu *cpu, enum outcome outcome)
{
    switch (outcome) {
    case ADVANCE:
        exit_advance(cpu);
        return;
    case INJECT:
        inject_exception(cpu, cpu->fault.vector, cpu->fault.error);
        return;
    case REFLECT:
        nested_reflect(cpu);
        return;
    case RESUME:
        return;
    }
}

static void refused(struct cpu *cpu, enum vmx_enter how)
{
    if (how == VMX_ENTER_FAIL_INVALID)
        panic("bug: VM entry without a current VMCS");
    u32 error = (u32)vmcs_read(ENC_vm_instruction_error);
    if (!cpu->in_l2)
        l1_refused(cpu, error);
    apply(cpu, nested_entry_refused(cpu, error));
}

static void handle_exit(struct cpu *cpu)
{
    u32 reason = (u32)vmcs_read(ENC_exit_reason), basic = EXIT_REASON_BASIC(reason);
    const struct exit_row *row = &cpu->rows[EXIT_REASON_COUNT];
    cpu->exit.reason = reason;
    if (basic < EXIT_REASON_COUNT) {
        cpu->exits[cpu->in_l2][basic]++;
        row = &cpu->rows[basic];
    }
    if (LIKELY(!any(reason, EXIT_REASON_ENTRY_FAIL)))
        cpu->current->launched = 1; /* a failed entry leaves the launch state as it was */
    else if (!cpu->in_l2 && basic != EXIT_REASON_ENTRY_MACHINE_CHECK)
        l1_refused(cpu, reason);
    exit_snapshot(cpu, row->snap);
    u32 at = cpu->last_at++ % LAST_EXITS;
    cpu->last[at].reason = reason;
    cpu->last[at].rip = cpu->st.rip;
    apply(cpu, row->handle(cpu));
}

/* vmx_enter has returned without an exit. */
static void not_entered(struct cpu *cpu, enum vmx_enter how)
{
    if (how != VMX_ENTER_NMI)
        refused(cpu, how);
    else if (cpu->dead)
        cpu->percpu.mc_pending = cpu->percpu.nmi_pending = 0;
    else if (cpu->percpu.mc_pending)
        mc_deliver(cpu);
    else
        nmi_deliver(cpu);
}

static void NORETURN run(struct cpu *cpu)
{
    for (;;) {
        enum vmx_enter how = vmx_enter(&cpu->regs, cpu->current->launched);
        if (UNLIKELY(how != VMX_ENTER_EXIT)) {
            not_entered(cpu, how);
            continue;
        }
        handle_exit(cpu);
    }
}

/* The loop with stress=: the loop of run, and what the option adds to each turn. */
static void NORETURN run_stressed(struct cpu *cpu)
{
    bool paranoid = stressed(cpu, STRESS_PARANOID);
    for (;;) {
        if (paranoid)
            judge_before_entry(cpu);
        if (paranoid && cpu->current->launched)
            flush_audit_entry(cpu);
        enum vmx_enter how = vmx_enter(&cpu->regs, cpu->current->launched);
        if (how != VMX_ENTER_EXIT) {
            not_entered(cpu, how);
            continue;
        }
        if (paranoid)
            flush_audit_exit(cpu);
        handle_exit(cpu);
        if (cpu->nested && !cpu->dead)
            nested_stress(cpu);
        if (paranoid)
            paranoid_check(cpu);
    }
}

/* Reads the bases that desc_load will replace with L0's own. */
static void capture_msrs(struct handoff *h)
{
    h->seg[SEG_FS].base = rdmsr(MSR_IA32_FS_BASE);
    h->seg[SEG_GS].base = rdmsr(MSR_IA32_GS_BASE);
}

/* Does everything that may be refused and needs no VMX operation. Changes nothing but L0's
 * memory, and h->why when Nidus cannot run. */
static enum handoff_status prepare(struct cpu *cpu, struct handoff *h)
{
    if (caps_read(&cpu->vm->facts))
        return HANDOFF_NO_VMX;
    if (!judge_init(cpu) || !ept01_init(cpu->vm) || !msr_l1_init(cpu->vm))
        return HANDOFF_NO_MEMORY;
    const char *why = h->info.nested ? nested_reserve(cpu, h->info.profile) : NULL;
    if (!why)
        return HANDOFF_OK;
    for (u32 i = 0; i < HANDOFF_WHY_MAX - 1 && why[i]; i++)
        h->why[i] = why[i];
    return HANDOFF_REFUSED;
}

u64 hv_entry(struct handoff *h)
{
    capture_msrs(h);
    struct cpu *cpu = make_cpu(h);
    if (!cpu)
        return HANDOFF_NO_MEMORY;
    enum handoff_status status = prepare(cpu, h);
    if (status == HANDOFF_OK)
        status = enter_vmx(cpu);
    if (status != HANDOFF_OK)
        return status;

    if (any(cpu->percpu.spec, SPEC_CTRL))
        cpu->percpu.guest_spec_ctrl = rdmsr(MSR_IA32_SPEC_CTRL);
    desc_load(&cpu->desc); /* from here on there is no way back, and panic works */
    if (!vmcs01_init(cpu, h))
        panic("cannot run: not enough memory");
    if (cpu->nested)
        nested_init(cpu);
    vmcs_write(ENC_host_rip, vmcs_host_rip(cpu, true));
    if (stressed(cpu, STRESS_PARANOID) && !paranoid_init(cpu, &h->info))
        panic("cannot run: not enough memory");
    drop_identity_map(cpu->vm);
    log_line("L1 runs; region %lx size %lx, depth %u, eptp %lx", cpu->vm->hole.a,
             cpu->vm->hole_size, cpu->vm->depth, cpu->vm->ept01.eptp);
    if (cpu->vm->stress)
        run_stressed(cpu);
    run(cpu);
}
