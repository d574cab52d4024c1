/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the short path's VM entry (hv/nested/crossing/short_entry.c) judges and follows, and random
 * runs hardly ever meet: L1 changes one thing without an exit between two entries on that path.
 */
#include "tests/machine/play.h"
#include "hv/vmcs12/check_inputs.h"
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
static u64 field = ENC_guest_fs_base, value;
static u32 writes, written; /* VMWRITEs of L2's state that exit, before L1's first VMRESUME */
static u32 exit_ctl;        /* controls that VMCS12 has beside */
static u32 rounds, trips;   /* trips of L2 beside the two */
static bool halted;         /* L2 starts in the HLT state, and interrupts are its exits */
static bool goes_on;        /* L2 leaves once more behind the change */
static bool check;          /* a machine check meets L0 on the way to L2 */

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
    t.v.exit_ctl |= exit_ctl;
    if (halted) {
        t.v.pin_ctl |= PIN_EXT_INTR_EXITING;
        t.v.cpu1_ctl |= CPU1_HLT_EXITING;
        t.v.guest_activity_state = ACTIVITY_HLT;
    }
    t.v.entry_ctl |= field == ENC_guest_pat ? ENTRY_LOAD_PAT : 0;
    t.v.guest_pat = 0x0007040600070406;
    vmcs12_store_page(&t.v, at(VMCS_PAGE));
    *(u32 *)at(VMXON_PAGE) = VMCS12_REVISION;
    *(u32 *)at(LINK_PAGE) = VMCS12_REVISION;
}

/* The VMCS that L1 reads and writes without an exit. */
static struct vmcs_image *shown(void)
{
    assert_non_null(play_shadow());
    return play_shadow();
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
        if (step == 6 && trips < rounds) {
            trips++;
            step = 4;
        }
        return machine_exit(halted ? EXIT_REASON_EXTERNAL_INTERRUPT : EXIT_REASON_VMCALL);
    case 4:
        if (written == writes)
            return machine_exit(EXIT_REASON_VMRESUME);
        step--;
        return play_vmwrite(field, value ^ ++written << 12);
    case 6:
        assert_false(m->cpu->in_l2);
        /* VMPTRLD, VMWRITEs, VMRESUME: L2's last exit led here so */
        assert_true(rounds || halted || m->short_ways[0] == 2 + writes);
        assert_true(rounds || halted || m->short_ways[1] == 1);
        change();
        percpu()->mc_pending = check;
        return machine_exit(EXIT_REASON_VMRESUME);
    case 7:
        if (goes_on)
            return machine_exit(EXIT_REASON_VMCALL);
        machine_end();
    default:
        machine_end();
    }
}

