/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stress=paranoid: after every exit of L1 or L2, L0 checks the next part of what must always be
 * true of L0. A check that fails is a bug of L0's by definition, so it ends in panic. The option is
 * for tests.
 */
#include "hv/paranoid/paranoid.h"
#include "hv/paranoid/audits.h"
#include "hv/core/privileged.h"
#include "hv/core/lib.h"
#include "hv/vmx/insn.h"

extern const u8 core_start[], core_rodata_end[]; /* linker.ld */

#define CANARY       0x6563616c70206f6eull
#define CANARY_WORDS 8u
#define STACKS       (IST_COUNT + 1)
/* How much L0 checks after one exit. A run of the tests must not take twice its time. */
#define LEAVES_AT_ONCE 16u
#define BYTES_AT_ONCE  1024u
#define HASH_START     0xcbf29ce484222325ull
#define HASH_FACTOR    0x100000001b3ull

struct paranoid {
    u64 turn;     /* counts the exits */
    u64 leaf_at;  /* the L1-physical address whose leaf in EPT01 is checked next */
    u64 leaf_end; /* where leaf_at starts over: the end of RAM, or 4 GiB if that is higher */
    u64 stacks;   /* the address of the guard page below the first stack */
    u64 cr0, cr3, cr4;
    u32 parts; /* how many parts of BYTES_AT_ONCE text and rodata have */
    u64 hash[PAGE_SIZE / sizeof(u64)];
};

static u64 hash_part(u32 i)
{
    const u64 *words = (const u64 *)(core_start + (u64)i * BYTES_AT_ONCE);
    u64 hash = HASH_START;
    for (u32 w = 0; w < BYTES_AT_ONCE / sizeof *words; w++)
        hash = (hash ^ words[w]) * HASH_FACTOR;
    return hash;
}

/* The address of the guard page below stack i. The stack begins one page above. */
static u64 guard_of(const struct paranoid *p, u32 i)
{
    return p->stacks + i * BOOT_IST_STRIDE;
}

static bool is_mapped(const struct vm *vm, u64 va)
{
    u64 entry = read_cr3();
    for (u32 level = 4; level; level--) {
        const u64 *table = mem_va(&vm->mem, HPA(entry & PTE_ADDR));
        entry = table[va >> (3 + 9 * level) & 511];
        if (!any(entry, PTE_P) || any(entry, PTE_PS))
            break;
    }
    return any(entry, PTE_P);
}

static void check_stacks(const struct cpu *cpu, const struct paranoid *p)
{
    u32 i = (u32)(p->turn % STACKS);
    const u64 *bottom = (const u64 *)(guard_of(p, i) + PAGE_SIZE);
    if (is_mapped(cpu->vm, guard_of(p, i)))
        panic("bug: the page below stack %u is mapped", i);
    for (u32 w = 0; w < CANARY_WORDS; w++)
        if (bottom[w] != CANARY)
            panic("bug: stack %u is used up", i);
}

static void check_core(const struct paranoid *p)
{
    u32 i = (u32)(p->turn % p->parts);
    if (hash_part(i) != p->hash[i])
        panic("bug: KiB %u of the core's text and constants changed", i);
}

static void check_ept01(const struct cpu *cpu, struct paranoid *p)
{
    for (u32 i = 0; i < LEAVES_AT_ONCE; i++) {
        u64 size = PAGE_SIZE, entry = ept01_leaf(cpu, GPA1(p->leaf_at), &size);
        if (!ept_leaf_harmless(cpu->vm, entry, size))
            panic("bug: EPT01 maps L0's memory at %lx: %lx", p->leaf_at, entry);
        p->leaf_at = (p->leaf_at & ~(size - 1)) + size;
        if (p->leaf_at >= p->leaf_end)
            p->leaf_at = 0;
    }
}

/* An exit leaves CR0.CD and CR0.NW as the guest had them, and L0 runs with them.
 * SDM 3C 28.5.1 "Loading Host Control Registers, Debug Registers, MSRs" */
