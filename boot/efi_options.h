/* Where the options come from: the load options and \EFI\nidus\nidus.cfg. */
#ifndef BOOT_EFI_OPTIONS_H
#define BOOT_EFI_OPTIONS_H

#include "boot/options.h"

/*
 * Fills *o from every source; image is nidus.efi's own EFI_HANDLE. False: *why says what is
 * wrong, with file and line number where the file is at fault. Load options that are no text
 * are ignored, with a line on the console.
 */
MUST_CHECK bool options_gather(void *image, struct options *o, struct line *why);

#endif
