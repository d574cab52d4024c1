/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of explain.h, from rules.def and vmx_error.def. */
#include "hv/nested/explain/explain.h"
#include "hv/arch/vmx_error.h"

static bool is_broken(const struct vmcs_image *v, const struct check_env *env, enum rule_id rule)
{
    struct rule_set set;
    struct verdict verdict = check_entry(v, env, CHECK_ALL, &set);
    return verdict.rule != R_NONE && rule_set_has(&set, rule);
}

/* The fields that decide the rule: those of which 0 or all ones would satisfy it. Found by trying,
 * so that no list has to say which rule reads what. */
static void log_deciders(struct vmcs_image *trial, const struct check_env *env, enum rule_id rule)
{
    for (u32 f = 0; f < F_COUNT; f++) {
        u64 value = vmcs12_get(trial, (enum vmcs_field)f);
        bool decides = false;
        for (u32 ones = 0; ones < 2 && !decides; ones++) {
            vmcs12_set(trial, (enum vmcs_field)f, ones ? ~0ull : 0);
            decides = !is_broken(trial, env, rule);
        }
        vmcs12_set(trial, (enum vmcs_field)f, value);
        if (decides)
            log_part("; %s=%lx", vmcs12_name((enum vmcs_field)f), value);
    }
}

void explain_rule(struct vmcs_image *v, const struct check_env *env, enum rule_id rule)
{
    log_part("%s: SDM 3C %s \"%s\": %s", rule_name(rule), rule_section_number(rule),
             rule_section_title(rule), rule_text(rule));
    log_deciders(v, env, rule);
}

void explain_verdict(struct cpu *cpu, const struct verdict *v, const struct check_env *env)
{
    struct vmcs_image *trial = &cpu->nested->want02;
    if (cpu->vm->log.verbose == 0 || !log_rare_begin(LOG_EXPLAIN))
        return;
    *trial = cpu->nested->vmcs12;
    log_part("VM entry refused (%s %u): ", v->outcome == VERDICT_VMFAIL ? "error" : "exit reason",
             v->number & 0xffffu);
    explain_rule(trial, env, v->rule);
    log_end();
}

void explain_fail(struct cpu *cpu, enum vmx_error error)
{
    if (cpu->vm->log.verbose == 0)
        return;
    log_rare(LOG_EXPLAIN, "VMfail %u: %s", (u32)error, vmx_error_text(error));
}

void explain_refused(struct cpu *cpu, u32 what)
{
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
