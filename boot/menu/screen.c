/* SPDX-License-Identifier: BSD-2-Clause */
/* The console: text, keys, and a copy of what other programs print. Contract in menu.h. */
#include "guest-tests/lib/gt_format.h"
#include "boot/menu/menu.h"

enum { PER_SECOND = 20, TICK = 50000 /* microseconds */ };

void say_part(const char *text)
{
    CHAR16 wide[128];

    while (*text) {
        UINTN n = 0;

        while (*text && n < 127)
            wide[n++] = (CHAR16)*text++;
        wide[n] = 0;
        if (ST->ConOut)
            ST->ConOut->OutputString(ST->ConOut, wide);
    }
}

void say(const char *text)
{
    say_part(text);
    say_part("\r\n");
}

char key_now(void)
{
    EFI_INPUT_KEY key;

    if (!ST->ConIn || EFI_ERROR(ST->ConIn->ReadKeyStroke(ST->ConIn, &key)))
        return 0;
    return key.UnicodeChar > ' ' && key.UnicodeChar < 0x7f ? (char)key.UnicodeChar : '\r';
}

char key_wait(unsigned seconds)
{
    for (unsigned ticks = 0; seconds == 0 || ticks < seconds * PER_SECOND; ticks++) {
        char k = key_now();

        if (k)
            return k;
        BS->Stall(TICK);
    }
    return 0;
}

bool confirm(const char *what, char key)
{
    char text[100];

    /* A key that was pressed before the question is no answer to it. */
    while (key_now())
        ;
    say(what);
    gt_format(text, sizeof text, "Press %c for yes; any other key goes back to the menu.", key);
    say(text);
    return key_wait(0) == key;
}

static SIMPLE_TEXT_OUTPUT_INTERFACE *console;
static EFI_TEXT_OUTPUT_STRING original;
static void (*taker)(const CHAR16 *text);
static bool silent;

static EFI_STATUS EFIAPI copied(SIMPLE_TEXT_OUTPUT_INTERFACE *self, CHAR16 *text)
{
    if (taker && text)
        taker(text);
    return silent ? EFI_SUCCESS : original(self, text);
}

void screen_copy_to(void (*take)(const CHAR16 *text), bool only)
{
    if (console && console->OutputString == (EFI_TEXT_OUTPUT_STRING)copied)
        console->OutputString = original;
    taker = take;
    silent = only;
    if (!take || !ST->ConOut)
        return;
    console = ST->ConOut;
    original = console->OutputString;
    console->OutputString = (EFI_TEXT_OUTPUT_STRING)copied;
}
