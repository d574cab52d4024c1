/* SPDX-License-Identifier: BSD-2-Clause */
/* What the core is told of the options and the machine, and the memory that a launch takes.
 * @pre of all: boot services are running; the facts of every wanted processor are read */
#ifndef BOOT_EFI_PREPARE_H
#define BOOT_EFI_PREPARE_H

#include "boot/efi_launch.h"
#include "boot/options.h"

/* Fills in *at, by which L0 refuses S3, and puts into the line what becomes of S3. True: the
 * machine has S3, which ends Nidus, and L1 may ask for it. */
bool prepare_sleep(const struct options *o, struct boot_sleep *at, struct line *l);

/* Prepares the memory that a launch takes. Returns NULL, or why there is not enough. */
const char *prepare_region(struct region *r, const struct machine *m, const struct options *o);

/* Reserves the memory that a launch would take, and gives it back. Returns NULL, or why there is
 * not enough. */
const char *prepare_try(const struct machine *m, const struct options *o);

#endif
