/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in efi_sleep.h. sleep.c reads the tables. */
#include "boot/efi_sleep.h"

#include "boot/bytes.h"
#include "boot/efi_tables.h"
#include "boot/sleep.h"

#define LENGTH_AT 4 /* in every ACPI table */

static void look_at_table(u8 *table, u32 size, void *arg)
{
    struct sleep_found *s = arg;
    u64 dsdt = sleep_ports(table, size, s);
    if (dsdt)
        sleep_types((const u8 *)dsdt, (u32)little_endian((const u8 *)dsdt + LENGTH_AT, 4), s);
    if (size >= LENGTH_AT && has_signature(table, "SSDT"))
        sleep_types(table, size, s);
}

bool sleep_look(struct boot_sleep *at, struct line *why)
{
    struct sleep_found s = {0};
    bool needless;
    tables_each(look_at_table, &s);
    const char *no = sleep_settle(&s, &needless);
    line_clear(why);
    *at = (struct boot_sleep){0};
    if (no) {
        line_add(why, "S3 is not refused: ");
        line_add(why, no);
        return !needless;
    }
    *at = s.at;
    line_add(why, "S3 is refused at port ");
    line_add_hex(why, s.at.control[0]);
    return false;
}
