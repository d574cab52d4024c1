/* SPDX-License-Identifier: BSD-2-Clause */
/* What nidus.efi says: lines that begin with "nidus: " on the firmware's console. Both functions
 * print one line. @pre boot services are running */
#ifndef BOOT_EFI_CONSOLE_H
#define BOOT_EFI_CONSOLE_H

#include "boot/line.h"

void console_say(const char *text);
void console_say_line(const struct line *l);

#endif
