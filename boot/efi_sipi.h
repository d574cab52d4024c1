/* SPDX-License-Identifier: BSD-2-Clause */
/* Processors woken by INIT and SIPI, where the firmware has no MP services protocol. */
#ifndef BOOT_EFI_SIPI_H
#define BOOT_EFI_SIPI_H

#include "hv/arch/types.h"

/* Runs f(arg) on the processor with this APIC id and waits for its end. The processor then halts in
 * a page below 1 MiB that stays reserved, until the next INIT. Returns NULL, or why f did not run
 * to its end. @pre boot services are running; another processor than this one */
MUST_CHECK const char *sipi_call(u32 apic_id, void (*f)(void *arg), void *arg);

#endif
