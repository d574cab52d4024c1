/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the facts of tests/data: comma-separated rows, quoted cells, no header logic. */
#ifndef TESTS_CSV_H
#define TESTS_CSV_H

#include "hv/arch/types.h"

#define CSV_CELLS 8

struct csv_row {
    unsigned cells;
    char text[512];
    const char *cell[CSV_CELLS];
};

/* Calls row() for each line after the header; returns the number of rows. Fails the running
 * test when the file is missing. Paths are relative to the tree's root. */
unsigned csv_read(const char *path, void (*row)(const struct csv_row *r, void *ctx), void *ctx);

#endif
