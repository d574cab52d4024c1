/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of <stdlib.h> that `vmcs12 why` needs in a web page. */
#ifndef TOOLS_WEB_LIBC_STDLIB_H
#define TOOLS_WEB_LIBC_STDLIB_H

#include <stddef.h>

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);
void free(void *old);
unsigned long strtoul(const char *text, char **end, int base);
unsigned long long strtoull(const char *text, char **end, int base);

#endif
