/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What EPT01 consists of: how many leaves of each size have which memory type. boot/ walks the
 * tables by itself, so the sum is a second opinion on what the core has built. Pure: EPT's tables
 * are plain memory.
 */
#ifndef BOOT_EPT01_H
#define BOOT_EPT01_H

#include "boot/line.h"

enum { EPT01_SIZES = 3, EPT01_TYPES = 8 };

struct ept01_sum {
    u64 leaf[EPT01_SIZES][EPT01_TYPES]; /* of 4 KiB, 2 MiB, 1 GiB; by memory type */
    u64 tables;
    u64 elsewhere; /* leaves that lead to another address than their own */
};

/* Sums up the tables below the EPT pointer. @pre the tables are mapped at their physical
 * addresses */
void ept01_add(struct ept01_sum *s, u64 eptp);

/* Appends the leaves of one memory type as in "WB 1G 3 2M 510 4K 512". False, and nothing is
 * appended, when the type has none. */
MUST_CHECK bool ept01_describe(const struct ept01_sum *s, u32 type, struct line *l);

#endif
