/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of a dump: what a number in the text is worth. Contract in why.h and scan.h. */
#include <stdarg.h>
#include <string.h>

#include "hv/arch/cpu.h"
#include "tools/vmcs12/why/scan.h"

void notes_add(char notes[DUMP_NOTES], size_t room, const char *format, va_list ap)
{
    size_t used = strlen(notes);
    if (used + room >= DUMP_NOTES)
        return;
    vsnprintf(notes + used, room - 2, format, ap);
    strcat(notes, "\n");
}

void dump_note(struct dump *d, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    notes_add(d->notes, 200, format, ap);
    va_end(ap);
}

void dump_lose(struct dump *d, enum vmcs_field f)
{
    d->field[f].state = VALUE_LOST;
}

void dump_set(struct dump *d, enum vmcs_field f, u64 number)
{
    struct value *v = &d->field[f];
    if (v->state == VALUE_LOST || (v->state == VALUE_KNOWN && v->number == number))
        return;
    if (v->state == VALUE_KNOWN) {
        dump_note(d, "%s is printed with two values and counts as unknown", vmcs12_name(f));
        v->state = VALUE_LOST;
        return;
    }
    *v = (struct value){number, VALUE_KNOWN};
    d->values++;
}

static bool fits(enum vmcs_field f, u64 value)
{
    switch (vmcs12_desc(f)->width) {
    case W16:
        return value <= 0xffff;
    case W32:
    case WAR:
        return value <= 0xffffffff;
    default:
        return true;
    }
}

/* A number at the end of a line that has as many digits as some products print, and might have lost
 * others. */
static bool may_be_cut(const struct dump *d, const struct number *n)
{
    if (!n->last)
        return false;
    if (n->kind == 'a') /* 4 or 8 digits of states, 5 of access rights */
        return n->digits != 8 && !(n->digits == 4 && d->short_states);
    return n->kind == 'f' && n->digits < 16 && !any(n->value, RFLAGS_FIXED) && n->value != 0;
}

/* A number with too few digits was cut, unless the dump prints numbers without leading zeros. */
static bool is_whole(struct dump *d, enum vmcs_field f, const struct number *n)
{
    unsigned least = number_least(n->kind);
    if (n->kind == 'a' && !n->last)
        least = 3; /* Xen's packed access rights */
    if (n->digits >= least && !may_be_cut(d, n)) {
        d->padded += n->kind == 'q';
        d->short_states |= n->kind == 'a' && n->digits == 4 && f == F_guest_interruptibility;
        return true;
    }
    if (n->last ? d->unpadded == 0 : d->padded > 1 && d->unpadded == 0)
        return false;
    if (d->unpadded++ == 0)
        d->short_field = (u8)f;
    return true;
}

void take_number(struct dump *d, enum vmcs_field f, const struct number *n, const struct line *line,
                 size_t shift)
{
    u32 column = n->at >= shift && n->at - shift < line->length ? line->column[n->at - shift] : 0;
    const char *fault = n->wrong             ? "cannot be read"
                        : !is_whole(d, f, n) ? "is cut short"
                        : !fits(f, n->value) ? "has too many digits"
                                             : NULL;
    if (fault == NULL) {
        dump_set(d, f, n->value);
        return;
    }
    dump_note(d, "the number of %s %s (line %u, column %u)", vmcs12_name(f), fault, line->number,
              column);
    dump_lose(d, f);
}
