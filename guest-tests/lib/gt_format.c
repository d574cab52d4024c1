/* SPDX-License-Identifier: BSD-2-Clause */
/* A small formatter. Contract in gt_format.h. */
#include "guest-tests/lib/gt_format.h"

#include "hv/arch/types.h"

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
