/* SPDX-License-Identifier: BSD-2-Clause */
/* Words, quotes and paths. Contract in words.h. Pure: the host tests link this file as it is. */
#include "boot/words.h"

/* Line ends count as spaces: in a file with CR LF, the CR is still there when the LF has been cut
 * off. */
static bool is_space(u16 c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool word_is(struct word w, const char *name)
{
    for (u32 i = 0; i < w.len; i++)
        if (w.text[i] != (u8)name[i]) /* true at the end of name, as no character of w is 0 */
            return false;
    return !name[w.len];
}

bool word_resembles(struct word w, const char *name)
{
    u32 i = 0;
    for (; i < w.len && w.text[i] != '=' && name[i]; i++) {
        bool capital = w.text[i] >= 'A' && w.text[i] <= 'Z';
        if ((capital ? w.text[i] + 'a' - 'A' : w.text[i]) != name[i])
            return false;
    }
    return !name[i] && (i == w.len || w.text[i] == '=');
}

bool word_bad(struct word w, const char *what, struct line *why)
{
    line_add(why, what);
    line_add_char(why, '"');
    line_add_foreign(why, w.text, w.len);
    line_add_char(why, '"');
    return false;
}

bool word_decimal(struct word w, u32 *number)
{
    u32 n = 0;
    if (!w.len || w.len > 3)
        return false;
    for (u32 i = 0; i < w.len; i++) {
        if (w.text[i] < '0' || w.text[i] > '9')
            return false;
        n = n * 10 + w.text[i] - '0';
    }
    *number = n;
    return true;
}

bool word_hex(struct word w, const char *begin, u32 *number)
{
    u32 at = 0, n = 0;
    while (begin[at] && at < w.len && w.text[at] == (u8)begin[at])
        at++;
    if (begin[at] || w.len < at + 3 || w.len > at + 6 || w.text[at] != '0' || w.text[at + 1] != 'x')
        return false;
    for (at += 2; at < w.len; at++) {
        u32 c = w.text[at], letter = (c | 0x20) - 'a';
        if ((c < '0' || c > '9') && letter > 5)
            return false;
        n = n << 4 | (c <= '9' ? c - '0' : letter + 10);
    }
    *number = n;
    return true;
}

struct word word_trim(struct word w)
{
    while (w.len && is_space(*w.text))
        w.text++, w.len--;
    while (w.len && is_space(w.text[w.len - 1]))
        w.len--;
    return w;
}

u32 word_length(struct word line, bool *closed)
{
    bool quoted = false;
    u32 n = 0;
    for (; n < line.len && (quoted || !is_space(line.text[n])); n++)
        quoted ^= line.text[n] == '"';
    *closed = !quoted;
    return n;
}

bool words_program_path(const u16 *command, const u16 *folder, u16 *path, u32 size)
{
    struct word w = {command, 0};
    bool closed;
    u32 n = 0;
    while (command[w.len])
        w.len++;
    w.len = word_length(w, &closed);
    /* A path from the root gets no folder before it. A quote may stand before the path. */
    u16 first = w.len && *w.text == '"' ? w.text[1] : *w.text;
    for (; first != '\\' && first != '/' && *folder; n++) {
        if (n + 1 >= size)
            return false;
        path[n] = *folder++;
    }
    for (u32 i = 0; i < w.len; i++) {
        u16 c = w.text[i] == '/' ? '\\' : w.text[i];
        if (c == '"' || (c == '\\' && n && path[n - 1] == '\\'))
            continue; /* somebody's shell may have doubled the separator */
        if (n + 1 >= size)
            return false;
        path[n++] = c;
    }
    path[n] = 0;
    return true;
}
