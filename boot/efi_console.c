/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's text output, one line at a time. Contract in efi_console.h. */
#include "boot/efi_console.h"

#include <efi.h>
#include <efilib.h>

/* Prints ASCII text. The console takes UCS-2. */
static void put(const char *text)
{
    CHAR16 wide[64];
    while (*text) {
        UINTN n = 0;
        while (*text && n < ARRAY_LEN(wide) - 1)
            wide[n++] = (CHAR16)*text++;
        wide[n] = 0;
        ST->ConOut->OutputString(ST->ConOut, wide);
    }
}

void console_say(const char *text)
{
    put("nidus: ");
    put(text);
    put("\r\n");
}

void console_say_line(const struct line *l)
{
    console_say(l->text);
}
