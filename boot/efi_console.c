/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's text output, one line at a time. Contract in efi_console.h. */
#include "boot/efi_console.h"

#include "boot/options.h"

#include <efi.h>
#include <efilib.h>

#define KEYS_OF_BEFORE 64u
#define SECOND         10000000ull /* in units of 100 ns */

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

void console_say_text(const char *begin, const char *text)
{
    put(begin);
    put(text);
    put("\r\n");
}

void console_say(const char *text)
{
    console_say_text("nidus: ", text);
}

void console_say_line(const struct line *l)
{
    console_say(l->text);
}

/* True when the firmware itself started us, and goes on with its next boot option when we return. A
 * program, like a shell, leaves our words where they are. */
static bool by_firmware(EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *self, *parent;
    if (EFI_ERROR(BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self)))
        return false;
    return !self->ParentHandle ||
           EFI_ERROR(
               BS->HandleProtocol(self->ParentHandle, &LoadedImageProtocol, (VOID **)&parent)) ||
           parent->ImageCodeType != EfiLoaderCode;
}

void console_wait(void *image, u32 wait)
{
    EFI_EVENT events[2];
    EFI_INPUT_KEY key;
    UINTN which;
    bool wanted = wait == WAIT_ON || (wait == WAIT_AUTO && by_firmware(image));
    if (!wanted || !ST->ConIn || !ST->ConsoleInHandle ||
        EFI_ERROR(BS->CreateEvent(EVT_TIMER, 0, NULL, NULL, &events[0])))
        return;
    console_say("press a key, or wait ten seconds");
    for (u32 i = 0; i < KEYS_OF_BEFORE; i++)
        if (EFI_ERROR(ST->ConIn->ReadKeyStroke(ST->ConIn, &key)))
            break;
    events[1] = ST->ConIn->WaitForKey;
    BS->SetTimer(events[0], TimerRelative, 10 * SECOND);
    BS->WaitForEvent(2, events, &which);
    BS->CloseEvent(events[0]);
}
