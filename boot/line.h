/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line of text in ASCII, built piece by piece. Everything that boot/ says goes through a struct
 * line, so pure files can word a refusal and the host tests can test the words. Text that does not
 * fit is cut off. The text always ends in a zero.
 */
#ifndef BOOT_LINE_H
#define BOOT_LINE_H

#include "hv/arch/types.h"

struct line {
    char text[480];
    u32 len;
};

/* Each line_add function appends to the line: a text, a character, or a number in decimal or in
 * hexadecimal with 0x. line_clear makes the line empty. */
void line_clear(struct line *l);
void line_add(struct line *l, const char *text);
void line_add_char(struct line *l, char c);
void line_add_decimal(struct line *l, u64 v);
void line_add_hex(struct line *l, u64 v);

/* Adds n characters that somebody else wrote. The text is cut after 60 characters. A character that
 * is not printable ASCII becomes '?'. */
void line_add_foreign(struct line *l, const u16 *text, u32 n);

#endif
