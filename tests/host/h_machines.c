/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first boot on ten machines of other people, and the emulator's, as far as their capability
 * MSRs and CPUID tell: L0 comes up on a processor made of memory that has them, the probe finds the
 * fields that they tell of, and vmcs01 breaks no rule of that processor. Where Nidus needs more, it
 * says what. What those processors refuse to take into a register, L0 knows that they refuse.
 * Nobody has published what CPUID says on a Xeon D-1540, as far as was found.
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

static struct machine_box boxes[MACHINES];
static u32 count;

/* The member of struct vmx_caps for the MSR. They are in MSR order, all of 64 bits. */
static u64 *word_of(struct vmx_caps *caps, u32 msr)
{
    return &caps->basic + (msr - 0x480);
}

/* The box of this name; made, if there is none. */
static struct machine_box *box_of(const char *part)
{
    u32 i = 0;
    while (i < count && strcmp(boxes[i].part, part) != 0)
        i++;
    assert_true(i < MACHINES);
    if (i == count)
        snprintf(boxes[count++].part, sizeof boxes->part, "%s", part);
    return &boxes[i];
}

static void take(const struct csv_row *r, void *ctx)
{
    (void)ctx;
    *word_of(&box_of(r->cell[3])->caps, (u32)strtoul(r->cell[0], NULL, 16)) =
        strtoull(r->cell[2], NULL, 16);
}

static u32 number(const struct csv_row *r, u32 cell)
{
    return (u32)strtoul(r->cell[cell], NULL, 16);
}

static void take_cpuid(const struct csv_row *r, void *ctx)
{
    struct machine_box *b = box_of(r->cell[6]);
    (void)ctx;
    assert_true(b->rows < BOX_CPUID);
    b->row[b->rows].leaf = number(r, 0);
    b->row[b->rows].sub = number(r, 1);
    b->row[b->rows++].r = (struct cpuid){number(r, 2), number(r, 3), number(r, 4), number(r, 5)};
}

static void take_refused(const struct csv_row *r, void *ctx)
{
    struct machine_box *b = box_of(r->cell[3]);
    u64 bits = strtoull(r->cell[2], NULL, 16);
    u32 msr = number(r, 0);
    (void)ctx;
    *(msr == MSR_IA32_DEBUGCTL ? &b->refused_debugctl
      : msr == MSR_IA32_EFER   ? &b->refused_efer
                               : &b->refused_perf_global) = bits;
}

/* The log that tells of Coffee Lake's CPUID breaks off. The leaves from 80000000H on are those of
 * the i7-6700K, which has the same core. */
static void complete(struct machine_box *b, const struct machine_box *like)
{
    for (u32 i = 0; i < like->rows; i++)
        if (like->row[i].leaf >= 0x80000000) {
            assert_true(b->rows < BOX_CPUID);
            b->row[b->rows++] = like->row[i];
        }
}

static int read_boxes(void **state)
{
    (void)state;
    csv_read("tests/data/older_vmx_msrs.csv", take, NULL);
    csv_read("tests/data/newer_vmx_msrs.csv", take, NULL);
    for (enum valid_cpu cpu = CPU_I7_5600U; cpu <= CPU_BOCHS; cpu++)
        box_of(valid_cpu_name(cpu))->caps = *valid_caps(cpu);
    u32 machines = count;
    csv_read("tests/data/machine_cpuid.csv", take_cpuid, NULL);
    csv_read("tests/data/machine_refused_bits.csv", take_refused, NULL);
    complete(box_of("Coffee Lake-H, 906EAh (6 cores, 2.6 GHz)"),
             box_of("Core i7-6700K (Skylake-S, 506E3h)"));
    return count >= 10 && count == machines ? 0 : -1;
}

static enum vmx_enter first_entry(struct machine *m)
{
    (void)m;
    machine_end();
}

/* What L0 says on the machine, or "". Entering L1 judges vmcs01 by the processor's rules. */
static const char *boot(const struct machine_box *box, u32 profile)
{
    assert_true(machine_reset_to_box(box));
    machine.play = first_entry;
    (void)!machine_run(profile, 1, 0);
    return machine.bug;
}

/* What the processor would refuse, and L0 would not. */
static void refused_is_known(const struct machine_box *b)
{
    const struct msr_limits *l = &machine.cpu->vm->facts.msr;
    assert_int_equal(b->refused_debugctl & ~l->debugctl_reserved, 0);
    assert_int_equal(b->refused_perf_global & ~l->perf_global_reserved, 0);
    assert_int_equal(b->refused_efer & ~l->efer_reserved, 0);
}

static void each_machine(void **state)
{
    (void)state;
    for (u32 i = 0; i < count; i++) {
        const char *why = strstr(boxes[i].part, "X5482") ? "EPT" : NULL;
        assert_null(vcaps_impossible(&boxes[i].caps));
        const char *said = boot(&boxes[i], PROFILE_HOST);
        print_message("%s, %u leaves: %s\n", boxes[i].part, boxes[i].rows,
                      *said ? said : "L1 is entered");
        if (why) {
            assert_non_null(strstr(said, why));
            continue;
        }
        assert_string_equal(said, "");
        assert_int_equal(machine.cpu->vm->facts.phys_bits, machine.facts.maxphyaddr);
        refused_is_known(&boxes[i]);
    }
}

/* A field that the capabilities tell of and the processor has not: what it is for goes, and L1 is
 * entered without; or Nidus stays away. */
static void a_field_is_missing(void **state)
{
    (void)state;
    const u64 timer = (u64)PIN_PREEMPTION_TIMER << 32;
    const struct vmx_caps *caps = valid_caps(CPU_I7_6700K);
    const struct machine_box box = {.caps = *caps};
    assert_string_equal(boot(&box, PROFILE_HOST), "");
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
