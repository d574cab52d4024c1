/* SPDX-License-Identifier: BSD-2-Clause */
/* Which fields each group of rules reads, held against the checks both ways; that every verdict
 * reports a member of its set; and that nothing but the set is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/rng.h"
#include "tests/lib/valid.h"

#define GROUPS 17
#define TRIALS 500000

/* A value likely to matter: the field's own with one bit flipped, or 0, or an edge. */
static u64 likely_value(struct rng *rng, u64 old)
{
    switch (rng_below(rng, 4)) {
    case 0:
        return 0;
    case 1:
        return rng_edgy(rng);
    default:
        return old ^ BIT(rng_below(rng, 64));
    }
}

/* Mostly one that rules read. */
static enum vmcs_field any_field(struct rng *rng)
{
    enum vmcs_field f = (enum vmcs_field)rng_below(rng, F_COUNT);

    while (check_groups_of(f) == 0 && rng_below(rng, 4) != 0)
        f = (enum vmcs_field)rng_below(rng, F_COUNT);
    return f;
}

/* Bits of the control words that gate other rules, flipped often: a uniform choice of fields
 * would hardly ever open two gates. */
static void flip_gates(struct rng *rng, struct vmcs_image *v)
{
    v->cpu1_ctl ^=
        (u32)rng_next(rng) & (u32)rng_next(rng) &
        (CPU1_SECONDARY | CPU1_USE_TPR_SHADOW | CPU1_USE_IO_BITMAPS | CPU1_USE_MSR_BITMAPS);
    v->cpu2_ctl ^= (u32)rng_next(rng) & 0x67fff & (u32)rng_next(rng);
    v->entry_ctl ^= (u32)rng_next(rng) & (u32)rng_next(rng) &
                    (ENTRY_IA32E_MODE_GUEST | ENTRY_LOAD_EFER | ENTRY_LOAD_PAT |
                     ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_PERF_GLOBAL_CTRL);
    v->exit_ctl ^=
        (u32)rng_next(rng) & (u32)rng_next(rng) &
        (EXIT_HOST_ADDR_SPACE_SIZE | EXIT_LOAD_EFER | EXIT_LOAD_PAT | EXIT_LOAD_PERF_GLOBAL_CTRL);
    if (rng_below(rng, 4) == 0) {
        v->entry_ctl |= (u32)rng_next(rng) & 0x7f0000;
        v->exit_ctl |= (u32)rng_next(rng) & (EXIT_LOAD_CET | EXIT_LOAD_PKRS | EXIT_SECONDARY);
        v->cpu1_ctl |= (u32)rng_next(rng) & CPU1_TERTIARY;
    }
    v->pin_ctl ^= (u32)rng_next(rng) & (u32)rng_next(rng) &
                  (PIN_POSTED_INTERRUPTS | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
}

/* Values that let rules over two fields come true by a change of either. */
static void likely_state(struct rng *rng, struct vmcs_image *v)
{
    if (rng_below(rng, 3) == 0)
        v->entry_intr_info = INTR_VALID | (u32)rng_below(rng, 0x1000);
    if (rng_below(rng, 3) == 0)
        v->guest_interruptibility = (u32)rng_below(rng, 16);
    if (rng_below(rng, 4) == 0)
        v->guest_activity_state = (u32)rng_below(rng, 4);
    if (rng_below(rng, 4) == 0)
        v->vmfunc_ctl = 1;
    if (rng_below(rng, 2) == 0)
        v->guest_efer ^= EFER_LME;
    if (rng_below(rng, 2) == 0)
        v->guest_cr0 ^= CR0_PG;
    if (rng_below(rng, 4) == 0)
        v->tpr_threshold = (u32)rng_below(rng, 32);
    if (rng_below(rng, 4) == 0)
        v->vmcs_link_pointer = 0x1000;
    if (rng_below(rng, 4) == 0)
        v->guest_rip = BIT(32);
    if (rng_below(rng, 4) == 0)
        v->guest_tr_ar = v->guest_cs_ar = 0x83;
    if (rng_below(rng, 4) == 0)
        v->entry_intr_info = INTR_VALID | (rng_below(rng, 2) ? INTR_ERROR_VALID : 0) | 0x30d;
    if (rng_below(rng, 4) == 0)
        v->entry_intr_info = INTR_VALID | 0x202;
    if (rng_below(rng, 4) == 0)
        v->guest_ss_ar |= 0x60;
    if (rng_below(rng, 4) == 0)
        v->exit_msr_store_count = v->exit_msr_load_count = v->entry_msr_load_count =
            (u32)rng_below(rng, 3);
    if (rng_below(rng, 2) == 0)
        v->guest_rflags ^= BIT(rng_below(rng, 18));
}

/* A random entry near a valid one. */
static void random_entry(struct rng *rng, struct valid *t)
{
    valid_build(t, (enum valid_base)rng_below(rng, BASE_COUNT),
                (enum valid_cpu)rng_below(rng, CPU_COUNT));
    flip_gates(rng, &t->v);
    likely_state(rng, &t->v);
    for (u64 n = rng_below(rng, 4); n > 0; n--) {
        enum vmcs_field f = any_field(rng);
        vmcs12_set(&t->v, f, likely_value(rng, vmcs12_get(&t->v, f)));
    }
    t->cpuid.rtm = rng_below(rng, 2);
    t->cpuid.sgx = rng_below(rng, 2);
    t->cpuid.lam = rng_below(rng, 2);
    t->cpuid.rtit_reserved = rng_next(rng);
    t->cpuid.lbr_reserved = rng_next(rng);
    t->env.vtpr = (u8)rng_next(rng);
    t->env.link_header ^= rng_below(rng, 3) ? 0 : VMCS_SHADOW_INDICATOR;
    t->env.pdpte[1] = rng_below(rng, 2) ? rng_edgy(rng) : 0;
    t->env.in_ia32e_mode = rng_below(rng, 4) != 0;
}

static struct rule_set judge_group(const struct valid *t, unsigned group)
{
    struct rule_set set;
    struct verdict verdict = check_entry(&t->v, &t->env, 1u << group, &set);

    assert_int_equal(verdict.rule, rule_set_first(&set));
    return set;
}

/* A group's verdict changes only with fields that check_groups_of gives it, and with each of
 * them. */
static void test_inputs(void **state)
{
    static bool seen[F_COUNT][GROUPS];
    struct rng rng = rng_start("h_check_groups.inputs");
    unsigned unread = 0;

    (void)state;
    for (unsigned i = 0; i < TRIALS; i++) {
        struct valid t;
        struct rule_set before[GROUPS], broken;
        enum vmcs_field f = any_field(&rng);

        random_entry(&rng, &t);
        (void)!valid_judge(&t, &broken).outcome;
        for (unsigned g = 0; g < GROUPS; g++)
            before[g] = judge_group(&t, g);
        vmcs12_set(&t.v, f, likely_value(&rng, vmcs12_get(&t.v, f)));
        for (unsigned g = 0; g < GROUPS; g++) {
            struct rule_set after = judge_group(&t, g);
            if (memcmp(&before[g], &after, sizeof(after)) == 0)
                continue;
            seen[f][g] = true;
            if (!any(check_groups_of(f), BIT(g)))
                fail_msg("%s changes group %u", vmcs12_name(f), g);
        }
    }
    for (unsigned f = 0; f < F_COUNT; f++)
        for (unsigned g = 0; g < GROUPS; g++)
            if (any(check_groups_of((enum vmcs_field)f), BIT(g)) && !seen[f][g]) {
                print_error("%s never changed group %u\n", vmcs12_name((enum vmcs_field)f), g);
                unread++;
            }
    assert_int_equal(unread, 0);
}

/* CF, PF, AF, ZF, SF, OF: no rule reads them, so a caller need not look when only they changed. */
static void test_status_flags(void **state)
{
    struct rng rng = rng_start("h_check_groups.status_flags");

    (void)state;
    for (unsigned i = 0; i < TRIALS / 10; i++) {
        struct valid t;
        struct rule_set before, after;

        random_entry(&rng, &t);
        (void)!valid_judge(&t, &before).outcome;
        t.v.guest_rflags ^= rng_next(&rng) & 0x8d5;
        (void)!valid_judge(&t, &after).outcome;
        assert_memory_equal(&before, &after, sizeof(after));
    }
}

/* A caller who skips the groups that passed and none of whose fields changed sees the same set. */
static void test_skipping(void **state)
{
    const u32 always = CHECK_TPR | CHECK_PDPTES | CHECK_LINK | CHECK_HOST_SIZE;
    struct rng rng = rng_start("h_check_groups.skipping");
    struct rule_set all, some;
    unsigned passed = 0;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        u32 settled = 0;
        struct valid t;

        valid_build(&t, (enum valid_base)(i % BASE_COUNT), CPU_BOCHS);
        for (unsigned n = 0; n < 100; n++) {
            enum vmcs_field f = any_field(&rng);
            u64 old = vmcs12_get(&t.v, f);

            vmcs12_set(&t.v, f, likely_value(&rng, old));
            t.env.vtpr = (u8)rng_next(&rng);
            settled &= ~check_groups_of(f);
            (void)!valid_judge(&t, &all).outcome;
            (void)!check_entry(&t.v, &t.env, CHECK_ALL & ~settled, &some).outcome;
            assert_memory_equal(&all, &some, sizeof(all));
            if (rule_set_empty(&all)) {
                settled = CHECK_ALL & ~always;
                passed++;
            } else {
                vmcs12_set(&t.v, f, old);
            }
        }
    }
    assert_true(passed > 1000);
}

