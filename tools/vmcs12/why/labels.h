/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding labels with numbers in a text of KVM's or Xen's kind. Only the files of this folder that
 * read include this.
 */
#ifndef TOOLS_VMCS12_WHY_LABELS_H
#define TOOLS_VMCS12_WHY_LABELS_H

#include "hv/vmcs12/vmcs12.h"

/* The parts of a dump, as a set. */
enum part { PART_NONE = 0, PART_GUEST = 1, PART_HOST = 2, PART_CONTROL = 4 };

#define LABEL_NUMBERS 4
struct label {
    u8 parts;
    const char *pattern;
    u8 fields[LABEL_NUMBERS]; /* F_COUNT: none */
};

/* A number as it stands in the text. */
struct number {
    u64 value;
    size_t at;  /* of its first digit, in the text */
    u8 digits;  /* 0: there is no number */
    char kind;  /* the letter of its place in the pattern */
    bool wrong; /* other letters among the digits, or too many */
    bool last;  /* the text ends behind it */
};

/* Matches the pattern (labels.def) at the beginning of text. Returns how many of its numbers are
 * there. *end becomes the place behind the last one; *more becomes true when the text ends before
 * the pattern does. */
unsigned pattern_match(const char *text, const char *pattern, struct number *numbers, size_t *end,
                       bool *more);

/* The label that matches here, or NULL. */
const struct label *label_find(const char *text, enum part part, struct number *numbers,
                               unsigned *count, size_t *end, bool *more);

/* Reads a number, 0x or not, at the beginning of text. */
struct number number_read(const char *text);

/* How many digits the kind of number has at least when it is whole. */
unsigned number_least(char kind);

#endif
