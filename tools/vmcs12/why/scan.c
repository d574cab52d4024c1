/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of KVM's and Xen's dumps. Contract in scan.h. */
#include <string.h>

#include "tools/vmcs12/why/scan.h"

#define QUIET_LIMIT 80 /* lines of somebody else after which a dump is over */

struct dump *stream_dump(struct scan *s, const struct stream *stream)
{
    return stream->dump != 0 ? &s->r->dump[stream->dump - 1] : NULL;
}

struct dump *stream_begin(struct scan *s, struct stream *stream, enum why_format format, u32 line)
{
    struct reading *r = s->r;
    if (r->dumps == r->room) {
        unsigned room = r->room != 0 ? 2 * r->room : 4;
        struct dump *more = room <= DUMPS_MOST ? reading_grow(r->dump, room) : NULL;
        if (more == NULL) {
            r->more = true;
            stream->dump = 0;
            stream->part = PART_NONE;
            return NULL;
        }
        r->dump = more;
        r->room = room;
    }
    struct dump *d = &r->dump[r->dumps++];
    memset(d, 0, sizeof *d);
    d->format = format;
    d->line = line;
    d->named = R_NONE;
    stream->dump = r->dumps;
    stream->quiet = 0;
    if (s->pending.line != 0)
        failure_apply(d, &s->pending);
    s->pending = (struct failure){.named = R_NONE};
    return d;
}

/* A part begins. A part that the dump has already had begins another dump. */
static void begin_part(struct scan *s, struct stream *stream, enum part part, u32 line)
{
    struct dump *d = stream_dump(s, stream);
    bool had = d == NULL || stream->part == PART_NONE || (part == PART_GUEST && d->guest_part) ||
               (part == PART_HOST && d->host_part) || (part == PART_CONTROL && d->control_part);
    if (part == PART_HOST && d != NULL && !d->host_part && !d->control_part && d->guest_part)
        had = false;
    if (part == PART_CONTROL && d != NULL && !d->control_part && (d->guest_part || d->host_part))
        had = false;
    if (had)
        d = stream_begin(s, stream, FORMAT_KVM, line);
    if (d == NULL)
        return;
    d->guest_part |= part == PART_GUEST;
    d->host_part |= part == PART_HOST;
    d->control_part |= part == PART_CONTROL;
    stream->part = (u8)part;
    stream->quiet = 0;
}

static const char *skip_stars(const char *t)
{
    while (*t == '*' || *t == ' ')
        t++;
    return t;
}

/* "*** Guest State ***" and its like at t: how much of the text it is, or 0. */
static size_t marker(struct scan *s, struct stream *stream, const char *t, u32 line)
{
    static const struct {
        const char *text;
        enum part part;
    } markers[] = {
        {"Guest State", PART_GUEST}, {"Host State", PART_HOST}, {"Control State", PART_CONTROL}};
    if (*t != '*')
        return 0;
    const char *name = skip_stars(t);
    for (unsigned i = 0; i < ARRAY_LEN(markers); i++)
        if (strncmp(name, markers[i].text, strlen(markers[i].text)) == 0) {
            begin_part(s, stream, markers[i].part, line);
            return (size_t)(name - t) + strlen(markers[i].text);
        }
    if (strncmp(name, "VMCS Area", 9) == 0) {
        stream->part = PART_NONE;
        s->pending.line = line;
        s->pending.formatted = true;
        s->pending.format = FORMAT_XEN;
    }
    return name != t ? (size_t)(name - t) : 0;
}

/* Labels that only one product has. */
static void tell_format(struct dump *d, const char *pattern)
{
    static const char *const xen[] = {"PDPTE",  "EFER(",      "PreemptionTimer", "EPTP index",
                                      "VMfunc", "CR3 target", "CR3: actual"};
    for (unsigned i = 0; i < ARRAY_LEN(xen); i++)
        if (strncmp(pattern, xen[i], strlen(xen[i])) == 0)
            d->format = FORMAT_XEN;
    if (strstr(pattern, ": @w @a") != NULL)
        d->format = FORMAT_XEN;
    if (strstr(pattern, "Segment - ") != NULL)
        d->format = FORMAT_NOIRVISOR;
}

