/* SPDX-License-Identifier: BSD-2-Clause */
/* From an input to its dumps. Contract in why.h. */
#include <stdlib.h>
#include <string.h>

#include "tools/vmcs12/why/scan.h"

#define VALUES_LEAST 4 /* fewer values are no dump, unless the failure is told beside them */

struct dump *reading_grow(struct dump *dump, unsigned room)
{
    return realloc(dump, room * sizeof *dump);
}

const char *why_format_name(enum why_format format)
{
    static const char *const names[] = {
        [FORMAT_KVM] = "kvm",
        [FORMAT_XEN] = "xen",
        [FORMAT_XMHF] = "xmhf",
        [FORMAT_HAXM] = "haxm",
        [FORMAT_NOIRVISOR] = "noirvisor",
        [FORMAT_VIRTUALBOX] = "virtualbox",
        [FORMAT_BHYVE] = "bhyve",
        [FORMAT_VMREAD] = "vmread",
        [FORMAT_NIDUS] = "nidus",
        [FORMAT_IMAGE] = "image",
    };
    return names[format];
}

static bool is_dump(const struct dump *d)
{
    return d->values >= VALUES_LEAST || d->has_error || d->has_reason || d->named < R_COUNT;
}

static bool same(const struct dump *a, const struct dump *b)
{
    return a->format == b->format && a->values == b->values && a->has_error == b->has_error &&
           a->error == b->error && memcmp(a->field, b->field, sizeof a->field) == 0;
}

/* Takes out what is no dump, and a dump that says what the one before it said. */
static void sift(struct reading *r)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < r->dumps; i++) {
        struct dump *d = &r->dump[i];
        if (!is_dump(d))
            continue;
        if (kept != 0 && same(&r->dump[kept - 1], d) && d->values != 0) {
            r->dump[kept - 1].repeated++;
            continue;
        }
        if (kept != i)
            r->dump[kept] = *d;
        kept++;
    }
    r->dumps = kept;
}

/* Windows's logs are UTF-16: every second byte of them is enough. NULL: it is no UTF-16. */
static char *from_utf16(const char *bytes, size_t length)
{
    if (length < 4 || (unsigned char)bytes[0] != 0xff || (unsigned char)bytes[1] != 0xfe)
        return NULL;
    char *text = malloc(length / 2);
    for (size_t i = 1; text != NULL && i < length / 2; i++)
        text[i - 1] = bytes[2 * i + 1] == 0 ? bytes[2 * i] : ' ';
    return text;
}

bool why_read(const char *bytes, size_t length, struct reading *r)
{
    struct scan *s = calloc(1, sizeof *s);
    struct line *line = malloc(sizeof *line);
    char *plain = from_utf16(bytes, length);
    *r = (struct reading){.dump = NULL};
    open_init(&r->cpu);
    bool there = s != NULL && line != NULL;
    if (there && (plain != NULL || !image_read(bytes, length, r))) {
        struct source source;
        s->r = r;
        s->pending.named = R_NONE;
        source_init(&source, plain != NULL ? plain : bytes,
                    plain != NULL ? length / 2 - 1 : length);
        while (source_next(&source, line))
            scan_line(s, line);
        scan_end(s);
        sift(r);
    }
    for (unsigned i = 0; there && i < r->dumps; i++)
        dump_settle(&r->dump[i]);
    free(plain);
    free(line);
    free(s);
    return there;
}
