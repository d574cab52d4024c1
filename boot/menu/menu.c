/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop: a screen, a key, a step. Contract in menu.h. */
#include "boot/menu/menu.h"

#include "boot/menu/files.h"
#include "guest-tests/lib/gt_format.h"
#include "boot/menu/report.h"

enum { PATIENCE = 30 /* seconds */ };

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st);

static const struct {
    char key;
    const char *text;
    void (*step)(void);
} item[] = {
    {'1', "check             what this machine has; launches nothing", step_check},
    {'2', "dry run           everything but the launch, and back", step_dry},
    {'3', "blink             launches, takes one VM exit, and leaves again", step_blink},
    {'4', "self-tests        on the bare machine, then Nidus stays, then under it", step_tests},
    {'5', "cycles            what instructions cost, bare or under Nidus", step_cycles},
    {'6', "Linux             Nidus stays, and Linux from this stick runs on it", step_linux},
    {'7', "installed system  Nidus stays, and a system of this machine runs on it", step_installed},
    {'8', "quit              back to the firmware", NULL},
};
enum { ITEMS = sizeof item / sizeof *item };

static char version[80];

static void show(void)
{
    char text[160];

    say("");
    gt_format(text, sizeof text, "Nidus %s, from a stick. Report: %s", version, report_name());
    say(text);
    say(nidus_is_live() ? "Nidus is LIVE under this menu until the machine is switched off."
                        : "Nothing is launched. This machine's disks are not written to.");
    for (unsigned i = 0; i < ITEMS; i++) {
        gt_format(text, sizeof text, "  %c  %s", item[i].key, item[i].text);
        say(text);
    }
}

/* The first key; nobody there after half a minute means 1, which launches nothing. */
static char first_key(void)
{
    char k;

    say("In 30 seconds without a key: 1, check.");
    k = key_wait(PATIENCE);
    return k ? k : '1';
}

static bool do_step(char key)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        if (item[i].key != key)
            continue;
        if (!item[i].step)
            return false;
        say("");
        item[i].step();
    }
    return true;
}

static void loop(void)
{
    char key;

    show();
    key = first_key();
    while (do_step(key)) {
        show();
        say("Which?");
        key = key_wait(0);
    }
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    char *rest = version, *line;

    InitializeLib(image, st);
    BS->SetWatchdogTimer(0, 0, 0, NULL);
    if (!child_begin(image)) {
        say("nidus: the menu finds no memory below 4 GiB");
        return EFI_OUT_OF_RESOURCES;
    }
    file_read("version.txt", version, sizeof version);
    line = file_line(&rest);
    gt_format(version, sizeof version, "%s", line ? line : "unknown");
    report_begin(child_device());
    report_mark("menu", version);
    loop();
    report_mark("quit", nidus_is_live() ? "nidus is live" : "bare");
    return EFI_SUCCESS;
}
