/* SPDX-License-Identifier: BSD-2-Clause */
/* The option ucode=: a microcode update for every wanted processor, before VMX operation. */
#ifndef BOOT_EFI_UCODE_H
#define BOOT_EFI_UCODE_H

#include "boot/efi_launch.h"

/*
 * With an empty name all is well, and the line is empty. Else reads the file, and finds the update
 * of each of the first `count` processors. With `load` it is loaded where it is newer than what
 * runs there; that stays until the next reset. False: *l says what is wrong, by then with nothing
 * loaded, unless a processor did not take its update. True: *l says what was loaded, or would be.
 * image: nidus.efi's own EFI_HANDLE.
 * @pre boot services are running; the facts of the processors are read
 */
MUST_CHECK bool ucode_apply(void *image, const u16 *name, const struct machine *m, u32 count,
                            bool load, struct line *l);

#endif
