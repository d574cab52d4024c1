/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two transcripts of one program, bare and under Nidus, line by line, with the differences that
 * docs/CAVEATS.md permits on any processor. tools/rig/transcript.py is the exact judge; this one is
 * for the screen of a machine that has no Python. Pure.
 */
#ifndef BOOT_MENU_COMPARE_H
#define BOOT_MENU_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

struct comparison {
    unsigned differ, permitted; /* lines, or pairs of them */
};

/* permits: globs of cases, one a line, which may end in ~ and a number. show() gets each line that
 * differs and may not, with '-' bare and '+' under Nidus. What stands before BEGIN and from END on
 * is not compared: both texts are cut there. */
struct comparison compare_transcripts(char *bare, char *nidus, const char *permits,
                                      void (*show)(char sign, const char *line));

size_t line_length(const char *at);
const char *line_after(const char *at); /* the next line; the terminator when there is none */

#endif
