/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layout probe's parts. vmcs_probe.c has the order; probe_walk.c writes fields and looks at
 * memory, probe_fill.c writes memory and reads fields, probe_hidden.c looks at what no field
 * reaches, probe_say.c prints. All work on one VMCS page of the arena.
 */
#ifndef GUEST_TESTS_PROBE_PROBE_H
#define GUEST_TESTS_PROBE_PROBE_H

#include "guest-tests/lib/vmx.h"

enum {
    PG_PROBE = PG_FREE, /* the VMCS under test */
    PG_PROBE_BASE,      /* its bytes when it is cleared and every field is 0 */
    PG_PROBE_KEPT,      /* a copy of some moment */
    PG_PROBE_OTHER,     /* further VMCSs, which push the one under test out of the CPU */
    PROBE_OTHERS = 6,
    PROBE_PAGE = 4096,
    PROBE_MAX = 400,         /* fields */
    PROBE_FIRST_BYTE = 0x20, /* the least place that is filled: below it is the CPU's own state */
    NO_PLACE = -1,
    NO_BIT = 0xffff,
};

/* One row of tests/data/broadwell_vmcs_layout.csv: what is known of revision 0x12. */
struct probe_known {
    u16 enc;
    const char *name;
    const char *width;
    int at; /* NO_PLACE: not on Broadwell */
};
extern const struct probe_known probe_known[];
extern const unsigned probe_known_count;
const struct probe_known *probe_find_known(u16 enc); /* NULL: nobody knows it */

struct probe_field {
    u16 enc;
    u8 size; /* bytes of the field */
    bool writable;
    bool straight;  /* bit n of the field is bit n of the bytes at `walk` */
    bool walk_back; /* setting the same bits in memory reads back as the same field */
    int needle;     /* where two needles were found; NO_PLACE */
    int walk;       /* the first byte that a bit of the field changes; NO_PLACE */
    int fill;       /* where the values of the filled page come from; NO_PLACE */
    u64 kept;       /* bits that VMREAD gives back */
    u64 stored;     /* bits that change memory */
    u16 where[64];  /* the memory bit of each field bit, or NO_BIT */
};
extern struct probe_field probe_field[PROBE_MAX];
extern unsigned probe_fields;

/* What reads without being a field that has a structure. */
struct probe_oddities {
    unsigned reserved; /* encodings with a reserved bit set that do not fail */
    u16 first_reserved;
    unsigned narrow_high; /* high halves of fields that have none */
    unsigned high_there, high_right;
};
extern struct probe_oddities probe_odd;

static inline u8 *probe_page(unsigned page)
{
    return arena(page);
}

/* Makes the page under test what PG_PROBE_BASE says, and current. */
void probe_load(void);
/* The same page, not current, after VMCLEAR: what was written to it is in memory. */
void probe_store(void);
void probe_copy(unsigned to, unsigned from);

void probe_list(void);   /* which encodings read; fills probe_field[] and probe_odd */
void probe_walk(void);   /* passes A and C: needles, and every bit of every field */
void probe_filled(void); /* pass B */
void probe_hidden(void); /* pass D; prints */
void probe_say(void);    /* the table and the verdict */

/* A line of the report: "vmcs_probe." before it in a transcript, nothing on the screen. */
void probe_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