static void check_host_state(const struct cpu *cpu)
{
    struct vmcs_host_field f[VMCS_HOST_FIELDS];
    u32 count = vmcs_host_state(cpu, f);
    for (u32 i = 0; i < count; i++)
        if (any(vmcs_read(f[i].encoding) ^ f[i].value,
                ~(f[i].encoding == ENC_host_cr0 ? CR0_NEVER_LOADED : 0)))
            panic("bug: %s of the current VMCS is not L0's: %lx", vmcs_field_name(f[i].encoding),
                  vmcs_read(f[i].encoding));
    if (vmcs_read(ENC_host_rip) != vmcs_host_rip(cpu, cpu->current == &cpu->vmcs01))
        panic("bug: HOST_RIP of the current VMCS is %lx", vmcs_read(ENC_host_rip));
}

/* SDM 3C 28.5.1 "Loading Host Control Registers, Debug Registers, MSRs" */
static void check_root_msrs(const struct cpu *cpu)
{
    const struct {
        u32 msr;
        u64 value;
        bool exists;
    } want[] = {
        {MSR_IA32_DEBUGCTL, 0, true},
        {MSR_IA32_SYSENTER_CS, 0, true},
        {MSR_IA32_SYSENTER_ESP, 0, true},
        {MSR_IA32_SYSENTER_EIP, 0, true},
        {MSR_IA32_FS_BASE, 0, true},
        {MSR_IA32_GS_BASE, (u64)&cpu->percpu, true},
        {MSR_IA32_PAT, HOST_PAT, true},
        {MSR_IA32_EFER, HOST_EFER, true},
        {MSR_IA32_PERF_GLOBAL_CTRL, 0, cpu->vm->facts.perf_global},
        {MSR_IA32_SPEC_CTRL, SPEC_CTRL_IBRS, any(cpu->percpu.spec, SPEC_CTRL)},
    };
    for (u32 i = 0; i < ARRAY_LEN(want); i++)
        if (want[i].exists && rdmsr(want[i].msr) != want[i].value)
            panic("bug: MSR %x is %lx in root", want[i].msr, rdmsr(want[i].msr));
}

static void check_root_registers(const struct paranoid *p)
{
    if (any(read_cr0() ^ p->cr0, ~CR0_NEVER_LOADED) || read_cr3() != p->cr3 || read_cr4() != p->cr4)
        panic("bug: root runs with cr0 %lx cr3 %lx cr4 %lx", read_cr0(), read_cr3(), read_cr4());
    if (read_dr7() != DR7_RESET)
        panic("bug: dr7 is %lx in root", read_dr7());
}

bool paranoid_reserve(struct cpu *cpu)
{
    struct mem *mem = &cpu->vm->mem;
    cpu->paranoid = mem_pages(mem, (sizeof *cpu->paranoid + PAGE_SIZE - 1) / PAGE_SIZE);
    return cpu->paranoid != NULL;
}

void paranoid_init(struct cpu *cpu, const struct boot_info *info)
{
    struct paranoid *p = cpu->paranoid;
    const struct boot_range *last = &info->range[info->range_count - 1];
    p->leaf_end = last->base + last->size > 4 * SIZE_1G ? last->base + last->size : 4 * SIZE_1G;
    p->stacks = info->physmap_va + info->stacks_hpa + cpu->percpu.id * BOOT_STACKS_SIZE;
    p->cr0 = read_cr0();
    p->cr3 = read_cr3();
    p->cr4 = read_cr4();
    p->parts = (u32)((u64)(core_rodata_end - core_start) / BYTES_AT_ONCE);
    ASSERT(p->parts <= ARRAY_LEN(p->hash));
    for (u32 i = 0; i < p->parts; i++)
        p->hash[i] = hash_part(i);
    for (u32 i = 0; i < STACKS; i++)
        for (u32 w = 0; w < CANARY_WORDS; w++)
            ((u64 *)(guard_of(p, i) + PAGE_SIZE))[w] = CANARY;
}

void paranoid_check(struct cpu *cpu)
{
    struct paranoid *p = cpu->paranoid;
    p->turn++;
    check_core(p);
    check_stacks(cpu, p);
    check_ept01(cpu, p);
    if (cpu->nested)
        ept02_audit(cpu, p->turn);
    check_host_state(cpu);
    check_root_msrs(cpu);
    check_root_registers(p);
}
