/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in ucode.h. SDM 3A 9.11 "Microcode Update Facilities" */
#include "boot/ucode.h"

#include "boot/bytes.h"

enum {
    HEADER_VERSION = 0, /* offsets in the header */
    REVISION = 4,
    DATE = 8,
    SIGNATURE = 12,
    CHECKSUM = 16,
    LOADER = 20,
    FLAGS = 24,
    DATA_SIZE = 28,
    TOTAL_SIZE = 32,
    OLD_DATA_SIZE = 2000, /* where the data size is 0 */
    OLD_TOTAL_SIZE = 2048,
    TOTAL_UNIT = 1024,
    TABLE_HEADER_SIZE = 20, /* of the extended signature table: count, checksum, 12 bytes */
    ENTRY_SIZE = 12,        /* signature, flags, checksum */
    ENTRY_FLAGS = 4,
    ENTRY_CHECKSUM = 8,
};

static u32 word(const u8 *at, u32 offset)
{
    return (u32)little_endian(at + offset, 4);
}

static u32 sum(const u8 *at, u32 bytes)
{
    u32 total = 0;
    for (u32 i = 0; i < bytes; i += 4)
        total += word(at, i);
    return total;
}

/* One update in the file. table is the extended signature table; NULL: it has none. */
struct update {
    const u8 *at;
    u32 data, total, entries;
    const u8 *table;
};

/* The sizes. @pre `left` bytes stand at u->at */
static const char *measure(struct update *u, u32 left)
{
    if (left < UCODE_HEADER_SIZE)
        return "is cut within a header";
    if (word(u->at, HEADER_VERSION) != 1 || word(u->at, LOADER) != 1)
        return "is no microcode update of header version 1 and loader revision 1";
    u->data = word(u->at, DATA_SIZE);
    u->total = u->data ? word(u->at, TOTAL_SIZE) : OLD_TOTAL_SIZE;
    u->data = u->data ? u->data : OLD_DATA_SIZE;
    if (u->data % 4 || u->total % TOTAL_UNIT || u->total < UCODE_HEADER_SIZE ||
        u->data > u->total - UCODE_HEADER_SIZE)
        return "has an update whose sizes do not fit";
    return u->total > left ? "is cut within an update" : NULL;
}

/* The extended signature table behind the data, if there is one. */
static const char *find_table(struct update *u)
{
    u32 at = UCODE_HEADER_SIZE + u->data, room = u->total - at;
    u->table = NULL;
    u->entries = 0;
    if (room < TABLE_HEADER_SIZE || !word(u->at, at))
        return NULL;
    u->table = u->at + at;
    u->entries = word(u->table, 0);
    if (u->entries > (room - TABLE_HEADER_SIZE) / ENTRY_SIZE)
        return "has a table of signatures that does not fit";
    return sum(u->table, TABLE_HEADER_SIZE + u->entries * ENTRY_SIZE)
               ? "has a wrong checksum in a table of signatures"
               : NULL;
}

static bool matches(const u8 *signature, const u8 *flags, struct ucode_cpu cpu)
{
    return word(signature, 0) == cpu.signature && (word(flags, 0) >> (cpu.platform & 7) & 1);
}

/* Among the table's signatures. An entry's checksum stands for the header's when the entry's
 * signature and flags stand there too. */
static const char *match_table(const struct update *u, struct ucode_cpu cpu, bool *found)
{
    const u8 *h = u->at, *e = u->table + TABLE_HEADER_SIZE;
    u32 own = word(h, SIGNATURE) + word(h, FLAGS) + word(h, CHECKSUM);
    for (u32 i = 0; i < u->entries; i++, e += ENTRY_SIZE) {
        if (word(e, 0) + word(e, ENTRY_FLAGS) + word(e, ENTRY_CHECKSUM) != own)
            return "has a wrong checksum in a signature";
        *found |= matches(e, e + ENTRY_FLAGS, cpu);
    }
    return NULL;
}

bool ucode_is_newer(u32 a, u32 b)
{
    return (a ^ 1u << 31) > (b ^ 1u << 31);
}

const char *ucode_find(const u8 *file, u32 size, struct ucode_cpu cpu, struct ucode *out)
{
    bool any = false;
    if (!size)
        return "is empty";
    for (u32 at = 0; at < size;) {
        struct update u = {.at = file + at};
        const char *why = measure(&u, size - at);
        if (!why && sum(u.at, u.total))
            why = "has a wrong checksum";
        if (!why)
            why = find_table(&u);
        bool found = !why && matches(u.at + SIGNATURE, u.at + FLAGS, cpu);
        if (!why && u.table)
            why = match_table(&u, cpu, &found);
        if (why)
            return why;
        u32 revision = word(u.at, REVISION);
        if (found && (!any || ucode_is_newer(revision, out->revision)))
            *out = (struct ucode){at, u.total, revision, word(u.at, DATE)};
        any |= found;
        at += u.total;
    }
    return any ? NULL : "has no update for this processor";
}