static void take_label(struct dump *d, const struct label *label, const struct number *numbers,
                       unsigned count, const char *behind, const struct line *line, size_t shift)
{
    tell_format(d, label->pattern);
    for (unsigned i = 0; i < count && i < LABEL_NUMBERS; i++)
        if (label->fields[i] != F_COUNT)
            take_number(d, (enum vmcs_field)label->fields[i], &numbers[i], line, shift);
    while (*behind == ' ')
        behind++;
    if (label->fields[0] == F_guest_efer &&
        (strncmp(behind, "(effective)", 11) == 0 || strncmp(behind, "(autoload)", 10) == 0))
        d->field[F_guest_efer].state = VALUE_UNLOADED;
}

/* " 0: msr=0x00000600 value=0x..." of a list that KVM prints. */
static size_t list_entry(struct stream *stream, struct dump *d, const char *t)
{
    static const struct {
        const char *text;
        enum msr_area area;
    } titles[] = {{"MSR guest autoload", MSR_AREA_ENTRY_LOAD},
                  {"MSR host autoload", MSR_AREA_EXIT_LOAD},
                  {"MSR guest autostore", MSR_AREA_EXIT_STORE},
                  {"MSR autostore", MSR_AREA_EXIT_STORE}};
    for (unsigned i = 0; *t == 'M' && i < ARRAY_LEN(titles); i++)
        if (strncmp(t, titles[i].text, strlen(titles[i].text)) == 0) {
            stream->area = (u8)titles[i].area;
            return strlen(titles[i].text);
        }
    struct number n[LABEL_NUMBERS];
    size_t end;
    bool more;
    if (*t != 'm' || pattern_match(t, "msr=@l value=@q", n, &end, &more) != 2)
        return 0;
    u32 number = 1;
    for (unsigned i = 0; i < d->msrs; i++)
        number += d->msr[i].area == stream->area;
    if (d->msrs < DUMP_MSRS && !n[0].wrong && !n[1].wrong && n[1].digits == 16)
        d->msr[d->msrs++] =
            (struct printed_msr){stream->area, number, (u32)n[0].value, 0, n[1].value};
    return end;
}

static bool starts_word(const char *text, size_t at)
{
    char c = at != 0 ? text[at - 1] : ' ';
    return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             c == '_') &&
           text[at] != ' ';
}

/* Keeps the end of the text from `at` on, which the next line may go on. */
static void keep(struct stream *stream, const char *text, size_t at)
{
    size_t n = strlen(text + at);
    stream->rest[0] = '\0';
    if (n < sizeof stream->rest)
        memcpy(stream->rest, text + at, n + 1);
}

/* Scans the text for labels of the part that the stream is in. Returns how many there were. `shift`
 * characters of it are from the lines before. last: no line will follow. */
static unsigned scan_labels(struct scan *s, struct stream *stream, const char *text,
                            const struct line *line, size_t shift, bool last)
{
    unsigned found = 0;
    size_t at = 0, end;
    stream->rest[0] = '\0';
    while (text[at] != '\0') {
        struct number numbers[LABEL_NUMBERS];
        unsigned count = 0;
        bool more = false;
        size_t n = marker(s, stream, text + at, line->number);
        struct dump *d = stream_dump(s, stream);
        if (n == 0 && d != NULL && stream->part != PART_NONE && starts_word(text, at))
            n = list_entry(stream, d, text + at);
        if (n != 0 || d == NULL || stream->part == PART_NONE || !starts_word(text, at)) {
            at += n != 0 ? n : 1;
            found += n != 0 && d != NULL;
            continue;
        }
        const struct label *label =
            label_find(text + at, (enum part)stream->part, numbers, &count, &end, &more);
        if (more && !last) {
            keep(stream, text, at);
            return found;
        }
        if (label != NULL && count != 0) {
            take_label(d, label, numbers, count, text + at + end, line, shift);
            at += end;
            found++;
        } else {
            at++;
        }
    }
    return found;
}

/* A line without a tag among lines that have some is the end of a line that was broken. */
static struct stream *stream_of(struct scan *s, u32 tag)
{
    unsigned i = 0;
    if (tag == 0 && s->stream[s->current].used)
        tag = s->stream[s->current].tag;
    while (i < STREAMS - 1 && s->stream[i].used && s->stream[i].tag != tag)
        i++;
    if (!s->stream[i].used || s->stream[i].tag != tag)
        s->stream[i] = (struct stream){.tag = tag, .used = true};
    s->current = i;
    return &s->stream[i];
}

