/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes a boot entry apart. Contract in entry.h. Pure: the host tests link this file as it is. */
#include "boot/menu/entry.h"

enum { ACTIVE = 1, CATEGORY = 0x1f00, TEXT_AT = 6, CATEGORY_BYTE = 1, LENGTH_AT = 4 };
enum { NODE = 4, MEDIA = 4, HARD_DRIVE = 1, HARD_DRIVE_NODE = 42, BIOS = 5, END = 0x7f };
/* In a partition's node: the number and the start stand before its size. */
enum { PARTITION_SIZE_AT = 16, SIGNATURE_AT = 24, SIGNATURE_SIZE = 16, SIGNATURE_TYPE_AT = 41 };

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

static bool equal(const uint8_t *a, const uint8_t *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static bool is_partition(const uint8_t *node)
{
    return node[0] == MEDIA && node[1] == HARD_DRIVE;
}

/* The number and the start, and the signature with its type: not the size, nor the disk's format.
 * Without a signature, any two disks are alike. */
static bool same_partition(const uint8_t *a, const uint8_t *b)
{
    return a[SIGNATURE_TYPE_AT] && equal(a + NODE, b + NODE, PARTITION_SIZE_AT - NODE) &&
           equal(a + SIGNATURE_AT, b + SIGNATURE_AT, SIGNATURE_SIZE) &&
           a[SIGNATURE_TYPE_AT] == b[SIGNATURE_TYPE_AT];
}

static bool names_partition(const uint8_t *path, const uint8_t *wanted)
{
    for (; path[0] != END; path += word(path + 2))
        if (is_partition(path) && same_partition(path, wanted))
            return true;
    return false;
}

bool path_is_on(const uint8_t *path, const uint8_t *own)
{
    const uint8_t *p = path;
    size_t n;

    for (; p[0] != END && own[0] != END; p += n, own += n) {
        n = word(own + 2);
        if (n != word(p + 2) || !equal(p, own, n))
            break;
    }
    if (p != path && (p[0] == END || own[0] == END))
        return true;
    for (; own[0] != END; own += word(own + 2))
        if (is_partition(own) && names_partition(path, own))
            return true;
    return false;
}
