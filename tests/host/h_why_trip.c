/* SPDX-License-Identifier: BSD-2-Clause */
/* From an image with one broken rule to the text of KVM and of Xen, and from the text to the
 * answer: it names that rule and no other. The images are the rows of h_rules.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/host/rules_rows.h"
#include "tools/vmcs12/why/judge.h"

/* The exit information that the processor would leave. */
static void fail_as(struct valid *t, enum rule_id rule)
{
    struct verdict v = check_verdict(rule);
    if (v.outcome == VERDICT_VMFAIL) {
        t->v.vm_instruction_error = v.number;
    } else if (v.outcome == VERDICT_FAILED_ENTRY) {
        t->v.exit_reason = v.number;
        t->v.exit_qualification = v.qualification;
    }
}

static char *text_of(const struct vmcs_image *v, const char *as, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    assert_non_null(out);
    struct tool tool = {.out = out, .err = stderr, .as = as};
    assert_true(tool_dump_as(&tool, v));
    fclose(out);
    return text;
}

/* The layout prints all that the rule reads, and the rule reads no memory. */
static bool is_printed(const struct dump *d, enum rule_id rule, const struct valid *t)
{
    if (rule == R_pdpte_reserved && !any(vmcs12_cpu2(&t->v), CPU2_ENABLE_EPT))
        return false;
    if (t->env.rights_reserved != 0 || rule == R_tpr_threshold_vtpr)
        return false;
    for (const u8 *f = rule_fields(rule); *f != F_COUNT; f++)
        if (!dump_knows(d, (enum vmcs_field) * f))
            return false;
    return true;
}

static bool has(const struct finding *list, unsigned count, enum rule_id rule)
{
    for (unsigned i = 0; i < count; i++)
        if (list[i].rule == rule)
            return true;
    return false;
}

static bool is_undecided(const struct answer *a, enum rule_id rule)
{
    for (unsigned i = 0; i < a->undecideds; i++)
        if (rule_set_has(&a->undecided[i].rules, rule))
            return true;
    return false;
}

static void complain(const struct row *row, const char *as, const struct answer *a,
                     const char *what)
{
    print_error("%s %s (%s): %s\n", row->breaks ? "BREAKS" : "PASSES", rule_name(row->rule), as,
                row->text);
    print_error("  %s:", what);
    for (unsigned i = 0; i < a->brokens; i++)
        print_error(" %s", rule_name(a->broken[i].rule));
    print_error(" / if:");
    for (unsigned i = 0; i < a->broken_ifs; i++)
        print_error(" %s (%s)", rule_name(a->broken_if[i].rule), a->broken_if[i].condition);
    print_error("\n%s", a->notes);
}

static unsigned trips, printed[R_COUNT];

/* On the row's processor, known in full: exactly the rule. */
static bool known_cpu(const struct row *row, const struct dump *d, struct valid *t,
                      struct answer *a, bool broken)
{
    struct open_cpu cpu;
    open_init(&cpu);
    open_learn_all(&cpu, &t->caps, &t->cpuid);
    cpu.reserved[OPEN_RTIT_CTL] = t->cpuid.rtit_reserved;
    cpu.reserved[OPEN_LBR_CTL] = t->cpuid.lbr_reserved;
    cpu.flag[OPEN_IA32E] = t->env.in_ia32e_mode;
    why_judge(d, &cpu, a);
    if (!broken || !is_printed(d, row->rule, t))
        return a->brokens == 0 && a->broken_ifs == 0;
    printed[row->rule]++;
    return a->brokens == 1 && a->broken[0].rule == row->rule && a->broken_ifs == 0;
}

/* On an unknown processor nothing else is accused, and the rule is not cleared. */
static bool unknown_cpu(const struct row *row, const struct dump *d, const struct valid *t,
                        struct answer *a, bool broken)
{
    struct open_cpu cpu;
    open_init(&cpu);
    why_judge(d, &cpu, a);
    if (a->brokens > 1 || (a->brokens == 1 && (!broken || a->broken[0].rule != row->rule)))
        return false;
    if (!broken || !is_printed(d, row->rule, t))
        return true;
    return has(a->broken, a->brokens, row->rule) || has(a->broken_if, a->broken_ifs, row->rule) ||
           is_undecided(a, row->rule);
}

static unsigned run_row(const struct row *row, enum valid_cpu cpu, const char *as)
{
    struct valid t;
    struct rule_set broken;
    struct reading r;
    static struct answer a;
    size_t length;
    unsigned failures = 0;

    valid_build(&t, row->base, cpu);
    row->change(&t);
    if (valid_controls(&t) == (row->breaks && about_control_word(row->rule)))
        return 0;
    enum rule_id rule = valid_judge(&t, &broken).rule;
    fail_as(&t, rule);
    char *text = text_of(&t.v, as, &length);
    assert_true(why_read(text, length, &r));
    assert_int_equal(r.dumps, 1);
    trips++;
    if (!known_cpu(row, &r.dump[0], &t, &a, row->breaks)) {
        complain(row, as, &a, valid_cpu_name(cpu));
        failures++;
    }
    if (!unknown_cpu(row, &r.dump[0], &t, &a, row->breaks)) {
        complain(row, as, &a, "unknown cpu");
        failures++;
    }
    free(r.dump);
    free(text);
    return failures;
}

static void test_trips(void **state)
{
    static const char *const layouts[] = {"kvm", "xen"};
    unsigned failures = 0, rules = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned cpu = 0; cpu < CPU_COUNT; cpu++)
            for (unsigned l = 0; l < ARRAY_LEN(layouts); l++)
                failures += run_row(&rows[i], (enum valid_cpu)cpu, layouts[l]);
    for (unsigned r = 0; r < R_COUNT; r++)
        rules += printed[r] != 0;
    print_message("%u trips, %u rules\n", trips, rules);
    assert_int_equal(failures, 0);
    assert_true(rules >= 149);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trips)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
