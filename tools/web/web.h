/* SPDX-License-Identifier: BSD-2-Clause */
/* What the page's JavaScript calls. */
#ifndef TOOLS_WEB_WEB_H
#define TOOLS_WEB_WEB_H

#include <stddef.h>

/* Room for an input of this length; what was there before is gone. NULL: no memory. */
char *web_input(size_t length);

/* Judges the input and returns its answer as JSON (docs/why.md), with a NUL behind it. */
const char *web_why(size_t length);

/* Gives all memory back. */
void heap_reset(void);

#endif
