/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of tests/data. */
#include "tests/lib/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Split in place; a quoted cell may hold commas. */
static void split(struct csv_row *r)
{
    char *p = r->text;
    r->cells = 0;
    while (r->cells < CSV_CELLS) {
        bool quoted = *p == '"';
        p += quoted;
        r->cell[r->cells++] = p;
        p = strpbrk(p, quoted ? "\"" : ",\r\n");
        if (p == NULL)
            return;
        if (quoted)
            *p++ = '\0';
        char end = *p;
        *p++ = '\0';
        if (end != ',')
            return;
    }
}

unsigned csv_read(const char *path, void (*row)(const struct csv_row *r, void *ctx), void *ctx)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "%s: cannot open (run from the tree's root)\n", path);
        abort();
    }
    struct csv_row r;
    unsigned rows = 0;
    while (fgets(r.text, sizeof r.text, f) != NULL) {
        split(&r);
        if (rows++ > 0)
            row(&r, ctx);
    }
    fclose(f);
    return rows - 1;
}
