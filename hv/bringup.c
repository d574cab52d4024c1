/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bring-up: what boot/ asks the core to do on each processor (enum handoff_op), and the way back.
 * boot/handoff.asm calls hv_entry on the firmware's behalf. hv_entry returns unless it launches;
 * after a launch the firmware goes on as L1. Nothing runs on two processors at once here, as boot/
 * asks one processor after the other.
 */
#include "hv/run.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/arch/root_cr.h"
#include "hv/gdb/gdb.h"
#include "hv/nested/explain/explain.h"
#include "hv/nested/state/state.h"
#include "hv/paranoid/paranoid.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/leave.h"
#include "hv/vmx/msr_l1.h"
#include "hv/vmx/stress.h"
#include "hv/core/privileged.h"
#include "hv/core/lib.h"

u64 hv_entry(struct handoff *h);

static enum handoff_status refuse(struct handoff *h, const char *why)
{
    u32 i = 0;
    for (; i < HANDOFF_WHY_MAX - 1 && why[i]; i++)
        h->why[i] = why[i];
    h->why[i] = 0;
    return HANDOFF_REFUSED;
}

/* ---- HANDOFF_PREPARE: memory and the first processor's capabilities ------------------------- */

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

static void init_cpu(struct cpu *cpu, const struct handoff *h)
{
    const struct boot_info *info = h->info;
    struct vm *vm = cpu->vm;
    hpa_t stacks = HPA(info->stacks_hpa + h->cpu * BOOT_STACKS_SIZE);
    cpu->rows = cpu->rows_l1 = exit_rows_l1;
    cpu->percpu = (struct percpu){.self = &cpu->percpu,
                                  .log = &vm->log,
                                  .dump = run_dump,
                                  .id = h->cpu,
                                  .spec = info->spec,
                                  .entry_spec = info->spec & (SPEC_L1D | SPEC_VERW | SPEC_CTRL)};
    desc_init(&cpu->desc, mem_va(&vm->mem, stacks), (u64)&cpu->percpu, h->seg[SEG_CS].selector,
              h->seg[SEG_SS].selector);
}

/* Takes struct vm and one struct cpu for each processor. NULL when memory is short. */
static struct vm *make_vm(const struct boot_info *info)
{
    struct mem mem = {info->physmap_va, info->pool_hpa, info->pool_hpa + info->pool_size};
    struct vm *vm = mem_pages(&mem, (sizeof *vm + PAGE_SIZE - 1) / PAGE_SIZE);
    if (!vm)
        return NULL;
    log_init(&vm->log, info->log, info->verbose, info->cpu_count);
    vm->hole = HPA(info->region_hpa);
    vm->hole_size = info->region_size;
    take_ranges(vm, info);
    vm->profile = info->profile;
    vm->shadow = info->shadow;
    vm->fast = info->fast;
    vm->stress = info->stress;
    vm->tlb = info->tlb;
    vm->cpu_count = info->cpu_count;
    for (u32 i = 0; i < vm->cpu_count; i++) {
        vm->cpu[i] = mem_pages(&mem, (sizeof **vm->cpu + PAGE_SIZE - 1) / PAGE_SIZE);
        if (!vm->cpu[i])
            return NULL;
        vm->cpu[i]->vm = vm;
    }
    vm->mem = mem;
    return vm;
}

static bool reserve(struct cpu *cpu, bool nested)
{
    return cpu_reserve(cpu) && (!nested || nested_reserve(cpu)) &&
           (!stressed(cpu, STRESS_PARANOID) || paranoid_reserve(cpu));
}

static enum handoff_status prepare(struct vm *vm, struct handoff *h)
{
    vm->depth = depth_here();
    if (!ept01_reserve(vm, vm->cpu_count) || !msr_l1_reserve(vm))
        return HANDOFF_NO_MEMORY;
    for (u32 i = 0; i < vm->cpu_count; i++)
        if (!reserve(vm->cpu[i], h->info->nested))
            return HANDOFF_NO_MEMORY;
    if (!h->info->can_vmx)
        return HANDOFF_OK;
    const char *why = caps_read(&vm->facts);
    if (!why && h->info->gdb)
        why = gdb_reserve(vm->cpu[0], h->info);
    return why ? refuse(h, why) : HANDOFF_OK;
}

/* ---- HANDOFF_EXAMINE and HANDOFF_SETTLE ------------------------------------------------------ */

static enum handoff_status examine(struct cpu *cpu, struct handoff *h)
{
    struct cpu_facts f = {0};
    if (!h->info->can_vmx)
        return HANDOFF_OK;
    const char *why = caps_read(&f);
    if (cpu->percpu.id == cpu->vm->cpu_count - 1 && stressed(cpu, STRESS_ODD_CPU))
        f.vmx.basic ^= 1;
    if (!why)
        why = caps_join(&cpu->vm->facts, &f);
    return why ? refuse(h, why) : HANDOFF_OK;
}

