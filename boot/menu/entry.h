/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A boot entry of the firmware, the contents of a variable Boot0001: whoever wrote it, its lengths
 * may be wrong. UEFI 3.1.3 "Load Options", 10.3 "Device Path Nodes". Pure.
 */
#ifndef BOOT_MENU_ENTRY_H
#define BOOT_MENU_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the parts of an entry lie in its bytes. */
struct entry_parts {
    size_t text;  /* the description, two bytes a character, which ends in a zero */
    size_t paths; /* a device path, whole, with its end */
    size_t options, options_size;
};

/* False when the entry starts no operating system: it is broken, or switched off, or a tool of the
 * firmware's, or for a BIOS. */
bool entry_parse(const uint8_t *entry, size_t size, struct entry_parts *parts);

/* True when the device path leads to the disk or volume at which `own` ends, or to something on
 * it: one begins with the other, or it names the partition that `own` ends in.
 * @pre both are whole: every node lies inside, a partition's has its members, an end is there */
bool path_is_on(const uint8_t *path, const uint8_t *own);

#endif
