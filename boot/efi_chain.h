/* SPDX-License-Identifier: BSD-2-Clause */
/* The option chain=, which starts an EFI program from nidus.efi's own volume. */
#ifndef BOOT_EFI_CHAIN_H
#define BOOT_EFI_CHAIN_H

#include "hv/arch/types.h"

/*
 * Starts the program that the command line names. The whole line, with the path, becomes the
 * program's load options, as under the shell; Linux takes its command line from there. Returns the
 * program's EFI_STATUS when the program returns. If the program cannot be started, prints the
 * reason on the console and returns an error status. image: nidus.efi's own EFI_HANDLE.
 */
u64 chain_run(void *image, const u16 *command);

/* Stores the path of the file that the first word of a line names, a relative one in nidus.efi's
 * own folder. self: nidus.efi's EFI_LOADED_IMAGE; size: room in `path`, in characters. False when
 * the path does not fit. */
MUST_CHECK bool chain_path(void *self, const u16 *command, u16 *path, u32 size);

#endif
