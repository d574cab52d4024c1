/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bring-up: what boot/ asks the core to do on each processor (enum handoff_op). The steps that
 * enter VMX operation are in hv/launch.c. boot/handoff.asm calls hv_entry on the firmware's behalf.
 * hv_entry returns unless it launches; after a launch the firmware goes on as L1. Nothing runs on
 * two processors at once here, as boot/ asks one processor after the other.
 */
#include "hv/launch.h"
#include "hv/plant.h"
#include "hv/seen.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/gdb/gdb.h"
#include "hv/nested/ept02/ept02.h"
#include "hv/explain/explain.h"
#include "hv/nested/state/state.h"
#include "hv/paranoid/paranoid.h"
#include "hv/stale_linear/stale_linear.h"
#include "hv/saved/saved.h"
#include "hv/stale/stale.h"
#include "hv/sleep/sleep.h"
#include "hv/trace/trace.h"
#include "hv/vmx/msr_l1.h"
#include "hv/vmx/stress.h"
#include "hv/core/privileged.h"
#include "hv/core/uart.h"
#include "hv/core/lib.h"

u64 hv_entry(struct handoff *h);

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

/* With nested=off L1 finds VMX locked off, as some firmware leaves it. CAVEAT(nested-off) */
static u64 feature_control(const struct handoff *h)
{
    return h->info->nested ? h->feature_control & FEATURE_CONTROL_ALLOW_VMX
                           : FEATURE_CONTROL_LOCKED;
}

static void init_cpu(struct cpu *cpu, struct handoff *h)
{
    const struct boot_info *info = h->info;
    struct vm *vm = cpu->vm;
    hpa_t stacks = HPA(info->stacks_hpa + h->cpu * BOOT_STACKS_SIZE);
    cpu->rows[0] = cpu->rows_l1 = exit_rows_l1;
    cpu->root = ROOT_NOT;
    cpu->feature_control = feature_control(h);
    cpu->feature_legal = h->feature_legal;
    cpu->percpu = (struct percpu){.self = &cpu->percpu,
                                  .log = &vm->log,
                                  .dump = run_dump,
                                  .escape = launch_escape,
                                  .id = h->cpu,
                                  .spec = info->spec,
                                  .entry_spec = info->spec & (SPEC_L1D | SPEC_VERW | SPEC_CTRL)};
    cpu->handoff = h;
    h->why[0] = 0;
    desc_init(&cpu->desc, mem_va(&vm->mem, stacks), (u64)&cpu->percpu, h->seg[SEG_CS].selector,
              h->seg[SEG_SS].selector);
}

/* What the loop of stress= does for other options. */
static u32 loop_options(const struct boot_info *info)
{
    bool stale = info->nested && info->tlb == BOOT_TLB_STRICT && info->verbose;
    return (stale ? STRESS_STALE : 0) | (info->trace ? STRESS_TRACE : 0);
}

/* Two that write to one serial line, or read it, would be understood by nobody. */
static const char *shared_line(const struct vm *vm, const struct boot_info *info)
{
    bool log = vm->log.port == UART_COM2, trace = any(info->trace, TRACE_TO_COM2);
    u32 users = (u32)log + (u32)trace + (info->gdb != BOOT_GDB_NONE);
    return users > 1 ? "two of log=, trace= and gdb= want COM2" : NULL;
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
    vm->unit_count = info->unit_count;
    memcpy(vm->unit, info->unit, sizeof vm->unit);
    vm->profile = info->profile;
    vm->shadow = info->shadow;
    vm->stress = info->stress | loop_options(info);
    vm->fast = info->fast && !any(vm->stress, STRESS_STALE | STRESS_TRACE);
    vm->tlb = info->tlb;
    vm->trace = info->trace;
    vm->plant = info->plant;
    vm->hvbit = info->hvbit;
    vm->hide1_ecx = info->no_deadline ? (u32)CPUID1_ECX_DEADLINE : 0;
    vm->cpu_count = info->cpu_count;
    for (u32 i = 0; i < vm->cpu_count; i++) {
        vm->cpu[i] = mem_pages(&mem, (sizeof **vm->cpu + PAGE_SIZE - 1) / PAGE_SIZE);
        if (!vm->cpu[i])
            return NULL;
        vm->cpu[i]->vm = vm;
    }
    vm->mem = mem;
    seen_init(vm, info);
    return vm;
}

static bool reserve(struct cpu *cpu, bool nested)
{
    return cpu_reserve(cpu) && (!nested || nested_reserve(cpu)) &&
           (!nested || !stressed(cpu, STRESS_RESTORE | STRESS_PARANOID) || saved_reserve(cpu)) &&
           (!stressed(cpu, STRESS_STALE) ||
            (ept02_stale_reserve(cpu) && stale_linear_reserve(cpu))) &&
           (!stressed(cpu, STRESS_TRACE) || trace_reserve(cpu)) &&
           (!stressed(cpu, STRESS_PARANOID) || paranoid_reserve(cpu));
}

static void hide_timer(struct vmx_caps *c)
{
    c->pin &= ~((u64)PIN_PREEMPTION_TIMER << 32);
    c->true_pin &= ~((u64)PIN_PREEMPTION_TIMER << 32);
    vcaps_close(c);
}

static enum handoff_status prepare(struct vm *vm, struct handoff *h)
{
    const char *why = shared_line(vm, h->info);
    if (why)
        return launch_refuse(h, why);
    vm->depth = depth_here();
    if (vm->plant == PLANT_PANIC_FOR_GOOD)
        vm->cpu[0]->percpu.escape = NULL;
    plant_panic(vm->cpu[0], PLANT_PANIC_FOR_GOOD);
    if (!ept01_reserve(vm, vm->cpu_count) || !msr_l1_reserve(vm) ||
        !sleep_reserve(vm, &h->info->sleep))
        return HANDOFF_NO_MEMORY;
    for (u32 i = 0; i < vm->cpu_count; i++)
        if (!reserve(vm->cpu[i], h->info->nested))
            return HANDOFF_NO_MEMORY;
    if (!h->info->can_vmx)
        return HANDOFF_OK;
    why = caps_read(&vm->facts);
    if (h->info->no_timer)
        hide_timer(&vm->facts.vmx);
    if (!why && h->info->gdb)
        why = gdb_reserve(vm, h->info);
    return why ? launch_refuse(h, why) : HANDOFF_OK;
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
    return why ? launch_refuse(h, why) : HANDOFF_OK;
}

enum handoff_status bringup_settle(struct cpu *cpu, struct handoff *h)
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
    return why ? launch_refuse(h, why) : HANDOFF_OK;
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
        return bringup_settle(cpu, h);
    case HANDOFF_PROBE:
        return launch_probe(cpu, h);
    case HANDOFF_REHEARSE:
        return launch_rehearse(cpu, h);
    case HANDOFF_LAUNCH:
        return launch_for_good(cpu, h);
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
    seen_stage(cpu, STAGE_STEP + h->op, 0);
    enum handoff_status status = do_step(cpu, h);
    h->nmi |= cpu->percpu.nmi_pending; /* came under L0's IDT; the firmware gets it */
    h->mc |= cpu->percpu.mc_pending;
    return status;
}
