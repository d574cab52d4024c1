/* SPDX-License-Identifier: BSD-2-Clause */
/* Judging for a processor of which not everything is known, held against judging for the processor
 * itself: what the mildest one breaks, that one breaks, and what that one breaks, the strictest one
 * does. With everything known the three are one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/vmcs12/open.h"
#include "tests/lib/rng.h"
#include "tests/lib/valid.h"

#define TRIALS 20000
#define WORDS  (sizeof(struct vmx_caps) / sizeof(u64))

static void random_entry(struct rng *rng, struct valid *t)
{
    valid_build(t, (enum valid_base)rng_below(rng, BASE_COUNT),
                (enum valid_cpu)rng_below(rng, CPU_COUNT));
    for (u64 n = rng_below(rng, 5); n > 0; n--) {
        enum vmcs_field f = (enum vmcs_field)rng_below(rng, F_COUNT);
        vmcs12_set(&t->v, f, vmcs12_get(&t->v, f) ^ BIT(rng_below(rng, 64)));
    }
    if (rng_below(rng, 3) == 0)
        t->v.entry_intr_info = INTR_VALID | (u32)rng_below(rng, 0x1000);
    if (rng_below(rng, 8) == 0)
        t->v.guest_pending_dbg_exceptions = rng_below(rng, 2) ? 0x11000 : 0x10000;
    if (rng_below(rng, 8) == 0)
        t->v.guest_cr4 |= CR4_CET;
    t->cpuid.rtm = rng_below(rng, 2);
    t->cpuid.sgx = rng_below(rng, 2);
    t->cpuid.lam = rng_below(rng, 2);
    if (rng_below(rng, 2) != 0)
        t->cpuid.linear_width = 57;
    if (rng_below(rng, 4) == 0)
        t->caps.cr4_fixed1 |= CR4_CET;
    if (rng_below(rng, 4) == 0)
        t->caps.basic |= VMX_BASIC_ANY_ERRCODE;
    t->env.in_ia32e_mode = rng_below(rng, 2);
    t->env.link_valid = false; /* nobody who does not know the processor has read that page */
}

/* Tells a part of what there is to know. */
static void tell_some(struct rng *rng, const struct valid *t, struct open_cpu *cpu)
{
    const u64 *words = &t->caps.basic;
    open_init(cpu);
    for (u32 i = 0; i < WORDS; i++)
        if (rng_below(rng, 2) != 0)
            assert_true(open_learn_msr(cpu, MSR_IA32_VMX_BASIC + i, words[i]));
    if (rng_below(rng, 2) != 0)
        cpu->phys = (struct open_range){t->cpuid.maxphyaddr, t->cpuid.maxphyaddr};
    if (rng_below(rng, 2) != 0)
        cpu->linear = (struct open_range){t->cpuid.linear_width, t->cpuid.linear_width};
    if (rng_below(rng, 2) != 0)
        cpu->flag[OPEN_RTM] = t->cpuid.rtm;
    if (rng_below(rng, 2) != 0)
        cpu->flag[OPEN_SGX] = t->cpuid.sgx;
    if (rng_below(rng, 2) != 0)
        cpu->flag[OPEN_IA32E] = t->env.in_ia32e_mode;
}

static bool is_part(const struct rule_set *part, const struct rule_set *whole)
{
    for (unsigned i = 0; i < RULE_WORDS; i++)
        if (any(part->word[i], ~whole->word[i]))
            return false;
    return true;
}

static void name_first_beyond(const struct rule_set *part, const struct rule_set *whole)
{
    for (enum rule_id r = 0; r < R_COUNT; r++)
        if (rule_set_has(part, r) && !rule_set_has(whole, r))
            print_error("%s\n", rule_name(r));
}

