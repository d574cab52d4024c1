/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transcript: a small formatter and port 0xE9.
 * Port 0xE9 costs one instruction a byte in the emulator and nobody else uses it; COM1 belongs
 * to the firmware's console.
 */
#include <stdarg.h>
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/gt_private.h"

enum { PORT_E9 = 0xe9, LINE_MAX = 512 };

struct sink {
    char *at, *end;
};

static void put(struct sink *s, char c)
{
    if (s->at < s->end)
        *s->at++ = c;
}

static void put_number(struct sink *s, u64 v, unsigned base, unsigned width, char pad)
{
    char digits[24];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    while (width > n) {
        put(s, pad);
        width--;
    }
    while (n > 0)
        put(s, digits[--n]);
}

static void put_decimal(struct sink *s, int64_t v, unsigned width, char pad, bool sign)
{
    if (sign && v >= 0)
        put(s, '+');
    if (v < 0) {
        put(s, '-');
        v = -v;
    }
    put_number(s, (u64)v, 10, width, pad);
}

static void put_string(struct sink *s, const char *text, unsigned width)
{
    for (; *text; text++, width -= width > 0)
        put(s, *text);
    while (width-- > 0)
        put(s, ' ');
}

static void put_argument(struct sink *s, const char **fmt, va_list *ap)
{
    const char *p = *fmt;
    char pad = *p == '0' ? '0' : ' ';
    unsigned width = 0, longs = 0;
    bool sign = *p == '+';

    p += sign;
    while (*p >= '0' && *p <= '9')
        width = width * 10 + (unsigned)(*p++ - '0');
    while (*p == 'l') {
        longs++;
        p++;
    }
    *fmt = p + 1;
    if (*p == 's')
        put_string(s, va_arg(*ap, const char *), width);
    else if (*p == 'c')
        put(s, (char)va_arg(*ap, int));
    else if (*p == 'd')
        put_decimal(s, longs ? va_arg(*ap, int64_t) : va_arg(*ap, int), width, pad, sign);
    else if (*p == 'x' || *p == 'u')
        put_number(s, longs ? va_arg(*ap, u64) : va_arg(*ap, u32), *p == 'x' ? 16 : 10, width, pad);
    else
        put(s, *p);
}

size_t gt_format_v(char *buf, size_t size, const char *fmt, va_list ap)
{
    struct sink s = {buf, buf + size - 1};
    va_list args;

    va_copy(args, ap);
    while (*fmt) {
        if (*fmt != '%') {
            put(&s, *fmt++);
            continue;
        }
        fmt++;
        put_argument(&s, &fmt, &args);
    }
    va_end(args);
    *s.at = 0;
    return (size_t)(s.at - buf);
}

size_t gt_format(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = gt_format_v(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

void gt_raw(const char *text)
{
    while (*text)
        gt_outb(PORT_E9, (u8)*text++);
}

static void (*taker)(const char *text);

void gt_lines_to(void (*take)(const char *text))
{
    taker = take;
}

static void line_v(const char *lead, const char *fmt, va_list ap)
{
    char text[LINE_MAX];

    gt_format_v(text, sizeof text, fmt, ap);
    if (taker != NULL && lead[0] == 0) {
        taker(text);
        return;
    }
    gt_raw(lead);
    gt_raw(gt_name);
    gt_raw(".");
    gt_raw(text);
    gt_raw("\n");
    gt_lines++;
}

void gt_line(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    line_v("", fmt, ap);
    va_end(ap);
}

void gt_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    line_v("FAIL ", fmt, ap);
    va_end(ap);
}

void gt_check(bool ok, const char *fmt, ...)
{
    va_list ap;

    if (ok)
        return;
    va_start(ap, fmt);
    line_v("FAIL ", fmt, ap);
    va_end(ap);
}