/* The PDPTEs are asked for wherever CR3 is one that the rules let pass, LAM's bits among them.
 * SDM 3C 27.3.1.6 "Checks on Guest Page-Directory-Pointer-Table Entries" */
static void test_pdptes_with_lam(void **state)
{
    struct valid t;

    (void)state;
    valid_build(&t, BASE_PAE_PLAIN, CPU_E5_2683_V4);
    assert_true(any(check_needs(&t.v, &t.cpu), NEED_PDPTES));
    t.v.guest_cr3 |= CR3_LAM;
    t.cpu.cr3_reserved |= CR3_LAM;
    assert_false(any(check_needs(&t.v, &t.cpu), NEED_PDPTES));
    t.cpu.cr3_reserved &= ~(u64)CR3_LAM;
    assert_true(any(check_needs(&t.v, &t.cpu), NEED_PDPTES));
}

/* All groups together say what they say one by one; the rule reported is the first of the set;
 * the image and the environment are as before; memory is read only where check_needs asks. */
static void test_consistent(void **state)
{
    struct rng rng = rng_start("h_check_groups.consistent");

    (void)state;
    for (unsigned i = 0; i < TRIALS / 4; i++) {
        struct valid t, copy;
        struct rule_set broken, joined = {{0}}, again;
        struct verdict verdict;
        u32 needs;

        random_entry(&rng, &t);
        verdict = valid_judge(&t, &broken);
        copy = t;
        needs = check_needs(&t.v, &t.cpu);
        assert_int_equal(needs & ~(u32)(CHECK_TPR | CHECK_PDPTES | CHECK_LINK), 0);
        for (unsigned g = 0; g < GROUPS; g++) {
            struct rule_set one = judge_group(&t, g);
            for (unsigned w = 0; w < RULE_WORDS; w++) {
                assert_int_equal(joined.word[w] & one.word[w], 0); /* each rule is in one group */
                joined.word[w] |= one.word[w];
            }
        }
        assert_memory_equal(&joined, &broken, sizeof(joined));
        assert_int_equal(verdict.rule, rule_set_first(&broken));
        assert_true(verdict.rule == R_NONE || rule_set_has(&broken, verdict.rule));
        assert_memory_equal(&copy, &t, sizeof(t));
        if (!any(needs, NEED_VTPR) && !rule_set_has(&broken, R_virtual_apic_align) &&
            !rule_set_has(&broken, R_virtual_apic_width))
            t.env.vtpr ^= 0xff;
        if (!any(needs, NEED_PDPTES) && !rule_set_has(&broken, R_guest_cr3))
            t.env.pdpte[0] ^= 0x1e6;
        if (!any(needs, NEED_LINK))
            t.env.link_valid = false;
        if (rule_set_has(&broken, R_link_align) || rule_set_has(&broken, R_link_width))
            continue;
        (void)!check_entry(&t.v, &t.env, CHECK_ALL, &again).outcome;
        assert_memory_equal(&broken, &again, sizeof(again));
    }
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_inputs),
                                       cmocka_unit_test(test_status_flags),
                                       cmocka_unit_test(test_skipping),
                                       cmocka_unit_test(test_pdptes_with_lam),
                                       cmocka_unit_test(test_consistent)};
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
