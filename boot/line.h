/*
 * One line of text, built piece by piece, in ASCII. Everything that boot/ says goes through it,
 * so that the pure files can word a refusal and the host can test the words.
 * What does not fit is cut off; the text is always terminated.
 */
#ifndef BOOT_LINE_H
#define BOOT_LINE_H

#include "hv/arch/types.h"

struct line {
    char text[240];
    u32 len;
};

void line_clear(struct line *l);
void line_add(struct line *l, const char *text);
void line_add_char(struct line *l, char c);
void line_add_decimal(struct line *l, u64 v);
void line_add_hex(struct line *l, u64 v);

/* Adds n characters that somebody else wrote: cut after 60, '?' for what is not printable
 * ASCII. */
void line_add_foreign(struct line *l, const u16 *text, u32 n);

#endif
