/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes UTF-8 and UCS-2. Contract in text.h. Pure: the host tests link this file as it is. */
#include "boot/text.h"

/* Control characters apart from TAB, CR and LF are no text. Surrogates and non-characters are no
 * text either. */
static bool is_text(u32 c)
{
    if (c < 0x20)
        return c == '\t' || c == '\r' || c == '\n';
    return c != 0x7f && !(c >= 0xd800 && c <= 0xdfff) && c < 0xfffe;
}

/* The length of the UTF-8 sequence that begins with this byte, or 0 when no sequence for one UCS-2
 * unit begins so. */
static u32 utf8_length(u8 first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf) /* C0 and C1 would be overlong */
        return 2;
    return (first & 0xf0) == 0xe0 ? 3 : 0;
}

/* Only the shortest form of a character is accepted: an overlong '/' must not pass as '/'. */
static int utf8_next(struct text *t)
{
    static const u8 first_bits[4] = {0, 0x7f, 0x1f, 0x0f};
    const u8 *b = t->bytes + t->at;
    u32 n = utf8_length(*b);
    if (n == 0 || n > t->size - t->at)
        return TEXT_BAD;
    u32 c = *b & first_bits[n];
    for (u32 i = 1; i < n; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return TEXT_BAD;
        c = c << 6 | (b[i] & 0x3f);
    }
    if ((n == 3 && c < 0x800) || !is_text(c))
        return TEXT_BAD;
    t->at += n;
    return (int)c;
}

/* UCS-2 is little-endian, as in UEFI. Half a character at the end is bad. */
static int ucs2_next(struct text *t)
{
    if (t->size - t->at < 2)
        return TEXT_BAD;
    u32 c = t->bytes[t->at] | (u32)t->bytes[t->at + 1] << 8;
    if (!is_text(c))
        return TEXT_BAD;
    t->at += 2;
    return (int)c;
}

int text_next(struct text *t)
{
    if (t->at >= t->size)
        return TEXT_END;
    if (t->form == TEXT_BINARY)
        return TEXT_BAD;
    return t->form == TEXT_UCS2 ? ucs2_next(t) : utf8_next(t);
}

struct text text_of_file(const u8 *bytes, u32 size)
{
    if (size >= 2 && bytes[0] == 0xff && bytes[1] == 0xfe)
        return (struct text){bytes, size, 2, TEXT_UCS2};
    bool marked = size >= 3 && bytes[0] == 0xef && bytes[1] == 0xbb && bytes[2] == 0xbf;
    return (struct text){bytes, size, marked ? 3 : 0, TEXT_UTF8};
}

/* True when all bytes are text, and the text is empty or begins with a printable ASCII character.
 * The first character tells UCS-2 from ASCII: two ASCII bytes, read as UCS-2, are no ASCII
 * character. */
static bool reads_as(struct text t)
{
    int c = text_next(&t);
    if (c != TEXT_END && (c < 0x20 || c > 0x7e))
        return false;
    while (c >= 0)
        c = text_next(&t);
    return c == TEXT_END;
}

/* The number of bytes before the first zero character, or size when there is no zero character.
 * unit: bytes of a character. */
static u32 size_before_zero(const u8 *bytes, u32 size, u32 unit)
{
    for (u32 i = 0; i + unit <= size; i += unit)
        if (!bytes[i] && (unit == 1 || !bytes[i + 1]))
            return i;
    return size;
}

static bool all_zero(const u8 *bytes, u32 size)
{
    for (u32 i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

struct text text_of_load_options(const u8 *bytes, u32 size)
{
    static const enum text_form forms[] = {TEXT_UCS2, TEXT_UTF8};
    for (u32 i = 0; i < ARRAY_LEN(forms); i++) {
        u32 used = size_before_zero(bytes, size, forms[i] == TEXT_UCS2 ? 2 : 1);
        struct text t = {bytes, used, 0, forms[i]};
        if (all_zero(bytes + used, size - used) && reads_as(t))
            return t;
    }
    return (struct text){bytes, size, 0, TEXT_BINARY};
}
