/* The words of explain.h, from rules.def and vmx_error.def. */
#include "hv/nested/explain.h"
#include "hv/arch/vmx_error.h"
#include "hv/vmx/insn.h"

static bool is_broken(const struct vmcs_image *v, const struct check_env *env, enum rule_id rule)
{
    struct rule_set set;
    struct verdict verdict = check_entry(v, env, CHECK_ALL, &set);
    return verdict.rule != R_NONE && rule_set_has(&set, rule);
}

/* The fields that decide the rule: those of which 0 or all ones would satisfy it. Found by trying,
 * so that no list has to say which rule reads what. */
static void log_deciders(const struct cpu *cpu, const struct check_env *env, enum rule_id rule)
{
    struct vmcs_image *trial = &cpu->nested->want02;
    *trial = cpu->nested->vmcs12;
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

void explain_verdict(struct cpu *cpu, const struct verdict *v, const struct check_env *env)
{
    if (cpu->vm->log.verbose == 0 || !log_rare_begin(LOG_EXPLAIN))
        return;
    log_part("VM entry refused (%s %u): %s: SDM 3C %s \"%s\": %s",
             v->outcome == VERDICT_VMFAIL ? "error" : "exit reason", v->number & 0xffffu,
             rule_name(v->rule), rule_section_number(v->rule), rule_section_title(v->rule),
             rule_text(v->rule));
    log_deciders(cpu, env, v->rule);
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
    struct nested *n = cpu->nested;
    n->refused++;
    if (!log_rare_begin(LOG_BUG))
        return;
    log_part("bug: the CPU refused vmcs02 (%s %x) that our rules passed; given to L1",
             any(what, EXIT_REASON_ENTRY_FAIL) ? "exit reason" : "error", what);
    log_end();
    if (cpu->vm->log.verbose >= 2)
        vmcs_dump();
}
