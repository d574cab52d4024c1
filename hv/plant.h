/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults on purpose, for the tests of what L0 does about them (the option plant=N). N is a row of
 * the table in plant.c plus a hundred, or more, for where and how:
 *
 *    1 ..    a bad field of vmcs01, on the first processor
 *  101 ..    the same, and vmcs01 is not judged: the CPU meets the field
 *  201 ..    as 1 .., on the second processor
 *  301 ..    as 101 .., on the second processor
 *  401, 402  the probe finds a field missing, which Nidus can do without, or cannot
 *  403, 404  a panic of L0: before vmcs01 is judged, and when L1 first exits
 *  405       a panic when all processors are launched
 *  406       a panic before anything, without a way back
 *  407       L0's memory passes for uncached
 *  408       with gdb=, a panic when L2 first exits
 */
#ifndef HV_PLANT_H
#define HV_PLANT_H

#include "hv/vmx/vmx.h"

/* clang-format off */
enum plant {
    PLANT_NONE = 0, PLANT_UNJUDGED = 100, PLANT_SECOND_CPU = 200, PLANT_OTHER = 400,
    PLANT_NO_TIMER, PLANT_NO_RIP, PLANT_PANIC_EARLY, PLANT_PANIC_EXIT, PLANT_PANIC_LAUNCHED,
    PLANT_PANIC_FOR_GOOD, PLANT_UNCACHED, PLANT_PANIC_RUNNING,
};
/* clang-format on */

/* Makes the field of the option bad, or panics, and puts the field back. @pre vmcs01 is current */
void plant_field(struct cpu *cpu);
void plant_remove(struct cpu *cpu);
/* True when vmcs01 is to be entered although it breaks a rule. */
bool plant_unjudged(const struct cpu *cpu);
/* Panics when the option asks for this one. */
void plant_panic(const struct cpu *cpu, enum plant which);
/* True when the probe is to find the field missing. */
bool plant_missing(const struct cpu *cpu, u64 encoding);
/* True when L0's memory is to pass for uncached. */
bool plant_uncached(const struct cpu *cpu);

#endif
