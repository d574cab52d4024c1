/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of an input, cleaned: without what logs, terminals and mail put around and into them. Only
 * the files of this folder that read include this.
 */
#ifndef TOOLS_VMCS12_WHY_CLEAN_H
#define TOOLS_VMCS12_WHY_CLEAN_H

#include "hv/arch/types.h"

#define LINE_ROOM 2048

struct source {
    const char *bytes;
    size_t length, at;
    u32 number; /* of the line that comes next */
    u32 start;  /* the column at which the next piece begins */
    bool quoted_printable;
};

/* A line, or a piece of a very long one, with a NUL behind it. */
struct line {
    char text[LINE_ROOM];
    u16 column[LINE_ROOM]; /* of each character in the input, from 1; 0xffff stands for more */
    size_t length;
    u32 number;
    bool unended; /* the input ends here without an end of line */
    u32 tag; /* who wrote it, where the log says so: lines with different tags are not one text */
};

void source_init(struct source *s, const char *bytes, size_t length);

/* Reads the next line. False: there is none. */
bool source_next(struct source *s, struct line *line);

#endif
