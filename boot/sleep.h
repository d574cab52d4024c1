/* SPDX-License-Identifier: BSD-2-Clause */
/* How this machine is told to sleep in S3, by its ACPI tables: the ports, and the values of the
 * sleep type. Pure: the tables' bytes in. */
#ifndef BOOT_SLEEP_H
#define BOOT_SLEEP_H

#include "hv/core/boot_info.h"

struct sleep_found {
    struct boot_sleep at; /* the ports; a port of 0 does not exist */
    u8 lost[2], kept[2];  /* by port: the types of S2 and S3; of every other state. A bit a type */
    bool fadt, unreachable; /* a FADT was there; it names registers that are no ports */
};

/* Takes the ports from the FADT. Returns the physical address of the DSDT; 0: none, or no FADT. */
u64 sleep_ports(const u8 *fadt, u32 size, struct sleep_found *s);

/* Adds the sleep types of the packages _S1 to _S5 that an ACPI table's bytes define. Nothing beyond
 * size is read. */
void sleep_types(const u8 *table, u32 size, struct sleep_found *s);

/* NULL when s->at says all that L0 needs to refuse S3; else why L0 cannot, or why it need not:
 * *needless tells which. */
const char *sleep_settle(struct sleep_found *s, bool *needless);

#endif
