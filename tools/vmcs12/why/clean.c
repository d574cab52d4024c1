/* SPDX-License-Identifier: BSD-2-Clause */
/* Cleaning of lines: mail encodings, colours, and the prefixes of logs. Contract in clean.h. */
#include "tools/vmcs12/why/clean.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_value(char c)
{
    return is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In the quoted-printable encoding of mail every '=' of the text is "=3D". */
static bool is_quoted_printable(const char *bytes, size_t length)
{
    unsigned found = 0;
    for (size_t i = 0; i + 2 < length && found < 3; i++)
        found += bytes[i] == '=' && bytes[i + 1] == '3' && bytes[i + 2] == 'D';
    return found == 3;
}

void source_init(struct source *s, const char *bytes, size_t length)
{
    *s = (struct source){.bytes = bytes, .length = length, .number = 1, .start = 1};
    s->quoted_printable = is_quoted_printable(bytes, length);
}

/* What begins at `at` and stands for one character: its length, or 0. */
static size_t encoded(const struct source *s, char *c)
{
    static const struct {
        const char *text;
        char c;
    } codes[] = {{"&gt;", '>'},   {"&lt;", '<'},     {"&amp;", '&'},     {"&nbsp;", ' '},
                 {"&#39;", '\''}, {"\xc2\xa0", ' '}, {"&quot;", '"'},    {"\xe2\x80\xa6", ' '},
                 {"=\r\n", 0},    {"=\n", 0},        {"\xef\xbb\xbf", 0}};
    const char *p = s->bytes + s->at;
    size_t left = s->length - s->at;
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        size_t n = strlen(codes[i].text);
        if (n > left || memcmp(p, codes[i].text, n) != 0)
            continue;
        if (codes[i].text[0] == '=' && !s->quoted_printable)
            continue;
        *c = codes[i].c;
        return n;
    }
    if (s->quoted_printable && left >= 3 && p[0] == '=' && hex_value(p[1]) >= 0 &&
        hex_value(p[2]) >= 0) {
        *c = (char)(hex_value(p[1]) * 16 + hex_value(p[2]));
        return 3;
    }
    return 0;
}

/* The length of a terminal's escape sequence. */
static size_t escape(const struct source *s)
{
    size_t n = 2;
    if (s->at + 1 >= s->length || s->bytes[s->at + 1] != '[')
        return 1;
    while (s->at + n < s->length && n < 16 && !is_alnum(s->bytes[s->at + n]))
        n++;
    while (s->at + n < s->length && n < 16 &&
           (is_digit(s->bytes[s->at + n]) || s->bytes[s->at + n] == ';'))
        n++;
    return s->at + n < s->length ? n + 1 : n;
}

static void put(struct line *line, char c, size_t column)
{
    line->text[line->length] = (unsigned char)c < ' ' || (unsigned char)c > '~' ? ' ' : c;
    line->column[line->length++] = column < 0xffff ? (u16)column : 0xffff;
}

/* Reads up to the end of the line, or to a good place to cut a very long one. */
static void read_piece(struct source *s, struct line *line)
{
    size_t begin = s->at;
    line->number = s->number;
    line->length = 0;
    line->unended = true;
    while (s->at < s->length) {
        char c = s->bytes[s->at];
        size_t column = s->start + (s->at - begin), n;
        if (c == '\n') {
            line->unended = false;
            s->at++;
            s->number++;
            s->start = 1;
            return;
        }
        if (line->length >= LINE_ROOM - 1 || (line->length > LINE_ROOM - 256 && c == ' '))
            break;
        n = strchr("&=\xc2\xe2\xef", c) != NULL && c != '\0' ? encoded(s, &c) : 0;
        if (n == 0 && c == '\x1b')
            n = escape(s), c = 0;
        s->number += n != 0 && s->bytes[s->at + n - 1] == '\n';
        s->at += n != 0 ? n : 1;
        if (c != '\r' && c != 0)
            put(line, c, column);
    }
    s->start += (u32)(s->at - begin);
}

/* "dd:dd:dd" at t */
static bool is_time(const char *t)
{
    return is_digit(t[0]) && is_digit(t[1]) && t[2] == ':' && is_digit(t[3]) && is_digit(t[4]) &&
           t[5] == ':' && is_digit(t[6]) && is_digit(t[7]);
}

