/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "check returns OK implies that merge yields an image that passes the hardware's rules": the
 * same rules judge vmcs12 against what L1 is shown and vmcs02 against the processor. From every
 * valid image, on every pair of profile and processor, one to four fields are mutated; what L1's
 * rules still accept must cross.
 */
#include "tests/lib/crossing.h"
#include "tests/lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static struct crossing c;
static u32 passed, refused;

static void try_it(const char *what)
{
    enum rule_id rule;

    switch (crossing_try(&c, &rule)) {
    case CROSSING_PASSED:
        passed++;
        break;
    case CROSSING_REFUSED:
        refused++;
        break;
    default:
        fail_msg("%s: vmcs02 breaks %s: %s", what, rule_name(rule), rule_text(rule));
    }
}

/* A control word keeps to what L1 is shown more often than not; other fields take anything. */
static void mutate(struct rng *r)
{
    static const enum vmcs_field words[] = {F_pin_ctl, F_cpu1_ctl, F_cpu2_ctl, F_exit_ctl,
                                            F_entry_ctl};
    const u64 msrs[] = {c.l1.caps.true_pin, c.l1.caps.true_cpu1, c.l1.caps.cpu2,
                        c.l1.caps.true_exit, c.l1.caps.true_entry};
    u64 k = rng_below(r, 10);

    if (k < ARRAY_LEN(words)) {
        u64 word = vmcs12_get(&c.l1.v, words[k]) ^ BIT(rng_below(r, 32));
        vmcs12_set(&c.l1.v, words[k], ((u32)word | (u32)msrs[k]) & (msrs[k] >> 32));
        return;
    }
    enum vmcs_field f = (enum vmcs_field)rng_below(r, F_COUNT);
    u64 was = vmcs12_get(&c.l1.v, f);
    vmcs12_set(&c.l1.v, f, k < 8 ? was ^ BIT(rng_below(r, 64)) : rng_edgy(r));
}

static void mutants_cross(void **state)
{
    (void)state;
    struct rng r = rng_start("h_crossing");

    for (u32 n = 0; n < 400000; n++) {
        u32 base = n % BASE_COUNT, shown = n / BASE_COUNT % CPU_COUNT;
        u32 hw = n / (BASE_COUNT * CPU_COUNT) % CPU_COUNT;
        char what[64];

        /* profile=host shows the processor itself */
        if (!crossing_start(&c, base, shown, valid_is_host(shown) ? shown : hw))
            continue;
        for (u64 k = rng_below(&r, 5); k > 0; k--)
            mutate(&r);
        crossing_l0_needs(&c, rng_next(&r));
        snprintf(what, sizeof what, "case %u, %s, %s on %s", n, valid_base_name(base),
                 valid_cpu_name(shown), valid_cpu_name(hw));
        try_it(what);
    }
    printf("h_crossing: %u crossed, %u refused by L1's rules\n", passed, refused);
    assert_true(passed > 100000 && refused > 50000);
}

/* Each base unchanged crosses wherever the processor can show the profile. */
static void valid_images_cross(void **state)
{
    (void)state;
    u32 before = passed;

    for (u32 base = 0; base < BASE_COUNT; base++)
        for (u32 cpu = 0; cpu < CPU_COUNT; cpu++) {
            assert_true(crossing_start(&c, base, cpu, cpu));
            try_it(valid_base_name(base));
        }
    assert_int_equal(passed - before, BASE_COUNT * CPU_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_images_cross),
        cmocka_unit_test(mutants_cross),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