static void run(void (*what)(void), u64 link_pointer, bool machine_check)
{
    step = written = trips = 0;
    change = what;
    link = link_pointer;
    check = machine_check;
    assert_true(machine_reset_to(MODEL_E5));
    machine.fast = 1;
    machine.play = two_trips;
    assert_true(machine_run(PROFILE_E5_2683_V4, 1, 0));
    assert_string_equal(machine.bug, "");
    assert_int_equal(step, goes_on ? 9 : 8);
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

/* The event is L0's, not of L1's VMCS. SDM 3C 28.2 "Recording VM-Exit Information
 * and Updating VM-Entry Control Fields" */
static void mc_is_not_vmcs12s(void **state)
{
    (void)state;
    goes_on = true;
    run(nothing, NO_VMCS, true);
    goes_on = false;
    assert_false(machine.cpu->in_l2);
    assert_int_equal(told(F_exit_reason), EXIT_REASON_VMCALL);
    assert_int_equal(told(F_entry_intr_info), 0);
}

static void injects_ud(void)
{
    shown()->entry_intr_info = INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD;
}

/* An exit leaves L2 in the HLT state that the entry gave it, and HLT may not meet #UD.
 * SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
static void event_in_hlt(void **state)
{
    (void)state;
    halted = true;
    run(injects_ud, NO_VMCS, false);
    halted = false;
    refused(0);
}

/* L1 writes A without an exit, loads B, and makes A's region anew. What it loads then is the
 * region, and what it wrote before is gone. */
static enum vmx_enter region_anew(struct machine *m)
{
    struct vmcs_image *a = at(VMCS_PAGE);
    m->current->v.exit_instruction_len = 3;
    switch (step++) {
    case 0:
        write_pages();
        memcpy(at(LINK_PAGE), a, sizeof *a);
        return play_memory_operand(EXIT_REASON_VMXON, VMXON_PAGE);
    case 2:
        shown()->guest_rip = 0x4321;
        return play_memory_operand(EXIT_REASON_VMPTRLD, LINK_PAGE);
    case 3:
        a->revision = VMCS12_REVISION | VMCS_SHADOW_INDICATOR;
        a->guest_rip = 0x1234;
        return play_memory_operand(EXIT_REASON_VMPTRLD, VMCS_PAGE);
    case 4:
        assert_int_equal(shown()->guest_rip, 0x1234);
        return play_memory_operand(EXIT_REASON_VMPTRLD, LINK_PAGE);
    case 5:
        assert_int_equal(a->guest_rip, 0x1234);
        machine_end();
    default:
        return play_memory_operand(EXIT_REASON_VMPTRLD, VMCS_PAGE);
    }
}

static void a_region_made_anew(void **state)
{
    (void)state;
    step = 0;
    link = NO_VMCS;
    assert_true(machine_reset_to(MODEL_E5));
    machine.fast = 1;
    machine.play = region_anew;
    assert_true(machine_run(PROFILE_E5_2683_V4, 1, 0));
    assert_string_equal(machine.bug, "");
    assert_int_equal(step, 6);
}

/* A byte of a register that an exit saves, or does not, by a control. */
static void one_byte_of_pat(void **state)
{
    (void)state;
    for (u32 saves = 0; saves < 2; saves++) {
        exit_ctl = saves ? EXIT_SAVE_PAT : 0;
        field = ENC_guest_pat;
        value = 0x0007040600071405; /* what the test's VMCS has but for one byte */
        writes = rounds = 1;
        run(nothing, NO_VMCS, false);
        assert_int_equal(machine.current->v.guest_pat, value ^ 1 << 12);
    }
    field = ENC_guest_fs_base;
    value = writes = rounds = exit_ctl = 0;
}

static bool vmwrite_exits(u64 encoding)
{
    return !play_passes(encoding, machine.cpu->nested->shadow_set, true);
}

static void sets_fs_base(void)
{
    assert_int_equal(vmwrite_exits(ENC_guest_fs_base), writes == 0);
    shown()->guest_fs_base = 0x123456000;
}

static void breaks_fs_base(void)
{
    sets_fs_base();
    shown()->guest_fs_base = 1ull << 63;
}

static void breaks_gdtr_limit(void)
{
    shown()->guest_gdtr_limit = 0x10000;
}

static void breaks_rights(void)
{
    assert_false(vmwrite_exits(ENC_guest_tr_ar));
    assert_false(play_passes(ENC_guest_tr_ar, SET_WIDE, false));
    vmcs12_set(shown(), F_guest_tr_ar, 0x83 | 1 << 4);
}

static void breaks_sysenter(void)
{
    shown()->guest_sysenter_eip = 1ull << 63;
}

/* L1 has written so much of L2's state that it goes on without exits, and each entry judges it.
 * SDM 3C 27.3.1 "Checks on the Guest State Area" */
static void wide(void **state)
{
    (void)state;
    writes = 8;
    run(sets_fs_base, NO_VMCS, false);
    assert_true(machine.cpu->in_l2);
    assert_int_equal(machine.short_ways[1], 2);
    assert_int_equal(machine.current->v.guest_fs_base, 0x123456000);
    run(breaks_fs_base, NO_VMCS, false);
    refused(0);
    run(breaks_gdtr_limit, NO_VMCS, false);
    refused(0);
    run(breaks_sysenter, NO_VMCS, false);
    refused(0);
    run(breaks_rights, NO_VMCS, false);
    refused(0);
    writes = 0;
}

static void breaks_fs_base_if_wide(void)
{
    if (!vmwrite_exits(ENC_guest_fs_base))
        shown()->guest_fs_base = 1ull << 63;
}

/* After a while L1's VMWRITEs exit again. There is no entry that neither way judges. */
static void wide_ends(void **state)
{
    (void)state;
    u32 narrow = 0;
    writes = 8;
    for (rounds = 60; rounds < 68; rounds++) {
        run(breaks_fs_base_if_wide, NO_VMCS, false);
        narrow += machine.cpu->in_l2;
        if (!machine.cpu->in_l2)
            refused(0);
    }
    assert_in_range(narrow, 1, 7);
    writes = rounds = 0;
}

/* What rules say of a field that L1 writes so is among what the short path judges. */
static void wide_is_judged(void **state)
{
    (void)state;
    u32 judged = SHORT_GUEST_GROUPS | CHECK_RIP | CHECK_ACTIVITY, rows = 0;
    run(nothing, NO_VMCS, false);
    for (u32 f = 0; f < F_COUNT; f++) {
        const struct vmcs_field_desc *d = vmcs12_desc((enum vmcs_field)f);
        if (play_passes(d->encoding, SET_PLAIN, true) || !play_passes(d->encoding, SET_WIDE, true))
            continue;
        rows++;
        assert_int_equal(d->area, AREA_GUEST);
        assert_int_equal(check_readers[f] & ~judged, 0);
        assert_int_equal(d->width == WAR, !play_passes(d->encoding, SET_WIDE, false));
        assert_int_not_equal(d->width, W64);
    }
    assert_int_equal(rows, 39);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_page),          cmocka_unit_test(hidden_cr4),
        cmocka_unit_test(mc_by_new_bitmap),   cmocka_unit_test(one_byte_of_pat),
        cmocka_unit_test(mc_is_not_vmcs12s),  cmocka_unit_test(event_in_hlt),
        cmocka_unit_test(a_region_made_anew), cmocka_unit_test(wide),
        cmocka_unit_test(wide_ends),          cmocka_unit_test(wide_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