/* Lines at which a dump may begin although its head is missing. */
static bool begins_headless(const char *t, enum part *part)
{
    *part = strstr(t, "PinBased=") != NULL ? PART_CONTROL : PART_GUEST;
    return *part == PART_CONTROL || strstr(t, "0: actual=0x") != NULL ||
           strstr(t, "attr=0x") != NULL || strstr(t, "CS Segment - Selector") != NULL;
}

/* QEMU's block of registers ends a dump: it is the guest's view, and no fields. */
static bool is_register_block(const char *t)
{
    return strncmp(t, "EAX=", 4) == 0 || strncmp(t, "RAX=", 4) == 0 || strncmp(t, "EIP=", 4) == 0 ||
           strncmp(t, "RIP=", 4) == 0;
}

/* True when the line goes on with the label at which the last one ended. */
static bool goes_on(struct scan *s, const struct stream *stream, const struct line *line,
                    size_t *shift)
{
    struct number numbers[LABEL_NUMBERS];
    unsigned count;
    size_t end;
    bool more;
    strcpy(s->text, stream->rest);
    strcat(s->text, " ");
    *shift = strlen(s->text);
    strcat(s->text, line->text);
    if (stream->rest[0] == '\0')
        return false;
    const struct label *label =
        label_find(s->text, (enum part)stream->part, numbers, &count, &end, &more);
    if (more)
        return true;
    return label != NULL && count != 0 && numbers[count - 1].at >= *shift &&
           !numbers[count - 1].wrong;
}

/* Takes what the rest has of its label's numbers. */
static void flush_rest(struct scan *s, struct stream *stream, const char *rest,
                       const struct line *line)
{
    char left[LINE_ROOM];
    strcpy(left, stream->rest);
    strcpy(s->text, rest);
    scan_labels(s, stream, s->text, line, LINE_ROOM, true);
    strcpy(stream->rest, left);
    stream->waited = 0;
}

/* A line of somebody else may stand between the two halves of a label: the first half waits. */
static void scan_dump_line(struct scan *s, struct stream *stream, const struct line *line)
{
    char rest[LINE_ROOM];
    size_t shift;
    unsigned found;
    bool joined = goes_on(s, stream, line, &shift);
    strcpy(rest, joined ? "" : stream->rest);
    if (joined)
        found = scan_labels(s, stream, s->text, line, shift, false);
    else
        found = scan_labels(s, stream, line->text, line, 0, false);
    if (rest[0] == '\0')
        stream->waited = 0;
    else if (stream->rest[0] == '\0' && stream->waited++ < 3)
        strcpy(stream->rest, rest);
    else
        flush_rest(s, stream, rest, line);
    stream->quiet = found != 0 ? 0 : stream->quiet + 1;
    if (stream->quiet > QUIET_LIMIT)
        stream->part = PART_NONE;
}

void scan_line(struct scan *s, const struct line *line)
{
    struct stream *stream = stream_of(s, line->tag);
    enum part part;
    event_line(s, stream, line);
    fact_line(s, line);
    if (is_register_block(line->text)) {
        stream->part = PART_NONE;
        stream->rest[0] = '\0';
        return;
    }
    if (stream->part == PART_NONE && strstr(line->text, "***") == NULL) {
        if (list_line(s, stream, line) || !begins_headless(line->text, &part))
            return;
        begin_part(s, stream, part, line->number);
    }
    scan_dump_line(s, stream, line);
}

void scan_end(struct scan *s)
{
    struct line none = {.length = 0};
    for (unsigned i = 0; i < STREAMS; i++)
        if (s->stream[i].used && s->stream[i].rest[0] != '\0') {
            char rest[LINE_ROOM];
            strcpy(rest, s->stream[i].rest);
            flush_rest(s, &s->stream[i], rest, &none);
        }
    if (s->pending.line == 0)
        return;
    for (unsigned i = s->r->dumps; i-- > 0;) {
        struct dump *d = &s->r->dump[i];
        if (d->has_error || d->has_reason)
            continue;
        failure_apply(d, &s->pending);
        return;
    }
    if (s->pending.has_error || s->pending.has_reason || s->pending.named != R_NONE)
        stream_begin(s, &s->stream[0], s->pending.formatted ? s->pending.format : FORMAT_KVM,
                     s->pending.line);
}
