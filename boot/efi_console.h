/* SPDX-License-Identifier: BSD-2-Clause */
/* What nidus.efi says: lines that begin with "nidus: " on the firmware's console.
 * @pre boot services are running */
#ifndef BOOT_EFI_CONSOLE_H
#define BOOT_EFI_CONSOLE_H

#include "boot/line.h"

/* Each prints one line. */
void console_say(const char *text);
void console_say_line(const struct line *l);
/* Prints a line that begins with something else than "nidus: ". */
void console_say_text(const char *begin, const char *text);

/* Waits for a key, or ten seconds, when `wait` (enum options_wait) says so and there is a keyboard.
 * image: the handle of nidus.efi */
void console_wait(void *image, u32 wait);

#endif
