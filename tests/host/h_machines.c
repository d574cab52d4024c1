/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first boot on ten machines of other people, and the emulator's, as far as their capability
 * MSRs tell: L0 comes up on a processor made of memory that has them, the probe finds the fields
 * that they tell of, and vmcs01 breaks no rule of that processor. Where Nidus needs more, it says
 * what.
 */
#include "tests/machine/machine.h"
#include "hv/plant.h"
#include "hv/vmcs12/profile.h"
#include "tests/lib/csv.h"
#include "tests/lib/valid.h"
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MACHINES 16

struct box {
    char part[64];
    struct vmx_caps caps;
};
static struct box boxes[MACHINES];
static u32 count;

/* The member of struct vmx_caps for the MSR. They are in MSR order, all of 64 bits. */
static u64 *word_of(struct vmx_caps *caps, u32 msr)
{
    return &caps->basic + (msr - 0x480);
}

static void take(const struct csv_row *r, void *ctx)
{
    u32 i = 0;
    (void)ctx;
    while (i < count && strcmp(boxes[i].part, r->cell[3]) != 0)
        i++;
    assert_true(i < MACHINES);
    if (i == count)
        snprintf(boxes[count++].part, sizeof boxes->part, "%s", r->cell[3]);
    *word_of(&boxes[i].caps, (u32)strtoul(r->cell[0], NULL, 16)) = strtoull(r->cell[2], NULL, 16);
}

static void add(const char *part, const struct vmx_caps *caps)
{
    snprintf(boxes[count].part, sizeof boxes->part, "%s", part);
    boxes[count++].caps = *caps;
}

static int read_boxes(void **state)
{
    (void)state;
    csv_read("tests/data/older_vmx_msrs.csv", take, NULL);
    csv_read("tests/data/newer_vmx_msrs.csv", take, NULL);
    for (enum valid_cpu cpu = CPU_I7_5600U; cpu <= CPU_BOCHS; cpu++)
        add(valid_cpu_name(cpu), valid_caps(cpu));
    return count >= 10 ? 0 : -1;
}

static enum vmx_enter first_entry(struct machine *m)
{
    (void)m;
    machine_end();
}

/* What L0 says on the machine, or "". Entering L1 judges vmcs01 by the processor's rules. */
static const char *boot(const struct vmx_caps *caps, u32 profile)
{
    assert_true(machine_reset_to_caps(caps, 39));
    machine.play = first_entry;
    (void)!machine_run(profile, 1, 0);
    return machine.bug;
}

static void each_machine(void **state)
{
    (void)state;
    for (u32 i = 0; i < count; i++) {
        const char *why = strstr(boxes[i].part, "X5482") ? "EPT" : NULL;
        assert_null(vcaps_impossible(&boxes[i].caps));
        const char *said = boot(&boxes[i].caps, PROFILE_HOST);
        print_message("%s: %s\n", boxes[i].part, *said ? said : "L1 is entered");
        if (why)
            assert_non_null(strstr(said, why));
        else
            assert_string_equal(said, "");
    }
}

/* A field that the capabilities tell of and the processor has not: what it is for goes, and L1 is
 * entered without; or Nidus stays away. */
static void a_field_is_missing(void **state)
{
    (void)state;
    const u64 timer = (u64)PIN_PREEMPTION_TIMER << 32;
    const struct vmx_caps *caps = valid_caps(CPU_I7_6700K);
    assert_string_equal(boot(caps, PROFILE_HOST), "");
    assert_true(any(machine.cpu->nested->caps.true_pin, timer));
    assert_true(machine_reset_to_caps(caps, 39));
    machine.play = first_entry;
    machine.plant = PLANT_NO_TIMER;
    (void)!machine_run(PROFILE_HOST, 1, 0);
    assert_string_equal(machine.bug, "");
    assert_false(any(machine.cpu->vm->facts.vmx.pin, timer));
    assert_false(any(machine.cpu->vm->facts.vmx.true_pin, timer));
    assert_false(any(machine.cpu->nested->caps.true_pin, timer));
    assert_true(machine_reset_to_caps(caps, 39));
    machine.plant = PLANT_NO_RIP;
    assert_false(machine_run(PROFILE_HOST, 1, 0));
    assert_non_null(strstr(machine.bug, "L0 did not start"));
}

/* Each planted field is found by the rules before the first entry. */
static void fields_are_judged(void **state)
{
    (void)state;
    for (u32 row = 1; row <= 20; row++) {
        assert_true(machine_reset_to_caps(valid_caps(CPU_I7_6700K), 39));
        machine.play = first_entry;
        machine.plant = row;
        assert_false(machine_run(PROFILE_HOST, 1, 0));
        assert_non_null(strstr(machine.bug, "L0 did not start"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_machine),
        cmocka_unit_test(a_field_is_missing),
        cmocka_unit_test(fields_are_judged),
    };
    return cmocka_run_group_tests(tests, read_boxes, NULL);
}
