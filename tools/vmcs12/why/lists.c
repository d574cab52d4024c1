/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dumps that are lists of names and values: XMHF, HAXM, lists of VMREADs, Nidus's own. Contract in
 * scan.h.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/vmcs12/why/scan.h"

#define KEY_ROOM 64

static bool is_name(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The name without case, what parts its words, and what says nothing. */
static size_t key_of(const char *name, size_t length, char *key)
{
    size_t n = 0;
    for (size_t i = 0; i < length && n < KEY_ROOM - 1; i++) {
        char c = name[i];
        if (c == '_' || c == ' ' || c == '-')
            continue;
        key[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (n >= 4 && memcmp(key + n - 4, "ia32", 4) == 0)
            n -= 4;
    }
    key[n] = '\0';
    return n;
}

static bool equals_name(const char *key, const char *name)
{
    for (; *name != '\0'; name++)
        if (*name != '_' && *key++ != *name)
            return false;
    return *key == '\0';
}

static enum vmcs_field find_key(const char *key)
{
    static const struct {
        u8 field;
        const char *name;
    } aliases[] = {
#define ALIAS(field, name) {F_##field, name},
#include "tools/vmcs12/why/aliases.def"
    };
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (vmcs12_name(f)[0] == key[0] && equals_name(key, vmcs12_name(f)))
            return f;
    for (unsigned i = 0; i < ARRAY_LEN(aliases); i++)
        if (strcmp(aliases[i].name, key) == 0)
            return (enum vmcs_field)aliases[i].field;
    return F_COUNT;
}

/* "guest_CS_access_rights", "GUEST_CS_AR_BYTES", "GUEST_CS_SEL": a segment's field by its parts. */
static enum vmcs_field find_segment(const char *key)
{
    static const char *const kinds[][2] = {
        {"selector", "selector"}, {"sel", "selector"},   {"accessrights", "ar"}, {"arbytes", "ar"},
        {"arbyte", "ar"},         {"ar", "ar"},          {"attr", "ar"},         {"limit", "limit"},
        {"base", "base"},         {"accessright", "ar"}, {"rights", "ar"},
    };
    size_t side = strncmp(key, "guest", 5) == 0 ? 5 : strncmp(key, "host", 4) == 0 ? 4 : 0;
    size_t end = strlen(key);
    for (unsigned i = 0; side != 0 && i < ARRAY_LEN(kinds); i++) {
        size_t kind = strlen(kinds[i][0]);
        if (end < side + 2 + kind || strcmp(key + end - kind, kinds[i][0]) != 0)
            continue;
        char name[KEY_ROOM];
        size_t reg = end - kind - side;
        snprintf(name, sizeof name, "%.*s%.*s%s", (int)side, key, (int)reg, key + side,
                 kinds[i][1]);
        for (enum vmcs_field f = 0; f < F_COUNT; f++)
            if (equals_name(name, vmcs12_name(f)))
                return f;
    }
    return F_COUNT;
}

/* What a name means. `half` becomes 32 for the upper half of a field that is printed in two. */
static enum vmcs_field find_name(const char *name, size_t length, unsigned *half)
{
    char key[KEY_ROOM];
    size_t n = key_of(name, length, key);
    *half = 0;
    if (n > 4 && strcmp(key + n - 4, "high") == 0) {
        *half = 32;
        key[n -= 4] = '\0';
    } else if (n > 4 && strcmp(key + n - 4, "full") == 0) {
        key[n -= 4] = '\0';
    }
    static const char *const heads[] = {"", "vmcs", "vmx", "vmcsfield"};
    for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
        size_t h = strlen(heads[i]);
        if (strncmp(key, heads[i], h) != 0)
            continue;
        enum vmcs_field f = find_key(key + h);
        if (f == F_COUNT)
            f = find_segment(key + h);
        if (f != F_COUNT)
            return f;
    }
    return F_COUNT;
}

static enum why_format format_of(const char *line, const char *name, bool encoding)
{
    if (strstr(line, "vmcs.") != NULL || strstr(line, "_access_rights=") != NULL ||
        strncmp(name, "guest_CR", 8) == 0 || strncmp(name, "guest_R", 7) == 0 ||
        strstr(line, "_selector=0x") != NULL)
        return FORMAT_XMHF;
    if (encoding && *name >= 'A' && *name <= 'Z')
        return FORMAT_HAXM;
    bool shouted = (*name >= 'A' && *name <= 'Z') || strstr(line, "read(0x") != NULL;
    return shouted ? FORMAT_VMREAD : FORMAT_NIDUS;
}

/* A list that names the first field of the dump again is another dump. */
static struct dump *list_dump(struct scan *s, struct stream *stream, enum vmcs_field f,
                              enum why_format format, u32 line)
{
    struct dump *d = stream_dump(s, stream);
    bool list = d != NULL && !d->guest_part && !d->host_part && !d->control_part;
    if (!list || stream->quiet > 80 || (d->values > 8 && d->first == f && dump_knows(d, f)))
        d = stream_begin(s, stream, format, line);
    if (d != NULL && d->values == 0) {
        d->first = (u8)f;
        d->format = d->format == FORMAT_KVM || d->format == FORMAT_VMREAD ? format : d->format;
    }
    return d;
}

static const char *skip_blanks(const char *t)
{
    while (*t == ' ')
        t++;
    return t;
}

/* The encoding that stands before the name, "4000 " or "0x4000  ", or in parentheses behind it. */
static enum vmcs_field encoding_before(const char *line, const char *name)
{
    const char *p = name;
    while (p > line && p[-1] == ' ')
        p--;
    if (p == name)
        return F_COUNT;
    while (p > line && is_name(p[-1]))
        p--;
    struct number n = number_read(p);
    while (p > line && p[-1] == ' ')
        p--;
    bool value = p > line && (p[-1] == '=' || (p[-1] == ':' && n.at != 0)); /* of another name */
    bool plausible = !value && !n.wrong && n.digits >= 3 && n.digits <= 4;
    return plausible ? vmcs12_find(n.value) : F_COUNT;
}

/* "vmread(0x6820) = ": the encoding behind the name of a function that reads fields. */
static enum vmcs_field encoding_behind(const char *name, size_t length)
{
    bool reads = length >= 4 && (memcmp(name + length - 4, "read", 4) == 0 ||
                                 memcmp(name + length - 4, "READ", 4) == 0);
    if (!reads || strncmp(name + length, "(0x", 3) != 0)
        return F_COUNT;
    struct number n = number_read(name + length + 1);
    bool plausible = !n.wrong && n.digits >= 1 && n.digits <= 8 && n.value <= 0xffff;
    return plausible ? vmcs12_find((u32)n.value) : F_COUNT;
}

/* "Guest CS selector:", "VM-entry controls =": how long a name of several words is, or 0. */
static size_t spaced_name(const char *line, const char *name)
{
    size_t n = 0;
    const char *before = name;
    while (before > line && before[-1] == ' ')
        before--;
    if (before > line && is_name(before[-1]))
        return 0;
    while (n < KEY_ROOM - 1 &&
           (is_name(name[n]) || name[n] == ' ' || (name[n] == '-' && is_name(name[n + 1]))))
        n++;
    return name[n] == ':' || name[n] == '=' ? n : 0;
}

/* Whether a number of a list could be a decimal one. Taken for a hexadecimal one, it might
 * accuse. */
static bool maybe_decimal(const char *value, const struct number *n)
{
    if (n->at != 0 || n->digits < 2 || n->digits >= 16 || value[0] == '0')
        return false;
    for (unsigned i = 0; i < n->digits; i++)
        if (value[i] > '9')
            return false;
    return true;
}

/* The value behind a name: its place, or NULL. A value without a sign before it has 0x. */
static const char *value_behind(const char *t)
{
    t = skip_blanks(t + (*t == '"'));
    if (*t == '(' || *t == '[') {
        while (*t != '\0' && *t != ')' && *t != ']')
            t++;
        t = skip_blanks(*t != '\0' ? t + 1 : t);
    }
    if (*t == '=' || *t == ':') {
        t = skip_blanks(t + 1 + (t[1] == '='));
        return t + (*t == '"');
    }
    return t[0] == '0' && t[1] == 'x' ? t : NULL;
}

static void take_list(struct dump *d, enum vmcs_field f, unsigned half, const struct number *n,
                      const struct line *line)
{
    struct number whole = *n;
    if (half != 0) {
        if (dump_knows(d, f) && !n->wrong && n->value <= 0xffffffff)
            d->field[f].number |= n->value << 32;
        return;
    }
    whole.kind = 'r';
    if (d->format == FORMAT_XMHF)
        whole.kind = vmcs12_desc(f)->width == W16 ? 'w' : 'l';
    else if (n->last && line->unended)
        whole.wrong = true; /* nobody knows whether digits are missing */
    if (d->format == FORMAT_XMHF && n->digits < number_least(whole.kind))
        whole.wrong = true;
    take_number(d, f, &whole, line, 0);
}

/* One name with a value at `name`: how much of the line it is, or 0. */
static size_t take_pair(struct scan *s, struct stream *stream, const struct line *line, size_t at)
{
    const char *name = line->text + at;
    size_t length = 0;
    unsigned half = 0;
    while (is_name(name[length]))
        length++;
    const char *value =
        strncmp(name + length, "/limit=", 7) == 0 ? name + length + 7 : value_behind(name + length);
    if (value == NULL && (length = spaced_name(line->text, name)) != 0)
        value = value_behind(name + length);
    if (value == NULL)
        return 0;
    enum vmcs_field by_number = encoding_behind(name, length);
    if (by_number == F_COUNT)
        by_number = encoding_before(line->text, name);
    enum vmcs_field f = find_name(name, length, &half);
    if (by_number != F_COUNT && (f == F_COUNT || half == 0))
        f = by_number;
    if (f == F_COUNT)
        return 0;
    struct number n = number_read(value);
    if (n.digits == 0 && strncmp(value, "vmread", 6) == 0)
        return length;
    n.wrong |= by_number == F_COUNT && maybe_decimal(value, &n);
    n.at += (size_t)(value - line->text);
    struct dump *d =
        list_dump(s, stream, f, format_of(line->text, name, by_number != F_COUNT), line->number);
    if (d == NULL)
        return 0;
    take_list(d, f, half, &n, line);
    stream->quiet = 0;
    return length;
}

/* A row of the table of segments that vmcs12 dump prints. */
static bool take_segment(struct dump *d, const struct line *line)
{
    static const struct {
        const char *pattern;
        enum vmcs_field selector, base, limit, rights;
    } rows[] = {
#define ROW(s)                                                                                   \
    {#s " 0x@r 0x@r 0x@r 0x@r", F_guest_##s##_selector, F_guest_##s##_base, F_guest_##s##_limit, \
     F_guest_##s##_ar}
        ROW(es), ROW(cs), ROW(ss), ROW(ds), ROW(fs), ROW(gs), ROW(ldtr), ROW(tr)};
    const char *t = skip_blanks(line->text);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct number n[LABEL_NUMBERS];
        size_t end;
        bool more;
        if (pattern_match(t, rows[i].pattern, n, &end, &more) != 4)
            continue;
        const enum vmcs_field fields[] = {rows[i].selector, rows[i].base, rows[i].limit,
                                          rows[i].rights};
        for (unsigned k = 0; k < ARRAY_LEN(fields); k++) {
            n[k].at += (size_t)(t - line->text);
            take_number(d, fields[k], &n[k], line, 0);
        }
        return true;
    }
    return false;
}

/* The head of what vmcs12 dump prints; it says which fields a line less stands for 0. */
static bool own_head(struct scan *s, struct stream *stream, const struct line *line)
{
    const char *p = strstr(line->text, "VMCS, revision 0x");
    const char *layout = p != NULL ? strstr(p, ", layout ") : NULL;
    char name[16] = "";
    if (layout == NULL)
        return false;
    for (unsigned i = 0; i < sizeof name - 1 && layout[9 + i] >= 'a' && layout[9 + i] <= 'z'; i++)
        name[i] = layout[9 + i];
    struct dump *d = stream_begin(s, stream, FORMAT_NIDUS, line->number);
    if (d != NULL && layout_find(name) != LAYOUT_COUNT)
        d->layout = (u8)(layout_find(name) + 1);
    return true;
}

static void own_titles(struct dump *d, const char *t)
{
    static const char *const titles[] = {"Control fields", "Guest-state area", "Host-state area",
                                         "VM-exit information"};
    for (unsigned i = 0; i < ARRAY_LEN(titles); i++)
        if (strncmp(t, titles[i], strlen(titles[i])) == 0)
            d->areas |= (u8)(1u << i);
}

static bool looks_like_list(const char *t)
{
    static const char *const words[] = {
        "guest_", "GUEST_",   "host_",  "HOST_",   "vmcs",    "VMX_",   "VMCS",    "VM_E",
        "_ctl",   "control_", "_based", "info_vm", "EXIT_",   "CR0_",   "_BITMAP", "Guest",
        "Host",   "VM-e",     "Vm",     "-based",  "read(0x", "READ(0x"};
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (strstr(t, words[i]) != NULL)
            return true;
    return false;
}

/* bhyve: "exit_reason 33 (...)", "qualification 0x...", "inst_error 0", decimal. */
static bool bhyve_line(struct scan *s, struct stream *stream, const struct line *line)
{
    const char *t = skip_blanks(line->text);
    struct dump *d = stream_dump(s, stream);
    bool mine = d != NULL && d->format == FORMAT_BHYVE && stream->quiet < 20;
    if (strncmp(t, "exit_reason ", 12) == 0 && t[12] >= ' ') {
        unsigned long reason = strtoul(t + 12, NULL, 0);
        d = stream_begin(s, stream, FORMAT_BHYVE, line->number);
        if (d == NULL)
            return true;
        d->has_reason = true;
        d->reason = (u32)reason;
        if (reason == 33 || reason == 34)
            d->reason |= EXIT_REASON_ENTRY_FAIL;
    } else if (mine && strncmp(t, "qualification ", 14) == 0) {
        d->has_qualification = true;
        d->qualification = strtoull(t + 14, NULL, 0);
    } else if (mine && strncmp(t, "inst_error ", 11) == 0) {
        d->error = (u32)strtoul(t + 11, NULL, 0);
        d->has_error = d->error != 0 && d->error < 64;
    } else {
        return false;
    }
    stream->quiet = 0;
    return true;
}

bool list_line(struct scan *s, struct stream *stream, const struct line *line)
{
    struct dump *d = stream_dump(s, stream);
    bool found = false;
    if (bhyve_line(s, stream, line) || own_head(s, stream, line))
        return true;
    /* Nidus's verdict. The list behind it has these fields again, and "mend: " a value of none. */
    if (strstr(line->text, "VM entry refused (") != NULL)
        return false;
    bool own = d != NULL && d->format == FORMAT_NIDUS;
    if (own) {
        own_titles(d, line->text);
        if (take_segment(d, line))
            return true;
    }
    stream->quiet++;
    if (!looks_like_list(line->text) && !(own && stream->quiet < 20))
        return false;
    for (size_t at = 0; at < line->length;) {
        bool start = (at == 0 || !is_name(line->text[at - 1])) && is_name(line->text[at]);
        size_t n = start ? take_pair(s, stream, line, at) : 0;
        found |= n != 0;
        at += n != 0 ? n : 1;
    }
    return found;
}
