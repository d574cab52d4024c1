/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks the MADT's entries. Contract in madt.h.
 * ACPI 5.2.12 "Multiple APIC Description Table (MADT)" */
#include "boot/madt.h"

#include "boot/bytes.h"

enum {
    HEADER_SIZE = 44, /* the common header, the local APIC's address, flags */
    LOCAL_APIC = 0,
    LOCAL_APIC_SIZE = 8,
    LOCAL_APIC_ID = 3,
    LOCAL_APIC_FLAGS = 4,
    LOCAL_X2APIC = 9,
    LOCAL_X2APIC_SIZE = 16,
    LOCAL_X2APIC_ID = 4,
    LOCAL_X2APIC_FLAGS = 8,
    FLAG_ENABLED = 1,
};

/* A processor with an id above 254 has only an x2APIC entry, so no processor is counted twice.
 * Entries with only the flag "online capable" do not count: their processors are not there yet. */
static bool is_enabled_processor(const u8 *entry, u32 length)
{
    if (entry[0] == LOCAL_APIC && length >= LOCAL_APIC_SIZE)
        return entry[LOCAL_APIC_FLAGS] & FLAG_ENABLED;
    if (entry[0] == LOCAL_X2APIC && length >= LOCAL_X2APIC_SIZE)
        return entry[LOCAL_X2APIC_FLAGS] & FLAG_ENABLED;
    return false;
}

static u32 apic_id(const u8 *entry)
{
    if (entry[0] == LOCAL_APIC)
        return entry[LOCAL_APIC_ID];
    return (u32)little_endian(entry + LOCAL_X2APIC_ID, 4);
}

u32 madt_processors(const u8 *table, u32 size, u32 *ids, u32 max)
{
    u32 count = 0;
    if (size < HEADER_SIZE || !has_signature(table, "APIC"))
        return 0;
    for (u32 at = HEADER_SIZE; size - at >= 2;) {
        u32 length = table[at + 1];
        /* With a length of 0 the loop would never end. A length beyond the table would make it read
         * behind the table. */
        if (length < 2 || length > size - at)
            break;
        if (is_enabled_processor(table + at, length)) {
            if (count < max)
                ids[count] = apic_id(table + at);
            count++;
        }
        at += length;
    }
    return count;
}