/* A time of day near the beginning, with the date before it, and behind it the names of the machine
 * and the program, which end with a colon. */
static size_t timestamp(const char *t)
{
    size_t at = 0, end;
    while (at < 28 && t[at] != '\0' && !is_time(t + at) && strchr("[(<=", t[at]) == NULL)
        at++;
    if (at == 28 || t[at] == '\0' || !is_time(t + at))
        return 0;
    for (at += 8; t[at] != '\0' && strchr(".,+:Z-", t[at]) != NULL; at++)
        while (is_digit(t[at + 1]))
            at++;
    end = at;
    for (unsigned word = 0; word < 3; word++) {
        while (t[end] == ' ')
            end++;
        if (t[end] == '[' || t[end] == '(' || t[end] == '*')
            return at;
        while (t[end] != '\0' && t[end] != ' ')
            end++;
        if (t[end - 1] == ':')
            return end;
    }
    return at;
}

/* "[ 6026.560893]", "[T12]", "(XEN)", "(d2)", "<3>": short, closed, and without an equals sign.
 * Parentheses hold the name of a guest only. */
static size_t bracket(const char *t, u32 *tag)
{
    char close = t[0] == '[' ? ']' : t[0] == '(' ? ')' : '>';
    size_t n = 1;
    while (n < 40 && t[n] != close && t[n] != '\0' && t[n] != '=')
        n++;
    if (t[n] != close)
        return 0;
    if (t[0] == '(' && strncmp(t, "(XEN", 4) != 0 && !(t[1] == 'd' && is_digit(t[2])))
        return 0;
    if (t[0] == '<' && !is_digit(t[1]))
        return 0;
    const char *in = t + 1;
    while (*in == ' ')
        in++;
    if (t[0] == '[' && (*in == 'T' || *in == 'C') && is_digit(in[1]))
        for (*tag = 1; in < t + n; in++)
            *tag = *tag * 31 + (unsigned char)*in;
    return n + 1;
}

static size_t word_prefix(const char *t)
{
    static const char *const words[] = {
        "kvm_intel:",      "kvm:",        "haxm_error:", "haxm_warn:", "haxm_warning:",
        "haxm_panic:",     "haxm_debug:", "haxm_info:",  "bprint:",    "dump_vmcs:",
        "kernel:",         "vmcs_dump:",  "hax:",        "xen:",       "KVM-intel:",
        "vmcs_dump_vcpu:", "printk:",     "info:",       "error:",     "ERROR:",
    };
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (strncmp(t, words[i], strlen(words[i])) == 0)
            return strlen(words[i]);
    if (strncmp(t, "CPU(0x", 6) == 0 || strncmp(t, "CPU(", 4) == 0) {
        const char *end = strstr(t, "):");
        return end != NULL && end - t < 16 ? (size_t)(end - t) + 2 : 0;
    }
    return 0;
}

/* "task-123  [003] d..1  1234.5: bprint: dump_vmcs: " of ftrace */
static size_t trace_prefix(const char *t)
{
    const char *p = strstr(t, "bprint: ");
    return p != NULL && p - t < 120 ? (size_t)(p - t) + 8 : 0;
}

static size_t prefix(const char *t, u32 *tag)
{
    size_t at = trace_prefix(t);
    for (unsigned rounds = 0; rounds < 16; rounds++) {
        size_t n = 0;
        while (t[at] == ' ' || t[at] == '>' || t[at] == '|')
            at++;
        if (t[at] == '[' || t[at] == '(' || t[at] == '<')
            n = bracket(t + at, tag);
        if (n == 0)
            n = word_prefix(t + at);
        if (n == 0)
            n = timestamp(t + at);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

bool source_next(struct source *s, struct line *line)
{
    if (s->at >= s->length)
        return false;
    bool whole = s->start == 1;
    read_piece(s, line);
    line->text[line->length] = '\0';
    line->tag = 0;
    size_t n = whole ? prefix(line->text, &line->tag) : 0;
    if (n != 0) {
        line->length -= n;
        memmove(line->text, line->text + n, line->length + 1);
        memmove(line->column, line->column + n, line->length * sizeof line->column[0]);
    }
    return true;
}
