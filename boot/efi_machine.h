/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine as the options want it: how many processors, and whether each can run Nidus.
 * @pre of all: boot services are running, and cpus_find has filled m->cpus */
#ifndef BOOT_EFI_MACHINE_H
#define BOOT_EFI_MACHINE_H

#include "boot/efi_launch.h"
#include "boot/options.h"
#include "boot/require.h"

/* How many processors are to be brought under Nidus. */
u32 machine_wanted(const struct machine *m, const struct options *o);
/* Reads the facts about every wanted processor. False: *why names one that cannot be reached. */
MUST_CHECK bool machine_read(struct machine *m, const struct options *o, struct line *why);
/* Names in *why what the first processor that cannot run Nidus lacks. True when there is none. */
MUST_CHECK bool machine_can_run(const struct machine *m, const struct options *o, struct line *why);
/* The same for the first processor alone: without VMX the number of processors does not matter. */
MUST_CHECK bool machine_can_run_first(const struct machine *m, struct line *why);

#endif
