/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * S3 (and S2) would end Nidus: the processors lose their state, and the firmware wakes the machine
 * without L0. With s3=refuse L0 drops the write that asks for it, and lets L1 see that the machine
 * has woken up. ACPI 4.8.3.1 "PM1 Event Grouping", 4.8.3.2 "PM1 Control Grouping"
 */
#ifndef HV_SLEEP_SLEEP_H
#define HV_SLEEP_SLEEP_H

#include "hv/vmx/outcome.h"

/* Takes the memory for the I/O bitmaps of L1. True also when there is nothing to refuse. */
MUST_CHECK bool sleep_reserve(struct vm *vm, const struct boot_sleep *at);
/* Lets L1's accesses to the ports exit, where the CPU has I/O bitmaps, as all with EPT do.
 * @pre vmcs01 is current and built */
void sleep_guard(const struct cpu *cpu);
/* An access of L1's to one of the ports. @pre SNAP_STEP | SNAP_QUAL */
enum outcome sleep_io(struct cpu *cpu);

#endif
