/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in explain.h. The rules are hv/vmcs12/check.h's. Only struct check_cpu differs. */
#include "hv/explain/explain.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

/* SGX is hidden, so the interruptibility state has no bit for it. */
struct check_cpuid nested_cpuid_facts(const struct cpu *cpu)
{
    const struct cpu_facts *f = &cpu->vm->facts;
    return (struct check_cpuid){
        .maxphyaddr = (u8)f->phys_bits,
        .linear_width = (u8)f->linear_bits,
        .rtm = f->rtm,
        .sgx = false,
        .efer_reserved = f->msr.efer_reserved,
        .debugctl_reserved = f->msr.debugctl_reserved,
        .perf_global_reserved = f->msr.perf_global_reserved,
        .nmi_needs_no_sti = true, /* CAVEAT(nmi-under-sti) */
    };
}

/* The CPU itself may have wider addresses than L1 is shown, and SGX. */
bool judge_init(struct cpu *cpu)
{
    struct check_cpuid facts = nested_cpuid_facts(cpu);
    u32 sizes = cpuid(LEAF_ADDRESS_SIZES, 0).eax;
    facts.maxphyaddr = (u8)sizes;
    facts.linear_width = (u8)(sizes >> 8);
    facts.sgx = any(cpuid(7, 0).ebx, CPUID7_EBX_SGX);
    struct check_cpu *judge = mem_pages(&cpu->vm->mem, (sizeof *judge + PAGE_SIZE - 1) / PAGE_SIZE);
    if (judge)
        check_cpu_init(judge, &cpu->vm->facts.vmx, &facts);
    cpu->vm->judge = judge;
    return judge != NULL;
}

/* Fields that the CPU lacks stay 0. */
static void read_current(struct vmcs_image *v)
{
    *v = (struct vmcs_image){0};
    for (u32 f = 0; f < F_COUNT; f++) {
        u64 value;
        if (vmread(vmcs12_desc((enum vmcs_field)f)->encoding, &value) == VMX_OK)
            vmcs12_set(v, (enum vmcs_field)f, value);
    }
}

static enum rule_id judge(struct cpu *cpu, struct vmcs_image *v, struct check_env *env)
{
    struct rule_set broken;
    *env = (struct check_env){
        .cpu = cpu->vm->judge, .in_ia32e_mode = true, .current_vmptr = cpu->current->hpa.a};
    read_current(v);
    return check_entry(v, env, CHECK_ALL, &broken).rule;
}

enum rule_id judge_current(struct cpu *cpu)
{
    struct vmcs_image v;
    struct check_env env;
    return judge(cpu, &v, &env);
}

void judge_tell(struct cpu *cpu)
{
    struct vmcs_image v;
    struct check_env env;
    enum rule_id rule = judge(cpu, &v, &env);
    if (rule == R_NONE)
        log_part("no rule of ours is broken");
    else
        explain_rule(&v, &env, rule);
}
