/* chain=: starting an EFI program from nidus.efi's own volume. */
#ifndef BOOT_EFI_CHAIN_H
#define BOOT_EFI_CHAIN_H

#include "hv/arch/types.h"

/*
 * Starts the program that the command line names; the whole line becomes its load options, the
 * path included, as the shell does (Linux takes its command line from there). Returns when the
 * program does: its EFI_STATUS, or why it could not be started, said in a line on the console.
 * image is nidus.efi's own EFI_HANDLE.
 */
u64 chain_run(void *image, const u16 *command);

#endif
