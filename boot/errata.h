/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errata that Nidus steps around by hiding what they break. Linux does so itself on a machine of
 * its own, but not under a hypervisor. A processor is known by CPUID.1:EAX and its microcode
 * revision. Pure.
 */
#ifndef BOOT_ERRATA_H
#define BOOT_ERRATA_H

#include "boot/require.h"

/* True when the local APIC's TSC-deadline timer may come at a wrong time behind a write of
 * IA32_TSC_ADJUST, and the processor's microcode does not mend that. Intel numbers it anew
 * for each processor, CAVEAT(hidden-by-erratum). A revision of 0 is an emulator's, without it. */
bool errata_tsc_deadline(const struct facts *f);

/* True when the VMX-preemption timer of this processor does not count at the rate that
 * IA32_VMX_MISC tells: errata AAK139, AAU65, BA86 and kin. */
bool errata_preemption_timer(const struct facts *f);

#endif
