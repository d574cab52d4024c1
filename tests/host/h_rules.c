/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of VM entry, row by row: each rule broken alone and its nearest legal value, on
 * every processor that can hold the row; then that no rule of rules.def went without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/host/rules_rows.h"

struct msr_row {
    enum rule_id rule;
    bool breaks;
    enum msr_area area;
    u32 index, reserved;
};
static const struct msr_row msr_rows[] = {
#define MSR_BREAKS(rule, area, index, high) {R_##rule, true, MSR_AREA_##area, index, high},
#define MSR_PASSES(rule, area, index, high) {R_##rule, false, MSR_AREA_##area, index, high},
#include "tests/host/rules_msr.def"
};

/* How often each rule was the verdict, and was the subject of a row that passes. */
static unsigned verdicts[R_COUNT], passes[R_COUNT];

static void complain(const struct row *row, enum valid_cpu cpu, const struct rule_set *broken)
{
    print_error("%s:%d: %s %s, on %s: %s\n  broken:", row->file, row->line,
                row->breaks ? "BREAKS" : "PASSES", rule_name(row->rule), valid_cpu_name(cpu),
                row->text);
    for (unsigned r = 0; r < R_COUNT; r++)
        if (rule_set_has(broken, (enum rule_id)r))
            print_error(" %s", rule_name((enum rule_id)r));
    print_error("\n");
}

/* What the SDM says happens for a broken rule of each stage. */
static bool outcome_right(const struct verdict *verdict)
{
    switch (rule_stage(verdict->rule)) {
    case STAGE_CONTROLS:
        return verdict->outcome == VERDICT_VMFAIL && verdict->number == 7 &&
               verdict->qualification == 0;
    case STAGE_HOST:
        return verdict->outcome == VERDICT_VMFAIL && verdict->number == 8 &&
               verdict->qualification == 0;
    case STAGE_GUEST:
        return verdict->outcome == VERDICT_FAILED_ENTRY && verdict->number == 0x80000021 &&
               verdict->qualification == 0;
    case STAGE_GUEST_PDPTE:
        return verdict->outcome == VERDICT_FAILED_ENTRY && verdict->number == 0x80000021 &&
               verdict->qualification == 2;
    case STAGE_GUEST_NMI:
        return verdict->outcome == VERDICT_FAILED_ENTRY && verdict->number == 0x80000021 &&
               verdict->qualification == 3;
    case STAGE_GUEST_LINK:
        return verdict->outcome == VERDICT_FAILED_ENTRY && verdict->number == 0x80000021 &&
               verdict->qualification == 4;
    default:
        return verdict->outcome == VERDICT_FAILED_ENTRY && verdict->number == 0x80000022;
    }
}

/* The set holds the rule and nothing else. */
static bool is_exactly(const struct rule_set *set, enum rule_id rule)
{
    struct rule_set rest = *set;

    if (!rule_set_has(set, rule))
        return false;
    rest.word[rule / 64] &= ~BIT(rule % 64);
    return rule_set_first(&rest) == R_NONE;
}

/* Runs the row on one processor; false when this processor cannot hold it. */
static bool run_row(const struct row *row, enum valid_cpu cpu, unsigned *failures)
{
    struct valid t;
    struct rule_set broken;
    struct verdict verdict;
    bool right;

    valid_build(&t, row->base, cpu);
    row->change(&t);
    if (valid_controls(&t) == (row->breaks && about_control_word(row->rule)))
        return false;
    verdict = valid_judge(&t, &broken);
    if (row->breaks)
        right =
            is_exactly(&broken, row->rule) && verdict.rule == row->rule && outcome_right(&verdict);
    else
        right = rule_set_first(&broken) == R_NONE && verdict.rule == R_NONE &&
                verdict.outcome == VERDICT_OK;
    if (!right) {
        complain(row, cpu, &broken);
        ++*failures;
    }
    if (row->breaks)
        verdicts[row->rule]++;
    else
        passes[row->rule]++;
    return true;
}

