/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks the MP table. Contract in mptable.h. MultiProcessor Specification 1.4, chapter 4 */
#include "boot/mptable.h"

#include "boot/bytes.h"

enum {
    POINTER_SIZE = 16,
    POINTER_TABLE = 4, /* where the structure holds the table's address */
    POINTER_FEATURE1 = 11,
    HEADER_SIZE = 44,
    HEADER_LENGTH = 4,
    HEADER_COUNT = 34,
    PROCESSOR = 0,
    PROCESSOR_SIZE = 20,
    PROCESSOR_ID = 1,
    PROCESSOR_FLAGS = 3,
    FLAG_ENABLED = 1,
    OTHER_SIZE = 8,
    OTHER_LAST = 4, /* the last kind of entry that the base table has */
};

/* All bytes of a structure add up to 0. */
static bool sum_is_right(const u8 *at, u32 size)
{
    u8 sum = 0;
    for (u32 i = 0; i < size; i++)
        sum = (u8)(sum + at[i]);
    return sum == 0;
}

/* Without a table, feature byte 1 names one of the default configurations of two processors, which
 * no machine with VMX has. */
u32 mptable_find(const u8 *memory, u32 size)
{
    for (u32 at = 0; at + POINTER_SIZE <= size; at += POINTER_SIZE)
        if (has_signature(memory + at, "_MP_") && sum_is_right(memory + at, POINTER_SIZE) &&
            memory[at + POINTER_FEATURE1] == 0)
            return (u32)little_endian(memory + at + POINTER_TABLE, 4);
    return 0;
}

u32 mptable_processors(const u8 *table, u32 size, u32 *ids, u32 max)
{
    u32 count = 0;
    if (size < HEADER_SIZE || !has_signature(table, "PCMP"))
        return 0;
    u32 length = (u32)little_endian(table + HEADER_LENGTH, 2);
    u32 entries = (u32)little_endian(table + HEADER_COUNT, 2);
    if (length < HEADER_SIZE || length > size || !sum_is_right(table, length))
        return 0;
    for (u32 at = HEADER_SIZE; entries && at < length; entries--) {
        const u8 *e = table + at;
        u32 bytes = e[0] == PROCESSOR ? PROCESSOR_SIZE : OTHER_SIZE;
        if (e[0] > OTHER_LAST || bytes > length - at)
            break;
        if (e[0] == PROCESSOR && (e[PROCESSOR_FLAGS] & FLAG_ENABLED)) {
            if (count < max)
                ids[count] = e[PROCESSOR_ID];
            count++;
        }
        at += bytes;
    }
    return count;
}
