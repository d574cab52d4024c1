/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tables.efi does about two habits of the emulator's (docs/CAVEATS.md): the processors that
 * the firmware keeps waiting are to halt, and a broadcast SIPI is to reach all of them.
 */
#ifndef TOOLS_RIG_WAITING_H
#define TOOLS_RIG_WAITING_H

#include <stdint.h>

/* For a machine with these processors. Works until the operating system has the machine, so the
 * program that calls it must stay loaded. */
void waiting_prepare(const uint8_t *apic_id, uint64_t count);

#endif
