/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pass over the lines of an input: which dump a line belongs to, and in which part of it. Only
 * the files of this folder that read include this.
 */
#ifndef TOOLS_VMCS12_WHY_SCAN_H
#define TOOLS_VMCS12_WHY_SCAN_H

#include "tools/vmcs12/why/clean.h"
#include "tools/vmcs12/why/labels.h"
#include "tools/vmcs12/why/why.h"

/* What a line says of a failed entry whose dump comes before or after it. */
struct failure {
    bool has_error, has_reason, has_qualification, has_msr;
    u32 error, reason;
    u64 qualification;
    struct printed_msr msr;
    u8 named; /* enum rule_id */
    bool formatted;
    enum why_format format;
    u32 line;
};

/* The lines that one writer wrote, as far as the log tells writers apart. */
struct stream {
    u32 tag;
    bool used;
    size_t dump;          /* its number from 1; 0: none */
    u8 part;              /* enum part */
    u8 area;              /* enum msr_area: the list whose entries come */
    u32 quiet;            /* lines since one that the dump has */
    char rest[LINE_ROOM]; /* the end of the last line, which may go on in the next one */
    u8 waited;            /* how many lines it waits already */
};

#define STREAMS 8
struct scan {
    struct reading *r;
    struct stream stream[STREAMS];
    struct failure pending;
    unsigned current;       /* the stream of the last line */
    char before[LINE_ROOM]; /* the last line, as far as it may be the half of a message */
    u32 last_msr;           /* the MSR whose number was asked for in the line before */
    char text[2 * LINE_ROOM];
};

void scan_line(struct scan *s, const struct line *line);
void scan_end(struct scan *s);

/* The dump of the stream, or NULL. */
struct dump *stream_dump(struct scan *s, const struct stream *stream);

/* Begins a new dump in the stream. NULL: no memory. */
struct dump *stream_begin(struct scan *s, struct stream *stream, enum why_format format, u32 line);

/* A number for a field: whether it is whole and fits is judged here. */
void take_number(struct dump *d, enum vmcs_field f, const struct number *n, const struct line *line,
                 size_t shift);

/* Looks for what is said outside of dumps: failures, facts of the processor. */
void event_line(struct scan *s, struct stream *stream, const struct line *line);
void fact_line(struct scan *s, const struct line *line);

/* Looks for names and values. True: there was one. */
bool list_line(struct scan *s, struct stream *stream, const struct line *line);

/* Gives the dump what a line said of its failure. */
void failure_apply(struct dump *d, const struct failure *f);

/* An input that is no text, or that is a dump of bytes. False: it is none. */
bool image_read(const char *bytes, size_t length, struct reading *r);

#endif
