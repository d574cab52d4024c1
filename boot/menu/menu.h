/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stick's menu: it starts every other program on the stick, keeps what they print, and writes
 * it to \nidus\REPORT-n.txt before and after each step that may end badly. It launches Nidus only
 * when somebody has asked for that twice. menu.c has the loop; what a report is: report.h.
 */
#ifndef BOOT_MENU_MENU_H
#define BOOT_MENU_MENU_H

#include <efi.h>
#include <efilib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- screen.c: text on the firmware's console, keys ---- */

void say(const char *text);               /* a line */
void say_part(const char *text);          /* without the end of a line */
char key_now(void);                       /* a key that was pressed, or 0 */
char key_wait(unsigned seconds);          /* the next key; 0 when the time is over; 0: no limit */
bool confirm(const char *what, char key); /* asks; true when that key is pressed */
/* Gives all console text of other programs to the function as well, or, with `only`, instead of the
 * screen. NULL ends that. */
void screen_copy_to(void (*take)(const CHAR16 *text), bool only);

/* ---- child.c: the other programs ---- */

enum { TRANSCRIPT_MAX = 512 * 1024, CONSOLE_MAX = 96 * 1024 };

/* What a program printed: a test's transcript, and the console. Both end in a zero. */
struct child {
    EFI_STATUS status;
    const char *refused; /* why it was not started; NULL when it was */
    char *transcript, *console;
    size_t transcript_length, console_length;
    UINT64 lost;
};

bool child_begin(EFI_HANDLE self); /* memory and the sink; false: not enough */
/* Starts the program \nidus\NAME.efi with these arguments. `low`: it needs to lie, with our stack,
 * below 4 GiB, as tests do. seconds: the firmware resets the machine when it takes longer; 0:
 * never. What it printed is valid until the next call. */
struct child *child_run(const char *name, const char *arguments, bool low, unsigned seconds);
/* Starts an image by its device path; the options are those of a boot entry. Comes back when that
 * returns. */
EFI_STATUS child_start(EFI_DEVICE_PATH *path, void *options, UINTN size);
EFI_HANDLE child_device(void); /* the stick's volume */
/* Its device path, which holds when the stick has been taken out; NULL: the firmware told none. */
EFI_DEVICE_PATH *child_path(void);
/* What programs print from now on does not reach the screen; or does. */
void child_silent(bool silent);

/* ---- steps.c: what the numbers do ---- */

void step_check(void);
void step_dry(void);
void step_blink(void);
void step_tests(void);
void step_cycles(void);
void step_linux(void);
void step_installed(void);

/* ---- live.c: what a live Nidus tells ---- */

void menu_cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4]);
/* True when what runs here is L1: this menu has launched Nidus, or CPUID says so. */
bool nidus_is_live(void);
void nidus_was_launched(void);
/* True when a program could enter VMX operation here: the processor has it, or the Nidus under us,
 * and it is not switched off. */
bool vmx_is_usable(void);
/* If a live Nidus answers, two sections: exits of L1 and L2 by reason, and what L0 has logged since
 * the last time. */
void report_live(void);

/* ---- parts of steps ---- */

/* Asks, launches, and says how it went. True when Nidus is live. */
bool nidus_make_live(const char *options);
void tests_run(void);     /* tests.c */
void installed_run(void); /* installed.c */

/* The number of the step and how it went, for the code on the screen. */
void verdict(char step, bool well, const char *text);

#endif