static enum handoff_status settle(struct cpu *cpu, struct handoff *h)
{
    struct vm *vm = cpu->vm;
    const char *why = NULL;
    if (!h->info->can_vmx)
        return HANDOFF_OK;
    if (!judge_init(cpu))
        return HANDOFF_NO_MEMORY;
    msr_l1_fill_bitmap(vm);
    for (u32 i = 0; h->info->nested && !why && i < vm->cpu_count; i++)
        why = nested_settle(vm->cpu[i], h->info->profile);
    return why ? refuse(h, why) : HANDOFF_OK;
}

/* ---- HANDOFF_LAUNCH and HANDOFF_REHEARSE ---------------------------------------------------- */

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
    return vmxon(cpu->vmxon.hpa) == VMX_OK ? HANDOFF_OK : HANDOFF_VMXON;
}

/* The pages that the firmware's tables and L0's map alike were for the switch only. */
static void drop_identity_map(const struct vm *vm)
{
    u64 *pml4 = mem_va(&vm->mem, HPA(read_cr3()));
    memset(pml4, 0, PAGE_SIZE / 2); /* the lower half of the address space */
    write_cr3(read_cr3());
}

/* From here to the end of the bring-up loop a refusal can still give everything back. */
static void build_vmcs(struct cpu *cpu, struct handoff *h)
{
    if (any(cpu->percpu.spec, SPEC_CTRL))
        cpu->percpu.guest_spec_ctrl = rdmsr(MSR_IA32_SPEC_CTRL);
    msr_l1_init(cpu);
    ept01_init(cpu);
    vmcs01_init(cpu, h);
    if (cpu->nested)
        nested_init(cpu);
    vmcs_write(ENC_host_rip, vmcs_host_rip(cpu, true));
    if (stressed(cpu, STRESS_PARANOID))
        paranoid_init(cpu, h->info);
    cpu->percpu.nmi_pending |= h->nmi; /* those that came on the bridge */
    cpu->percpu.mc_pending |= h->mc;
    h->nmi = h->mc = 0;
}

static void leave(struct cpu *cpu, struct handoff *h)
{
    if (cpu->nested)
        nested_leave(cpu);
    vmcs_load(cpu, &cpu->vmcs01);
    vmx_leave(cpu, h);
}

static enum handoff_status launch(struct cpu *cpu, struct handoff *h)
{
    if (!cpu->percpu.id && stressed(cpu, STRESS_LAST_CPU))
        return refuse(h, "the last launch fails, as stress=last-cpu asks");
    enum handoff_status status = enter_vmx(cpu);
    if (status != HANDOFF_OK)
        return status;
    build_vmcs(cpu, h);
    if (!run_bringup(cpu)) {
        leave(cpu, h);
        return HANDOFF_LEFT;
    }
    drop_identity_map(cpu->vm);
    log_line("L1 runs; region %lx size %lx, depth %u, eptp %lx", cpu->vm->hole.a,
             cpu->vm->hole_size, cpu->vm->depth, cpu->ept01->eptp);
    if (cpu->gdb)
        gdb_start(cpu);
    run(cpu);
}

/* All that a launch does, except VMLAUNCH. */
static enum handoff_status rehearse(struct cpu *cpu, struct handoff *h)
{
    if (!h->info->can_vmx)
        return HANDOFF_OK;
    enum handoff_status status = enter_vmx(cpu);
    if (status != HANDOFF_OK)
        return status;
    build_vmcs(cpu, h);
    enum rule_id broken = judge_current(cpu);
    leave(cpu, h);
    return broken == R_NONE ? HANDOFF_OK : refuse(h, rule_name(broken));
}

/* ---- */

static enum handoff_status do_step(struct cpu *cpu, struct handoff *h)
{
    switch ((enum handoff_op)h->op) {
    case HANDOFF_PREPARE:
        return prepare(cpu->vm, h);
    case HANDOFF_EXAMINE:
        return examine(cpu, h);
    case HANDOFF_SETTLE:
        return settle(cpu, h);
    case HANDOFF_REHEARSE:
        return rehearse(cpu, h);
    case HANDOFF_LAUNCH:
        return launch(cpu, h);
    }
    return HANDOFF_REFUSED;
}

/* L0's tables and IDT come first, so that an NMI finds them from here on. */
u64 hv_entry(struct handoff *h)
{
    h->seg[SEG_FS].base = rdmsr(MSR_IA32_FS_BASE);
    h->seg[SEG_GS].base = rdmsr(MSR_IA32_GS_BASE);
    struct vm *vm = h->op == HANDOFF_PREPARE ? make_vm(h->info) : (struct vm *)h->vm;
    if (!vm)
        return HANDOFF_NO_MEMORY;
    h->vm = (u64)vm;
    struct cpu *cpu = vm->cpu[h->cpu];
    init_cpu(cpu, h);
    desc_load(&cpu->desc);
    enum handoff_status status = do_step(cpu, h);
    h->nmi |= cpu->percpu.nmi_pending; /* came under L0's IDT; the firmware gets it */
    h->mc |= cpu->percpu.mc_pending;
    return status;
}
