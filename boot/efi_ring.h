/* SPDX-License-Identifier: BSD-2-Clause */
/* The option ring: what L0 logged last. */
#ifndef BOOT_EFI_RING_H
#define BOOT_EFI_RING_H

/* Prints the stage code of CMOS, if there is one, and the ring of the Nidus that this code runs
 * under, or those that a Nidus before the last warm reset left in memory. Returns EFI_SUCCESS, or
 * EFI_NOT_FOUND when there is none. @pre boot services are running */
unsigned long long ring_report(void);

#endif
