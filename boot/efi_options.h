/* SPDX-License-Identifier: BSD-2-Clause */
/* The sources of the options: the load options and \EFI\nidus\nidus.cfg. */
#ifndef BOOT_EFI_OPTIONS_H
#define BOOT_EFI_OPTIONS_H

#include "boot/options.h"

/*
 * Fills in *o from all sources. image: nidus.efi's own EFI_HANDLE. Returns false when an option
 * cannot be understood. *why then says what is wrong, with file and line number when the file has
 * the fault. Load options that are no text are ignored, with a line on the console.
 */
MUST_CHECK bool options_gather(void *image, struct options *o, struct line *why);

#endif