static void test_between(void **state)
{
    struct rng rng = rng_start("h_open.between");
    static struct open_worlds worlds;
    unsigned mild_found = 0;

    (void)state;
    for (unsigned i = 0; i < TRIALS; i++) {
        struct valid t;
        struct open_cpu cpu;
        struct rule_set truth, mild, usual, strict;

        random_entry(&rng, &t);
        (void)!valid_judge(&t, &truth).outcome;
        tell_some(&rng, &t, &cpu);
        open_worlds_init(&worlds, &cpu);
        check_open(&t.v, &t.env, &worlds, OPEN_LENIENT, CHECK_ALL, &mild);
        check_open(&t.v, &t.env, &worlds, OPEN_USUAL, CHECK_ALL, &usual);
        check_open(&t.v, &t.env, &worlds, OPEN_STRICT, CHECK_ALL, &strict);
        name_first_beyond(&mild, &truth);
        name_first_beyond(&truth, &strict);
        assert_true(is_part(&mild, &truth));
        assert_true(is_part(&truth, &strict));
        assert_true(is_part(&mild, &usual));
        assert_true(is_part(&usual, &strict));
        mild_found += !rule_set_empty(&mild);
    }
    assert_true(mild_found > TRIALS / 10);
}

static void test_all_known(void **state)
{
    struct rng rng = rng_start("h_open.all_known");
    static struct open_worlds worlds;

    (void)state;
    for (unsigned i = 0; i < TRIALS / 4; i++) {
        struct valid t;
        struct open_cpu cpu;
        struct rule_set truth, one;

        random_entry(&rng, &t);
        (void)!valid_judge(&t, &truth).outcome;
        open_init(&cpu);
        open_learn_all(&cpu, &t.caps, &t.cpuid);
        cpu.flag[OPEN_IA32E] = t.env.in_ia32e_mode;
        cpu.reserved[OPEN_RTIT_CTL] = cpu.reserved[OPEN_LBR_CTL] = 0;
        cpu.may_be_reserved[OPEN_RTIT_CTL] = cpu.may_be_reserved[OPEN_LBR_CTL] = 0;
        open_worlds_init(&worlds, &cpu);
        for (unsigned corner = OPEN_LENIENT; corner <= OPEN_STRICT; corner++) {
            check_open(&t.v, &t.env, &worlds, (enum open_corner)corner, CHECK_ALL, &one);
            name_first_beyond(&one, &truth);
            assert_memory_equal(&one, &truth, sizeof one);
        }
    }
}

/* The facts that are named are the ones that decide. */
static void test_facts(void **state)
{
    struct valid t;
    struct open_cpu cpu;
    struct open_fact facts[8];

    (void)state;
    valid_build(&t, BASE_LONG, CPU_I7_5600U);
    t.v.guest_cr4 |= CR4_SMXE;
    open_init(&cpu);
    assert_int_equal(open_facts(&t.v, &t.env, &cpu, R_guest_cr4, facts, 8), 1);
    assert_int_equal(facts[0].kind, FACT_BIT);
    assert_int_equal(facts[0].msr, MSR_IA32_VMX_CR4_FIXED1);
    assert_int_equal(facts[0].index, 14);
    assert_int_equal(facts[0].value, 0);

    valid_build(&t, BASE_LONG, CPU_I7_5600U);
    t.v.guest_cr3 = BIT(45);
    assert_int_equal(open_facts(&t.v, &t.env, &cpu, R_guest_cr3, facts, 8), 1);
    assert_int_equal(facts[0].kind, FACT_PHYS);
    assert_int_equal(facts[0].value, 45);

    valid_build(&t, BASE_LONG, CPU_I7_5600U);
    t.v.pin_ctl &= ~2u;
    assert_int_equal(open_facts(&t.v, &t.env, &cpu, R_pin_ctl, facts, 8), 1);
    assert_int_equal(facts[0].msr, MSR_IA32_VMX_TRUE_PINBASED_CTLS);
    assert_int_equal(facts[0].index, 1);
    assert_true(open_learn_msr(&cpu, MSR_IA32_VMX_BASIC, 0));
    assert_int_equal(open_facts(&t.v, &t.env, &cpu, R_pin_ctl, facts, 8), 1);
    assert_int_equal(facts[0].msr, MSR_IA32_VMX_PINBASED_CTLS);
    assert_int_equal(open_bit(&cpu, MSR_IA32_VMX_BASIC, 55), TRI_NO);
    assert_int_equal(open_bit(&cpu, MSR_IA32_VMX_MISC, 30), TRI_OPEN);
    assert_false(open_learn_msr(&cpu, 0x10, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_between),
                                       cmocka_unit_test(test_all_known),
                                       cmocka_unit_test(test_facts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
