/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The C library of the web page: strings, numbers, memory that is all given back at once, and
 * printf for the formats that the tool uses.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/web/web.h"

#define PAGE 65536u

extern unsigned char __heap_base;
static size_t heap_at;

void heap_reset(void)
{
    heap_at = (size_t)&__heap_base;
}

/* Each piece has its size before it, for realloc. */
void *malloc(size_t size)
{
    size_t need = (size + 16 + 15) & ~(size_t)15;
    size_t end = __builtin_wasm_memory_size(0) * PAGE;
    if (heap_at == 0)
        heap_reset();
    heap_at = (heap_at + 15) & ~(size_t)15;
    if (heap_at + need > end &&
        __builtin_wasm_memory_grow(0, (heap_at + need - end + PAGE - 1) / PAGE) == (size_t)-1)
        return NULL;
    *(size_t *)heap_at = size;
    heap_at += need;
    return (void *)(heap_at - need + 16);
}

void *calloc(size_t count, size_t size)
{
    void *p = malloc(count * size);
    return p != NULL ? memset(p, 0, count * size) : NULL;
}

void *realloc(void *old, size_t size)
{
    void *p = malloc(size);
    if (p != NULL && old != NULL) {
        size_t was = *(size_t *)((char *)old - 16);
        memcpy(p, old, was < size ? was : size);
    }
    return p;
}

void free(void *old)
{
    (void)old;
}

void *memmove(void *to, const void *from, size_t n)
{
    char *a = to;
    const char *b = from;
    for (size_t i = 0; i < n; i++) {
        size_t at = a < b ? i : n - 1 - i;
        a[at] = b[at];
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    char *a = to;
    const char *b = from;
    for (size_t i = 0; i < n; i++)
        a[i] = b[i];
    return to;
}

void *memset(void *to, int c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = (char)c;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

void *memchr(const void *p, int c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const char *)p)[i] == (char)c)
            return (char *)p + i;
    return NULL;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n] != '\0')
        n++;
    return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i] || a[i] == '\0')
            return (unsigned char)a[i] - (unsigned char)b[i];
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, (size_t)-1);
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++)
        if (*s == '\0')
            return NULL;
    return (char *)s;
}

char *strrchr(const char *s, int c)
{
    char *last = NULL;
    for (; *s != '\0'; s++)
        if (*s == (char)c)
            last = (char *)s;
    return last;
}

char *strstr(const char *s, const char *word)
{
    size_t n = strlen(word);
    for (; *s != '\0'; s++)
        if (*s == *word && strncmp(s, word, n) == 0)
            return (char *)s;
    return NULL;
}

char *strcpy(char *to, const char *from)
{
    return memcpy(to, from, strlen(from) + 1);
}

char *strcat(char *to, const char *from)
{
    strcpy(to + strlen(to), from);
    return to;
}

size_t strcspn(const char *s, const char *set)
{
    size_t n = 0;
    while (s[n] != '\0' && strchr(set, s[n]) == NULL)
        n++;
    return n;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'z' ? c - 'a' + 10
           : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                  : 99;
}

unsigned long long strtoull(const char *text, char **end, int base)
{
    unsigned long long value = 0;
    while (*text == ' ')
        text++;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    if (hex && (base == 0 || base == 16))
        text += 2;
    base = base != 0 ? base : hex ? 16 : 10;
    for (; digit_of(*text) < base; text++)
        value = value * (unsigned)base + (unsigned)digit_of(*text);
    if (end != NULL)
        *end = (char *)text;
    return value;
}

unsigned long strtoul(const char *text, char **end, int base)
{
    return (unsigned long)strtoull(text, end, base);
}

/* ---- printf ---- */

struct sink {
    char *text;
    size_t room, length;
};

static void put(struct sink *s, char c)
{
    if (s->length + 1 < s->room)
        s->text[s->length] = c;
    s->length++;
}

struct spec {
    bool zero, left;
    int width, precision, longs;
};

static void put_padded(struct sink *s, const struct spec *p, const char *text, int n)
{
    for (int i = n; !p->left && i < p->width; i++)
        put(s, p->zero ? '0' : ' ');
    for (int i = 0; i < n; i++)
        put(s, text[i]);
    for (int i = n; p->left && i < p->width; i++)
        put(s, ' ');
}

static void put_number(struct sink *s, const struct spec *p, unsigned long long value,
                       unsigned base)
{
    char digits[24];
    int n = (int)sizeof digits;
    do {
        digits[--n] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    put_padded(s, p, digits + n, (int)sizeof digits - n);
}

static const char *read_spec(const char *f, struct spec *p, va_list *ap)
{
    *p = (struct spec){.precision = -1};
    for (; *f == '0' || *f == '-'; f++) {
        p->zero |= *f == '0';
        p->left |= *f == '-';
    }
    for (; *f >= '0' && *f <= '9'; f++)
        p->width = p->width * 10 + *f - '0';
    if (*f == '*') {
        p->width = va_arg(*ap, int);
        f++;
    }
    if (f[0] == '.' && f[1] == '*') {
        p->precision = va_arg(*ap, int);
        f += 2;
    }
    for (; *f == 'l' || *f == 'z'; f++)
        p->longs++;
    return f;
}

static void put_spec(struct sink *s, const struct spec *p, char kind, va_list *ap)
{
    if (kind == 's') {
        const char *text = va_arg(*ap, const char *);
        int n = (int)strlen(text);
        put_padded(s, p, text, p->precision >= 0 && p->precision < n ? p->precision : n);
    } else if (kind == 'c') {
        put(s, (char)va_arg(*ap, int));
    } else if (kind == '%') {
        put(s, '%');
    } else {
        unsigned long long v =
            p->longs >= 2 ? va_arg(*ap, unsigned long long) : va_arg(*ap, unsigned);
        put_number(s, p, v, kind == 'x' ? 16 : 10);
    }
}

int vsnprintf(char *text, size_t room, const char *format, va_list ap)
{
    struct sink s = {text, room, 0};
    va_list args;
    va_copy(args, ap);
    for (const char *f = format; *f != '\0'; f++) {
        struct spec p;
        if (*f != '%') {
            put(&s, *f);
            continue;
        }
        f = read_spec(f + 1, &p, &args);
        put_spec(&s, &p, *f, &args);
    }
    va_end(args);
    if (room != 0)
        text[s.length < room ? s.length : room - 1] = '\0';
    return (int)s.length;
}

int snprintf(char *text, size_t room, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, room, format, ap);
    va_end(ap);
    return n;
}

int fprintf(FILE *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(f->text + f->length, f->room - f->length, format, ap);
    va_end(ap);
    f->length += (size_t)n < f->room - f->length ? (size_t)n : f->room - f->length - 1;
    return n;
}

int fputs(const char *text, FILE *f)
{
    return fprintf(f, "%s", text);
}

int fputc(int c, FILE *f)
{
    return fprintf(f, "%c", c);
}
