/* SPDX-License-Identifier: BSD-2-Clause */
/* Small text files of the stick, in \nidus. */
#ifndef BOOT_MENU_FILES_H
#define BOOT_MENU_FILES_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>

/* Reads \nidus\NAME, at most size - 1 bytes, ends it in a zero. False: it is not there. */
bool file_read(const char *name, char *text, size_t size);
/* The next line of *rest, its end cut off; NULL at the end. Lines that begin with '#' are left
 * out, and empty ones. */
char *file_line(char **rest);
/* True when the volume has this file. */
bool file_there(EFI_HANDLE volume, const CHAR16 *path);

#endif