static void test_rows(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned ran = 0;
        for (unsigned cpu = 0; cpu < CPU_COUNT; cpu++)
            ran += run_row(&rows[i], (enum valid_cpu)cpu, &failures);
        if (ran == 0) {
            print_error("%s:%d: no processor can hold this row\n", rows[i].file, rows[i].line);
            failures++;
        }
    }
    print_message("%zu rows\n", ARRAY_LEN(rows));
    assert_int_equal(failures, 0);
}

static void test_msr_rows(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(msr_rows); i++) {
        const struct msr_row *row = &msr_rows[i];
        struct msr_entry entry = {row->index, row->reserved, 0};
        enum rule_id rule = check_msr_entry(&entry, row->area);
        struct verdict verdict = check_verdict(row->rule);

        if (rule != (row->breaks ? row->rule : R_NONE))
            fail_msg("MSR row %u (%s): %s", i, rule_name(row->rule),
                     rule == R_NONE ? "none" : rule_name(rule));
        assert_true(outcome_right(&verdict));
        if (row->breaks)
            verdicts[row->rule]++;
        else
            passes[row->rule]++;
    }
}

/* Of a feature that a processor lacks, L1 is told the control that it has not: the rules behind
 * the control come later. */
static void test_newer_hidden(void **state)
{
    const u32 entry[] = {ENTRY_LOAD_BNDCFGS, ENTRY_LOAD_RTIT_CTL, ENTRY_LOAD_UINV,
                         ENTRY_LOAD_CET,     ENTRY_LOAD_LBR_CTL,  ENTRY_LOAD_PKRS};
    const u32 exit[] = {EXIT_LOAD_CET, EXIT_LOAD_PKRS, EXIT_SECONDARY};
    struct valid t;
    struct rule_set broken;

    (void)state;
    for (unsigned cpu = 0; cpu <= CPU_BOCHS; cpu++) {
        for (unsigned i = 0; i < ARRAY_LEN(entry) + ARRAY_LEN(exit); i++) {
            bool on_entry = i < ARRAY_LEN(entry);
            valid_build(&t, BASE_PLAIN, (enum valid_cpu)cpu);
            t.v.guest_bndcfgs = t.v.guest_pkrs = t.v.guest_s_cet = t.v.guest_ssp = BIT(33) | 6;
            t.v.host_pkrs = t.v.host_s_cet = t.v.host_ssp = t.v.exit2_ctl = BIT(33) | 6;
            t.v.guest_uinv = 0x100;
            if (on_entry)
                t.v.entry_ctl |= entry[i];
            else
                t.v.exit_ctl |= exit[i - ARRAY_LEN(entry)];
            assert_int_equal(valid_judge(&t, &broken).rule, on_entry ? R_entry_ctl : R_exit_ctl);
        }
    }
}

/* The caller does the access and reports its fault by this rule. */
static void test_msr_access(void **state)
{
    struct verdict verdict = check_verdict(R_msr_access);

    (void)state;
    assert_int_equal(verdict.outcome, VERDICT_FAILED_ENTRY);
    assert_int_equal(verdict.number, 0x80000022);
    verdicts[R_msr_access]++;
    passes[R_msr_access]++;
}

/* Every rule has been a verdict, and has a legal neighbour. Runs after the rows. */
static void test_coverage(void **state)
{
    unsigned missing = 0;

    (void)state;
    for (unsigned r = 0; r < R_COUNT; r++) {
        if (verdicts[r] != 0 && passes[r] != 0)
            continue;
        print_error("rule %s: %u rows broke it, %u passed beside it\n", rule_name((enum rule_id)r),
                    verdicts[r], passes[r]);
        missing++;
    }
    print_message("%d rules\n", R_COUNT);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),       cmocka_unit_test(test_msr_rows),
        cmocka_unit_test(test_msr_access), cmocka_unit_test(test_newer_hidden),
        cmocka_unit_test(test_coverage), /* after the rows */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
