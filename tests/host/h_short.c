/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the short path's VM entry (hv/nested/crossing/short_entry.c) judges and follows, and random
 * runs hardly ever meet: L1 changes one thing without an exit between two entries on that path.
 */
#include "tests/machine/play.h"
#include "hv/vmcs12/profile.h"
#include "tests/lib/valid.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define VMXON_PAGE 0x50000u
#define VMCS_PAGE  0x60000u
#define LINK_PAGE  0x70000u

static u32 step;
static u64 link;             /* of VMCS12 */
static void (*change)(void); /* by L1, before its second VMRESUME */
static bool check;           /* a machine check meets L0 on the way to L2 */

static void *at(u64 gpa)
{
    return machine.ram + gpa;
}

static void write_pages(void)
{
    static struct valid t;
    valid_build(&t, BASE_PLAIN, CPU_E5_2683_V4);
    t.v.revision = VMCS12_REVISION;
    t.v.vmcs_link_pointer = link;
    t.v.guest_cr4 |= CR4_MCE;
    vmcs12_store_page(&t.v, at(VMCS_PAGE));
    *(u32 *)at(VMXON_PAGE) = VMCS12_REVISION;
    *(u32 *)at(LINK_PAGE) = VMCS12_REVISION;
}

/* The VMCS that L1 reads and writes without an exit. */
static struct vmcs_image *shown(void)
{
    for (u32 i = 0; i < VMCS_SLOTS; i++)
        if (machine.vmcs[i].hpa == machine.current->v.vmcs_link_pointer)
            return &machine.vmcs[i].v;
    fail_msg("L1 has no shadow VMCS");
    return NULL;
}

/* L2 is launched, leaves, is entered and leaves again. Then L1 makes the change, and enters. */
static enum vmx_enter two_trips(struct machine *m)
{
    m->current->v.exit_instruction_len = 3;
    switch (step++) {
    case 0:
        write_pages();
        return play_memory_operand(EXIT_REASON_VMXON, VMXON_PAGE);
    case 1:
        return play_memory_operand(EXIT_REASON_VMPTRLD, VMCS_PAGE);
    case 2:
        return machine_exit(EXIT_REASON_VMLAUNCH);
    case 3:
    case 5:
        assert_true(m->cpu->in_l2);
        return machine_exit(EXIT_REASON_VMCALL);
    case 4:
        return machine_exit(EXIT_REASON_VMRESUME);
    case 6:
        assert_false(m->cpu->in_l2);
        assert_int_equal(m->short_ways[0], 2); /* VMPTRLD, VMRESUME: L2's last exit led here so */
        assert_int_equal(m->short_ways[1], 1);
        change();
        percpu()->mc_pending = check;
        return machine_exit(EXIT_REASON_VMRESUME);
    default:
        machine_end();
    }
}

static void run(void (*what)(void), u64 link_pointer, bool machine_check)
{
    step = 0;
    change = what;
    link = link_pointer;
    check = machine_check;
    assert_true(machine_reset_to(MODEL_E5));
    machine.fast = 1;
    machine.play = two_trips;
    assert_true(machine_run(PROFILE_E5_2683_V4, 1, 0));
    assert_string_equal(machine.bug, "");
    assert_int_equal(step, 8);
}

/* What VMCS12 tells of the last exit, or of the refused entry. */
static u64 told(enum vmcs_field f)
{
    return vmcs12_get(
        machine.cpu->nested->now->residence == SHOWN ? shown() : &machine.cpu->nested->now->vmcs12,
        f);
}

static void refused(u64 qualification)
{
    assert_false(machine.cpu->in_l2);
    assert_int_equal(told(F_exit_reason), EXIT_REASON_ENTRY_FAIL | EXIT_REASON_ENTRY_GUEST_STATE);
    assert_int_equal(told(F_exit_qualification), qualification);
}

static void nothing(void) {}

static void another_header(void)
{
    *(u32 *)at(LINK_PAGE) = VMCS12_REVISION | VMCS_SHADOW_INDICATOR;
}

static void sets_cr4_hidden(void)
{
    shown()->guest_cr4 |= CR4_SMXE; /* which L1's processor does not have */
}

static void intercepts_mc(void)
{
    shown()->exception_bitmap |= BIT(VEC_MC);
}

/* The page at the link pointer is memory of L1's, which writes it without an exit.
 * SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
static void link_page(void **state)
{
    (void)state;
    run(nothing, LINK_PAGE, false);
    assert_true(machine.cpu->in_l2);
    assert_int_equal(machine.short_ways[1], 2);
    run(another_header, LINK_PAGE, false);
    refused(4);
}

/* SDM 3C 27.3.1.1 "Checks on Guest Control Registers, Debug Registers, and MSRs" */
static void hidden_cr4(void **state)
{
    (void)state;
    run(nothing, NO_VMCS, false);
    assert_true(machine.cpu->in_l2);
    run(sets_cr4_hidden, NO_VMCS, false);
    refused(0);
}

/* A machine check that meets L0 behind L1's VMRESUME happens in L2, by L1's exception bitmap of
 * this entry. */
static void mc_by_new_bitmap(void **state)
{
    (void)state;
    run(nothing, NO_VMCS, true);
    assert_true(machine.cpu->in_l2);
    assert_int_equal(machine.current->v.entry_intr_info,
                     INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_MC);
    run(intercepts_mc, NO_VMCS, true);
    assert_false(machine.cpu->in_l2);
    assert_int_equal(told(F_exit_reason), EXIT_REASON_EXCEPTION_NMI);
    assert_int_equal(told(F_exit_intr_info), INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_MC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_page),
        cmocka_unit_test(hidden_cr4),
        cmocka_unit_test(mc_by_new_bitmap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
