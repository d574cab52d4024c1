/* SPDX-License-Identifier: BSD-2-Clause */
/* The judgement as a whole: valid images pass, every control bit is judged by its MSR, the
 * order of reporting, what memory is asked for, the texts. The rules one by one are in
 * h_rules.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/valid.h"

/* Every base image is valid on every processor that offers its controls. */
static void test_valid_images(void **state)
{
    (void)state;
    for (unsigned base = 0; base < BASE_COUNT; base++) {
        for (unsigned cpu = 0; cpu < CPU_COUNT; cpu++) {
            struct valid t;
            struct rule_set broken;

            valid_build(&t, (enum valid_base)base, (enum valid_cpu)cpu);
            assert_true(valid_controls(&t));
            if (valid_judge(&t, &broken).outcome != VERDICT_OK)
                fail_msg("%s on %s: %s", valid_base_name((enum valid_base)base),
                         valid_cpu_name((enum valid_cpu)cpu), rule_name(rule_set_first(&broken)));
        }
    }
}

/* The three rules of the mode that L1 is in, over all settings: a row cannot break two at once.
 * SDM 3C 27.2.4 "Checks Related to Address-Space Size" */
static void test_address_space_size(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        bool in_ia32e = i & 1, host64 = i & 2, guest64 = i & 4;
        struct valid t;
        struct rule_set broken;

        valid_build(&t, guest64 ? BASE_PLAIN : BASE_PAE_PLAIN, CPU_BOCHS);
        t.env.in_ia32e_mode = in_ia32e;
        if (!host64) {
            t.v.exit_ctl &= ~(u32)EXIT_HOST_ADDR_SPACE_SIZE;
            t.v.host_rip = 0x1000;
        }
        (void)!valid_judge(&t, &broken).outcome;
        assert_int_equal(rule_set_has(&broken, R_size_outside_ia32e), !in_ia32e && host64);
        assert_int_equal(rule_set_has(&broken, R_size_inside_ia32e), in_ia32e && !host64);
        assert_int_equal(rule_set_has(&broken, R_size_ia32e_guest),
                         guest64 && (!in_ia32e || !host64));
    }
}

/* With rules of every stage broken, the controls are reported before the host state and that
 * before the guest state. */
static void test_order(void **state)
{
    struct valid t;
    struct rule_set broken;

    (void)state;
    valid_build(&t, BASE_LONG, CPU_I7_5600U);
    t.v.vmcs_link_pointer = 1;
    assert_int_equal(valid_judge(&t, &broken).rule, R_link_align);
    t.v.guest_cr3 = ~0ull;
    assert_int_equal(valid_judge(&t, &broken).rule, R_guest_cr3);
    t.v.host_tr_selector = 0;
    assert_int_equal(valid_judge(&t, &broken).rule, R_host_tr_zero);
    t.v.vpid = 0;
    assert_int_equal(valid_judge(&t, &broken).rule, R_vpid_zero);
    assert_true(rule_set_has(&broken, R_link_align) && rule_set_has(&broken, R_guest_cr3));
    assert_true(rule_set_has(&broken, R_host_tr_zero));
}

static const struct {
    enum vmcs_field field;
    enum rule_id rule;
} control_words[] = {
    {F_pin_ctl, R_pin_ctl},   {F_cpu1_ctl, R_cpu1_ctl},   {F_cpu2_ctl, R_cpu2_ctl},
    {F_exit_ctl, R_exit_ctl}, {F_entry_ctl, R_entry_ctl},
};

/* The MSR that says what settings a control word may take. */
static u64 allowed_msr(const struct vmx_caps *caps, unsigned word)
{
    const u64 msrs[] = {caps->true_pin, caps->true_cpu1, caps->cpu2, caps->true_exit,
                        caps->true_entry};

    return msrs[word];
}

/* Every bit of every control word, on every processor: refused exactly when the capability MSR
 * does not allow the setting, whatever other rules the bit breaks.
 * SDM 3D A.2 "Reserved Controls and Default Settings" */
