/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes a boot entry apart. Contract in entry.h. Pure: the host tests link this file as it is. */
#include "boot/menu/entry.h"

enum { ACTIVE = 1, CATEGORY = 0x1f00, TEXT_AT = 6, CATEGORY_BYTE = 1, LENGTH_AT = 4 };
enum { NODE = 4, MEDIA = 4, HARD_DRIVE = 1, HARD_DRIVE_NODE = 42, BIOS = 5, END = 0x7f };

static size_t word(const uint8_t *at)
{
    return at[0] | (size_t)at[1] << 8;
}

/* Every node lies inside the list, a partition's node has all its members, and there is an end. */
static bool is_whole(const uint8_t *at, size_t size)
{
    while (size >= NODE) {
        size_t n = word(at + 2);

        if (n < NODE || n > size)
            return false;
        if (at[0] == END)
            return true;
        if (at[0] == MEDIA && at[1] == HARD_DRIVE && n < HARD_DRIVE_NODE)
            return false;
        at += n;
        size -= n;
    }
    return false;
}

bool entry_parse(const uint8_t *entry, size_t size, struct entry_parts *parts)
{
    size_t at = TEXT_AT, length;

    if (size < TEXT_AT + 2 || !(entry[0] & ACTIVE) || entry[CATEGORY_BYTE] & CATEGORY >> 8)
        return false;
    length = word(entry + LENGTH_AT);
    while (at + 2 <= size && word(entry + at))
        at += 2;
    at += 2;
    if (at > size || length > size - at || !is_whole(entry + at, length) || entry[at] == BIOS ||
        entry[at] == END)
        return false;
    *parts = (struct entry_parts){TEXT_AT, at, at + length, size - at - length};
    return true;
}
