/* SPDX-License-Identifier: BSD-2-Clause */
/* vmcs12 why in a web page: text in, JSON out. Contract in web.h. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/vmcs12/why/why.h"
#include "tools/web/web.h"

#define DUMPS_SHOWN 20u
#define ANSWER_ROOM ((size_t)1 << 18)

static char *input;

char *web_input(size_t length)
{
    heap_reset();
    input = malloc(length + 1);
    return input;
}

const char *web_why(size_t length)
{
    struct reading r;
    struct answer *a = malloc(sizeof *a);
    if (input == NULL || a == NULL || !why_read(input, length, &r))
        return "{\"error\": \"out of memory\"}";
    unsigned shown = r.dumps < DUMPS_SHOWN ? r.dumps : DUMPS_SHOWN;
    FILE out = {.room = ANSWER_ROOM * (shown + 1)};
    out.text = malloc(out.room);
    if (out.text == NULL)
        return "{\"error\": \"out of memory\"}";
    fprintf(&out, "{\"count\": %u, \"dumps\": [", r.dumps);
    for (unsigned i = 0; i < shown; i++) {
        why_judge(&r.dump[i], &r.cpu, a);
        fputs(i != 0 ? ",\n" : "\n", &out);
        why_print_json(&out, a);
    }
    fputs("\n]}\n", &out);
    return out.text;
}
