/* SPDX-License-Identifier: BSD-2-Clause */
/* Labels with numbers. Contract in labels.h, the labels in labels.def. */
#include "tools/vmcs12/why/labels.h"

#include <string.h>

#define GUEST   PART_GUEST
#define HOST    PART_HOST
#define CONTROL PART_CONTROL
#define ANY     (PART_GUEST | PART_HOST | PART_CONTROL)
#undef NONE
#define NONE F_COUNT
/* clang-format off */
#define FIRST_4(a, b, c, d, ...) {a, b, c, d}
#define LABEL(where, pattern, ...) {where, pattern, FIRST_4(__VA_ARGS__, NONE, NONE, NONE, NONE)},
/* clang-format on */
static const struct label labels[] = {
#include "tools/vmcs12/why/labels.def"
};

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

struct number number_read(const char *text)
{
    struct number n = {0};
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        n.at = 2;
    size_t at = n.at;
    for (; hex_value(text[at]) >= 0; at++) {
        n.value = n.value << 4 | (u64)hex_value(text[at]);
        n.digits = (u8)(n.digits < 255 ? n.digits + 1 : 255);
    }
    n.wrong = n.digits > 16 || is_word(text[at]) || (n.digits == 0 && text[n.at] != '\0');
    n.last = text[at] == '\0';
    return n;
}

/* The length of the number's text, with whatever else of a word is in it. */
static size_t number_length(const char *text, const struct number *n)
{
    size_t at = n->at + (n->digits < 255 ? n->digits : 255);
    while (is_word(text[at]))
        at++;
    return at;
}

unsigned number_least(char kind)
{
    switch (kind) {
    case 'q':
        return 16;
    case 'l':
    case 'm':
    case 'f':
        return 8;
    case 'w':
    case 'a':
        return 4;
    case 'b':
        return 2;
    default:
        return 1;
    }
}

static const char *skip_blanks(const char *t)
{
    while (*t == ' ')
        t++;
    return t;
}

unsigned pattern_match(const char *text, const char *pattern, struct number *numbers, size_t *end,
                       bool *more)
{
    const char *t = text;
    unsigned count = 0;
    *end = 0;
    *more = false;
    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p == ' ' || *p == '=' || *p == '@')
            t = skip_blanks(t);
        if (*p == ' ')
            continue;
        if (*t == '\0') {
            *more = true;
            return count;
        }
        if (*p != '@') {
            if (*t++ != *p)
                return count;
            continue;
        }
        struct number n = number_read(t);
        n.kind = *++p;
        /* A word that is no number at all ends a match that already has its label. */
        if (n.digits == 0 && count == 0 && strchr(pattern, '=') == NULL)
            return 0;
        size_t length = number_length(t, &n);
        n.at += (size_t)(t - text);
        t += length != 0 ? length : 1;
        numbers[count++] = n;
        *end = (size_t)(t - text);
    }
    return count;
}

const struct label *label_find(const char *text, enum part part, struct number *numbers,
                               unsigned *count, size_t *end, bool *more)
{
    const struct label *partial = NULL;
    bool waits = false;
    for (unsigned i = 0; i < ARRAY_LEN(labels); i++) {
        if (text[0] != labels[i].pattern[0] || (labels[i].parts & part) == 0)
            continue;
        *count = pattern_match(text, labels[i].pattern, numbers, end, more);
        if (*count != 0)
            return &labels[i];
        if (*more) {
            partial = &labels[i];
            waits = true;
        }
    }
    *more = waits;
    *count = 0;
    return partial;
}
