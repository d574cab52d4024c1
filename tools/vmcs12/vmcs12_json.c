/* SPDX-License-Identifier: BSD-2-Clause */
/* Strings of JSON. Contract in vmcs12_tool.h. */
#include <string.h>

#include "tools/vmcs12/vmcs12_tool.h"

void tool_json_string(FILE *out, const char *text, size_t length)
{
    fputc('"', out);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < ' ' || c > '~')
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

void tool_json_text(FILE *out, const char *text)
{
    tool_json_string(out, text, strlen(text));
}