static void test_control_bits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPU_COUNT * 5 * 32; i++) {
        unsigned w = i / 32 % 5;
        u64 bit = BIT(i % 32);
        struct valid t;
        struct rule_set broken;

        valid_build(&t, BASE_LONG, (enum valid_cpu)(i / 160));
        u64 word = vmcs12_get(&t.v, control_words[w].field) ^ bit;
        u64 msr = allowed_msr(&t.caps, w);
        bool allowed = any(word, bit) ? any(msr >> 32, bit) : !any(msr, bit);
        vmcs12_set(&t.v, control_words[w].field, word);
        (void)!valid_judge(&t, &broken).outcome;
        for (unsigned k = 0; k < 5; k++)
            assert_int_equal(rule_set_has(&broken, control_words[k].rule), k == w && !allowed);
    }
}

/* What check_needs asks for, and that it never asks for an address that its own rules refuse.
 */
static void test_needs(void **state)
{
    struct valid t;
    struct rule_set broken;

    (void)state;
    valid_build(&t, BASE_PAE_PLAIN, CPU_E5_2683_V4);
    (void)!valid_judge(&t, &broken).outcome;
    assert_int_equal(check_needs(&t.v, &t.cpu), NEED_PDPTES);
    t.v.guest_cr3 = BIT(46);
    assert_int_equal(check_needs(&t.v, &t.cpu), 0);
    t.v.cpu1_ctl |= CPU1_USE_TPR_SHADOW;
    assert_int_equal(check_needs(&t.v, &t.cpu), NEED_VTPR);
    t.v.virtual_apic_addr = 0x800;
    assert_int_equal(check_needs(&t.v, &t.cpu), 0);
    t.v.virtual_apic_addr = 0x1000;
    valid_cpu2(&t.v, CPU2_VIRTUALIZE_APIC_ACCESSES);
    assert_int_equal(check_needs(&t.v, &t.cpu), 0);
    t.v.cpu2_ctl = CPU2_VIRTUAL_INTR_DELIVERY;
    assert_int_equal(check_needs(&t.v, &t.cpu), 0);
    t.v.vmcs_link_pointer = 0x1000;
    assert_int_equal(check_needs(&t.v, &t.cpu), NEED_LINK);
    t.v.vmcs_link_pointer = 0x1001;
    assert_int_equal(check_needs(&t.v, &t.cpu), 0);
    t.v.vmcs_link_pointer = BIT(46);
    assert_int_equal(check_needs(&t.v, &t.cpu), 0);
    valid_build(&t, BASE_PAE, CPU_E5_2683_V4);
    (void)!valid_judge(&t, &broken).outcome;
    assert_int_equal(check_needs(&t.v, &t.cpu), 0);
}

/* Every rule has its own name, a sentence with a full stop, and a section of 27.2, 27.3
 * or 27.4. */
static void test_texts(void **state)
{
    (void)state;
    for (enum rule_id r = 0; r < R_COUNT; r++) {
        size_t end = strlen(rule_text(r));
        for (enum rule_id other = 0; other < r; other++)
            assert_string_not_equal(rule_name(r), rule_name(other));
        assert_true(end > 10 && rule_text(r)[end - 1] == '.');
        assert_int_equal(strncmp(rule_section_number(r), "27.", 3), 0);
        assert_true(strlen(rule_section_title(r)) > 10);
    }
    assert_string_equal(rule_name(R_vpid_zero), "vpid_zero");
    assert_string_equal(rule_section_number(R_vpid_zero), "27.2.1.1");
    assert_string_equal(rule_section_title(R_vpid_zero), "VM-Execution Control Fields");
    assert_int_equal(check_verdict(R_NONE).outcome, VERDICT_OK);
    assert_int_equal(check_verdict(R_NONE).rule, R_NONE);
    assert_int_equal(check_verdict(R_NONE).number, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_images),
        cmocka_unit_test(test_control_bits),
        cmocka_unit_test(test_address_space_size),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
