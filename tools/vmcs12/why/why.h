/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmcs12 why: what a dump of a VMCS that somebody pasted says about a VM entry that failed. A dump
 * is text in one of many layouts, or an image. Reading makes struct dump of it: fields with values
 * and whether they are known. Judging makes struct answer of that, by the rules of hv/vmcs12.
 * Printing makes words or JSON of the answer. No file here keeps state or ends the process.
 */
#ifndef TOOLS_VMCS12_WHY_WHY_H
#define TOOLS_VMCS12_WHY_WHY_H

#include <stdarg.h>
#include <stdio.h>

#include "hv/vmcs12/check.h"
#include "tools/vmcs12/open.h"
#include "tools/vmcs12/vmcs12_tool.h"

enum why_format {
    FORMAT_KVM,
    FORMAT_XEN,
    FORMAT_XMHF,
    FORMAT_HAXM,
    FORMAT_NOIRVISOR,
    FORMAT_VIRTUALBOX,
    FORMAT_BHYVE,
    FORMAT_VMREAD, /* a list of names and values of no product in particular */
    FORMAT_NIDUS,  /* the log, or the output of vmcs12 dump */
    FORMAT_IMAGE,
};
const char *why_format_name(enum why_format format);

/* What is known of a field. */
enum value_state {
    VALUE_UNKNOWN,
    VALUE_KNOWN,
    VALUE_LOST,     /* printed, but cut short, unreadable, or with two values */
    VALUE_UNLOADED, /* printed, but it is not the field that is printed */
};
struct value {
    u64 number;
    u8 state;
};

/* An entry of an MSR area that the dump prints. */
struct printed_msr {
    u8 area;    /* enum msr_area */
    u32 number; /* in its list, from 1 */
    u32 index, reserved;
    u64 value;
};

#define DUMP_MSRS  32
#define DUMP_NOTES 2048
struct dump {
    enum why_format format;
    u32 line;     /* of the file, from 1 */
    u32 repeated; /* how often the same dump came again */
    unsigned values;
    struct value field[F_COUNT];
    struct printed_msr msr[DUMP_MSRS];
    unsigned msrs;
    /* What is said of the failure outside the fields. */
    bool has_error, has_reason, has_qualification, reason_disagrees;
    u32 error; /* the VM-instruction error */
    u32 reason;
    u64 qualification;
    u8 named; /* enum rule_id: a rule that the product itself names, or R_NONE */
    bool guest_part, host_part, control_part;
    unsigned padded, unpadded; /* numbers with all their digits, and without leading zeros */
    u8 first;                  /* of a list: its first field */
    bool short_states;         /* interruptibility is printed with 4 digits */
    u8 short_field;            /* the field whose number is the first without leading zeros */
    u8 layout, areas; /* of what vmcs12 dump prints: enum vmcs_layout + 1, and which areas came */
    char notes[DUMP_NOTES]; /* lines */
};

/* Everything that was read of one input. */
struct reading {
    struct dump *dump;
    unsigned dumps, room;
    struct open_cpu cpu; /* by the facts of the input, of --cpu, --msr and --maxphyaddr */
    bool facts;          /* the input has some */
    bool more;           /* there were more dumps than are read */
};

/* Reads an input. False: there is no memory. The caller frees reading->dump. */
bool why_read(const char *bytes, size_t length, struct reading *reading) MUST_CHECK;

#define DUMPS_MOST 1024u
/* realloc for an array of dumps. */
struct dump *reading_grow(struct dump *dump, unsigned room);

/* Adds a line to notes, if there is room for one of `room` characters. */
void notes_add(char notes[DUMP_NOTES], size_t room, const char *format, va_list ap);
/* Adds a line to the dump's notes, if there is room. */
void dump_note(struct dump *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Gives a field a value. A second one that differs makes the field lost. */
void dump_set(struct dump *d, enum vmcs_field f, u64 number);
void dump_lose(struct dump *d, enum vmcs_field f);

static inline bool dump_knows(const struct dump *d, enum vmcs_field f)
{
    return d->field[f].state == VALUE_KNOWN;
}

/* What the conditions of its layout leave of a dump, and the image of the known fields. */
void dump_settle(struct dump *d);
void dump_image(const struct dump *d, struct vmcs_image *v, u8 *rights_reserved);

/* One rule that an answer names. */
#define FINDING_FIELDS 12
#define FINDING_TEXT   320
struct finding {
    enum rule_id rule;        /* R_NONE: one of the rules of a stage, by the exit code */
    u8 stage;                 /* enum rule_stage, with R_NONE */
    u8 field[FINDING_FIELDS]; /* the deciding ones */
    unsigned fields;
    const struct printed_msr *msr; /* or the deciding entry of an MSR area, or NULL */
    char condition[FINDING_TEXT];  /* broken only if, or the code that names it */
    char mend[FINDING_TEXT];       /* "" if there is none */
};

/* Rules that cannot be judged, and what for. */
enum missing { MISSING_GUEST, MISSING_CONTROL, MISSING_HOST, MISSING_UNPRINTED, MISSING_OTHER };
struct undecided {
    struct rule_set rules;
    u8 kind; /* enum missing */
    char missing[FINDING_TEXT];
    bool field[F_COUNT]; /* the fields that the dump lacks */
};

#define ANSWER_FINDINGS  24
#define ANSWER_UNDECIDED 24
struct answer {
    const struct dump *dump;
    struct vmcs_image v;
    enum tri entry_failed;
    struct finding broken[ANSWER_FINDINGS], broken_if[ANSWER_FINDINGS], by_code[ANSWER_FINDINGS];
    unsigned brokens, broken_ifs, by_codes;
    struct undecided undecided[ANSWER_UNDECIDED];
    unsigned undecideds;
    bool implausible;
    struct rule_set held; /* by the exit code */
    char code[FINDING_TEXT];
    char notes[DUMP_NOTES];
};
void why_judge(const struct dump *d, const struct open_cpu *cpu, struct answer *a);

/* 0: nothing broken, 1: broken, 3: undecided. */
int why_status(const struct answer *a);

void why_print_text(FILE *out, const struct answer *a, bool colour);
void why_print_json(FILE *out, const struct answer *a);

/* The texts about what a finding names: a rule or a stage. */
const char *finding_name(const struct finding *f);
const char *finding_text(const struct finding *f);
const char *finding_number(const struct finding *f);
const char *finding_title(const struct finding *f);

/* A field's value as text prints it: 0x and the digits that it needs. */
void why_print_value(FILE *out, u64 number);

#endif
