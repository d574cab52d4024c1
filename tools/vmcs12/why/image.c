/* SPDX-License-Identifier: BSD-2-Clause */
/* Inputs that are the bytes of a VMCS, as they are or as a dump of bytes. Contract in scan.h. */
#include <stdlib.h>
#include <string.h>

#include "hv/saved/layout.h"
#include "tools/vmcs12/why/scan.h"

static bool take_page(const u8 *page, size_t length, struct reading *r)
{
    u32 revision;
    struct vmcs_image v;
    memcpy(&revision, page, sizeof revision);
    enum vmcs_layout layout = layout_of_revision(revision);
    if (layout == LAYOUT_COUNT || length < layout_info(layout)->size)
        return false;
    struct dump *d = reading_grow(NULL, 1);
    if (d == NULL)
        return false;
    memset(d, 0, sizeof *d);
    layout_decode(layout, page, &v);
    d->format = FORMAT_IMAGE;
    d->line = 1;
    d->named = R_NONE;
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (layout_offset(layout, f) != LAYOUT_NONE)
            dump_set(d, f, vmcs12_get(&v, f));
    bool empty = true;
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        empty = empty && d->field[f].number == 0;
    if (empty)
        dump_note(
            d, "all fields are zero: was the VMCS cleared? The page of a current VMCS is stale.");
    r->dump = d;
    r->dumps = r->room = 1;
    return true;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One line of xxd, hexdump -C or od -tx1: an address, then bytes, maybe joined in groups. Returns
 * how many bytes it has. */
static size_t bytes_of_line(const char *t, size_t length, u8 *out, size_t room)
{
    size_t at = 0, n = 0;
    while (at < length && hex_value(t[at]) >= 0)
        at++;
    if (at < 4 || at > 16 || at == length || (t[at] != ':' && t[at] != ' '))
        return 0;
    at += t[at] == ':';
    while (at + 1 < length && n < room && n < 16) {
        if (t[at] == ' ' && t[at + 1] == ' ' && n != 0 && n != 8)
            break;
        if (t[at] == ' ') {
            at++;
            continue;
        }
        if (hex_value(t[at]) < 0 || hex_value(t[at + 1]) < 0)
            break;
        out[n++] = (u8)(hex_value(t[at]) * 16 + hex_value(t[at + 1]));
        at += 2;
    }
    return n;
}

static size_t bytes_of_text(const char *text, size_t length, u8 *page, size_t room)
{
    size_t at = 0, n = 0, got = 1;
    while (at < length && got != 0 && n < room) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t line = end != NULL ? (size_t)(end - text) - at : length - at;
        got = bytes_of_line(text + at, line, page + n, room - n);
        n += got;
        at += line + 1;
    }
    return n;
}

bool image_read(const char *bytes, size_t length, struct reading *r)
{
    u8 page[4096] = {0};
    size_t head = length < sizeof page ? length : sizeof page;
    if (memchr(bytes, '\0', head) != NULL && length >= 1024) {
        memcpy(page, bytes, head);
        return take_page(page, head, r);
    }
    size_t n = bytes_of_text(bytes, length, page, sizeof page);
    return n >= 1024 && take_page(page, n, r);
}
