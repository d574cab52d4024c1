/* SPDX-License-Identifier: BSD-2-Clause */
/* Broken entry rules in words, from rules.def. Contract in explain.h. */
#include "hv/explain/private.h"
#include "hv/vmx/insn.h"

/* A field decides when 0 or all ones in it would satisfy the rule. */
static bool decides(struct vmcs_image *trial, const struct check_env *env, enum rule_id rule,
                    enum vmcs_field f)
{
    u64 value = vmcs12_get(trial, f);
    bool decided = false;
    for (u32 ones = 0; ones < 2 && !decided; ones++) {
        vmcs12_set(trial, f, ones ? ~0ull : 0);
        decided = !explain_breaks(trial, env, rule);
    }
    vmcs12_set(trial, f, value);
    return decided;
}

/* Of the fields that the rule reads, those that decide and the one to mend; if there are none, the
 * field that the rule is about. */
static void tell_fields(struct vmcs_image *trial, const struct check_env *env, enum rule_id rule)
{
    const u8 *first = explain_fields(rule);
    u64 value = 0;
    enum vmcs_field mended = explain_mend(trial, env, rule, &value);
    bool any_told = false;
    for (const u8 *q = first; *q != F_COUNT; q++) {
        enum vmcs_field f = (enum vmcs_field) * q;
        if (f == mended || decides(trial, env, rule, f)) {
            explain_field(env->cpu, f, vmcs12_get(trial, f));
            any_told = true;
        }
    }
    if (!any_told && *first != F_COUNT)
        explain_field(env->cpu, (enum vmcs_field) * first,
                      vmcs12_get(trial, (enum vmcs_field) * first));
    if (mended != F_COUNT)
        log_part("; mend: %s=0x%lx", vmcs12_name(mended), value);
}

void explain_rule(struct vmcs_image *v, const struct check_env *env, enum rule_id rule)
{
    log_part("%s: SDM 3C %s \"%s\": %s", rule_name(rule), rule_section_number(rule),
             rule_section_title(rule), rule_text(rule));
    tell_fields(v, env, rule);
}

static u32 count_broken(const struct vmcs_image *v, const struct check_env *env)
{
    struct rule_set broken;
    u32 count = 0;
    (void)check_entry(v, env, CHECK_ALL, &broken).outcome;
    for (u32 i = 0; i < RULE_WORDS; i++)
        for (u64 left = broken.word[i]; left != 0; left &= left - 1)
            count++;
    return count;
}

static void tell_line(enum vmcs_field f, u64 value)
{
    log_begin();
    log_part("  %s = 0x%lx", vmcs12_name(f), value);
    log_end();
}

/* The head is rare, and so are the lines behind it. In the layout of vmcs_dump, which `vmcs12 why`
 * reads. */
static void dump12(const struct vmcs_image *v)
{
    if (!log_rare_begin(LOG_DUMP))
        return;
    log_part("VMCS12 of that entry:");
    log_end();
    for (u32 f = 0; f < F_COUNT; f++)
        tell_line((enum vmcs_field)f, vmcs12_get(v, (enum vmcs_field)f));
}

void explain_verdict(struct cpu *cpu, const struct verdict *v, const struct check_env *env)
{
    struct nested *n = cpu->nested;
    struct vmcs_image *trial = &n->want02;
    n->told_rule = v->rule;
    n->told[TOLD_FAILED_ENTRY] += v->outcome == VERDICT_FAILED_ENTRY;
    if (cpu->vm->log.verbose == 0 || !log_rare_begin(LOG_EXPLAIN))
        return;
    *trial = n->now->vmcs12;
    log_part("VM entry refused (%s %u): ", v->outcome == VERDICT_VMFAIL ? "error" : "exit reason",
             v->number & 0xffffu);
    explain_rule(trial, env, v->rule);
    explain_place(cpu);
    u32 broken = count_broken(trial, env);
    if (broken > 1)
        log_part("; and %u more rule%s", broken - 1, broken > 2 ? "s" : "");
    log_end();
    if (cpu->vm->log.verbose >= 2)
        dump12(&n->now->vmcs12);
}

/* VTPR lies in L1's memory. Another processor, or a device, may lower it behind our look at it, and
 * the CPU's own look is the one that counts. @pre vmcs02 is current */
static bool vtpr_raced(struct cpu *cpu, u32 what)
{
    const struct vmcs_image *v = &cpu->nested->now->image02;
    return what == ERR_ENTRY_CONTROLS && any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW) &&
           !any(v->cpu2_ctl, CPU2_VIRTUALIZE_APIC_ACCESSES | CPU2_VIRTUAL_INTR_DELIVERY) &&
           vmcs_read(ENC_tpr_threshold) != 0 && judge_current(cpu) == R_NONE;
}

void explain_refused(struct cpu *cpu, u32 what)
{
    if (vtpr_raced(cpu, what)) {
        if (cpu->vm->log.verbose != 0)
            log_rare(LOG_EXPLAIN, "VM entry refused (error 7): VTPR was lowered meanwhile");
        return;
    }
    cpu->nested->refused++;
    if (!log_rare_begin(LOG_BUG))
        return;
    log_part("bug: the CPU refused vmcs02 (%s %x) that our rules passed; given to L1: ",
             any(what, EXIT_REASON_ENTRY_FAIL) ? "exit reason" : "error", what);
    judge_tell(cpu);
    log_end();
    if (cpu->vm->log.verbose >= 2)
        vmcs_dump();
}
