/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of <stdio.h> that `vmcs12 why` needs in a web page: a FILE is a text in memory. */
#ifndef TOOLS_WEB_LIBC_STDIO_H
#define TOOLS_WEB_LIBC_STDIO_H

#include <stdarg.h>
#include <stddef.h>

typedef struct {
    char *text;
    size_t length, room;
} FILE;

int fprintf(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
int vsnprintf(char *text, size_t room, const char *format, va_list ap);
int snprintf(char *text, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int fputs(const char *text, FILE *f);
int fputc(int c, FILE *f);

#endif
