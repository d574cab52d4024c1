/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds lines of text. Contract in line.h. Pure: the host tests link this file as it is. There are
 * no format strings. Each kind of piece has a function, so no text of a user's is ever a format.
 */
#include "boot/line.h"

enum { FOREIGN_MAX = 60 };

void line_clear(struct line *l)
{
    l->len = 0;
    l->text[0] = 0;
}

void line_add_char(struct line *l, char c)
{
    if (l->len + 1 >= sizeof l->text)
        return;
    l->text[l->len++] = c;
    l->text[l->len] = 0;
}

void line_add(struct line *l, const char *text)
{
    while (*text)
        line_add_char(l, *text++);
}

void line_add_decimal(struct line *l, u64 v)
{
    char digits[20];
    u32 n = 0;
    do { /* from the last digit on; the number 0 has one digit */
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n)
        line_add_char(l, digits[--n]);
}

void line_add_hex(struct line *l, u64 v)
{
    int shift = 60; /* the place of the first digit that is not 0 */
    while (shift && !(v >> shift))
        shift -= 4;
    line_add(l, "0x");
    for (; shift >= 0; shift -= 4)
        line_add_char(l, "0123456789abcdef"[v >> shift & 15]);
}

void line_add_foreign(struct line *l, const u16 *text, u32 n)
{
    u32 shown = n < FOREIGN_MAX ? n : FOREIGN_MAX;
    for (u32 i = 0; i < shown; i++)
        line_add_char(l, text[i] >= 0x20 && text[i] < 0x7f ? (char)text[i] : '?');
    if (shown < n)
        line_add(l, "...");
}
