/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second processor for a program: with cpus=bsp it stays outside Nidus, and so sees what a
 * hypervisor below the first one makes of it. It runs on the firmware's stack and tables and may
 * use nothing of the library but gt_raw and plain memory.
 */
#ifndef GUEST_TESTS_LIB_GT_SECOND_H
#define GUEST_TESTS_LIB_GT_SECOND_H

#include "guest-tests/lib/gt.h"

/* Starts `run` on another processor and goes on. False: the machine has none, or the
 * firmware refuses. */
bool gt_second_start(void(EFIAPI *run)(void *), void *arg);

/* For the second processor: an NMI to the processor with this APIC id. */
void gt_second_send_nmi(u32 apic_id);
/* Ends the emulator. */
void gt_power_off(void);

#endif
