/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cuts lines into words, and takes the path out of a program's command line. A word ends at a
 * space, a tab or a line end outside quotes. Pure.
 */
#ifndef BOOT_WORDS_H
#define BOOT_WORDS_H

#include "hv/arch/types.h"
#include "boot/line.h"

/* Part of a line; not terminated. */
struct word {
    const u16 *text;
    u32 len;
};

/* True when the word is `name`, letter by letter. */
bool word_is(struct word w, const char *name);
/* The same for the part before a '=', with capitals taken for small letters. */
bool word_resembles(struct word w, const char *name);
/* Says `what` and the word in quotes, and returns false for the caller to return. */
bool word_bad(struct word w, const char *what, struct line *why);

/* Read a whole word: one to three decimal digits, or 0x and one to four hexadecimal digits behind
 * the text `begin`. Return false, and leave *number, when the word is something else. */
MUST_CHECK bool word_decimal(struct word w, u32 *number);
MUST_CHECK bool word_hex(struct word w, const char *begin, u32 *number);

/* The word without the spaces before and behind it. */
struct word word_trim(struct word w);

/* The length of the first word of a line, with its quotes, in characters. *closed becomes true when
 * every quote in the word is closed. @pre the line does not begin with a space */
u32 word_length(struct word line, bool *closed);

/*
 * Stores the path of the program that a command line starts. The path is the first word without
 * quotes, with one '\' for each run of '\' and '/', and ends in a zero. A relative path is put
 * behind folder, which is empty or ends in '\'. size: room in `path`, in characters. Returns false
 * when the path does not fit.
 */
MUST_CHECK bool words_program_path(const u16 *command, const u16 *folder, u16 *path, u32 size);

#endif
