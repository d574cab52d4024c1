/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table, in the columns of tests/data/broadwell_vmcs_layout.csv, and what agrees with revision
 * 0x12. Contract in probe.h.
 */
#include "guest-tests/lib/gt_private.h"
#include "guest-tests/probe/probe.h"

enum { REVISION_KNOWN = 0x12, NOTE = 200 };

const struct probe_known probe_known[] = {
#define P(ENC, NAME, WIDTH, AT) {ENC, NAME, WIDTH, AT},
#include <probe_layout.inc>
#undef P
};
const unsigned probe_known_count = sizeof probe_known / sizeof *probe_known;

static struct {
    unsigned present, agree, differ, more, fewer, placed, odd, overlaps, packed;
} count;

const struct probe_known *probe_find_known(u16 enc)
{
    for (unsigned i = 0; i < probe_known_count; i++)
        if (probe_known[i].enc == enc)
            return &probe_known[i];
    return NULL;
}

/* What the passes agree on; NO_PLACE when they do not. */
static int place(const struct probe_field *f)
{
    if (f->walk == NO_PLACE)
        return f->fill;
    if (f->fill != NO_PLACE && f->fill != f->walk)
        return NO_PLACE;
    return f->walk;
}

static const char *confidence(const struct probe_field *f)
{
    bool there_and_back = f->walk_back && f->fill == f->walk;

    if (place(f) == NO_PLACE)
        return "unknown";
    if (there_and_back && (f->needle == f->walk || !f->straight))
        return "high";
    return "medium";
}

static size_t append(char *text, size_t n, const char *fmt, ...)
{
    va_list ap;

    if (n + 1 >= NOTE)
        return n;
    va_start(ap, fmt);
    n += gt_format_v(text + n, NOTE - n, fmt, ap);
    va_end(ap);
    return n;
}

/* Runs of bits that lie in order: FIRST-LAST>BYTE.BIT. */
static size_t say_packing(char *text, size_t n, const struct probe_field *f)
{
    unsigned bit = 0, bits = 8u * f->size;

    n = append(text, n, "; packed");
    while (bit < bits) {
        unsigned first = bit;

        if (!(f->stored >> bit & 1) || f->where[bit] == NO_BIT) {
            bit++;
            continue;
        }
        while (bit < bits && f->stored >> bit & 1 && f->where[bit] == f->where[first] + bit - first)
            bit++;
        n = append(text, n, " %u-%u>0x%03x.%u", first, bit - 1, f->where[first] / 8u,
                   f->where[first] % 8u);
    }
    return n;
}

static void judge(const struct probe_field *f, const struct probe_known *k, char *note)
{
    int at = place(f);
    size_t n;
    u64 all = f->size == 8 ? ~0ull : (1ull << 8 * f->size) - 1;

    count.placed += at != NO_PLACE;
    if (at == NO_PLACE) {
        n = append(note, 0, f->stored ? "the passes disagree" : "reads but lies nowhere");
        count.odd++;
    } else if (k == NULL || k->at == NO_PLACE) {
        n = append(note, 0, "not on Broadwell");
        count.more++;
    } else if (k->at == at) {
        n = append(note, 0, "as revision 0x12");
        count.agree++;
    } else {
        n = append(note, 0, "revision 0x12 has 0x%03x", k->at);
        count.differ++;
    }
    if (!f->writable)
        n = append(note, n, "; read-only");
    if (f->stored && f->stored != all)
        n = append(note, n, "; bits stored %lx", f->stored);
    if (f->writable && f->kept != f->stored)
        n = append(note, n, "; bits read back %lx", f->kept);
    if (f->stored && !f->straight) {
        count.packed++;
        say_packing(note, n, f);
    }
}

static void row(const struct probe_field *f)
{
    static const char *const width[4] = {"16", "64", "32", "natural"};
    const struct probe_known *k = probe_find_known(f->enc);
    char note[NOTE] = "", at[8] = "", source[8] = "", name[24];
    size_t n = 0;

    judge(f, k, note);
    if (place(f) != NO_PLACE)
        gt_format(at, sizeof at, "0x%03x", place(f));
    if (f->needle != NO_PLACE)
        source[n++] = 'A';
    if (f->fill != NO_PLACE)
        source[n++] = 'B';
    if (f->walk_back)
        source[n++] = 'C';
    gt_format(name, sizeof name, "UNKNOWN_%04X", f->enc);
    probe_line("csv: 0x%04x,%s,%s,%s,%s,probe %s,%s", f->enc, k ? k->name : name,
               width[f->enc >> 13], at, confidence(f), source[0] ? source : "-", note);
}

static bool there(u16 enc)
{
    for (unsigned i = 0; i < probe_fields; i++)
        if (probe_field[i].enc == enc)
            return true;
    return false;
}

static void say_absent(void)
{
    for (unsigned i = 0; i < probe_known_count; i++) {
        const struct probe_known *k = &probe_known[i];

        if (there(k->enc))
            continue;
        count.fewer += k->at != NO_PLACE;
        probe_line("csv: 0x%04x,%s,%s,,unknown,,VMREAD fails here%s", k->enc, k->name, k->width,
                   k->at == NO_PLACE ? "" : "; revision 0x12 has a place for it");
    }
}

/* Two fields in one byte would be a wrong answer. */
static void count_overlaps(void)
{
    static u8 owners[PROBE_PAGE * 8];

    for (unsigned i = 0; i < probe_fields; i++) {
        const struct probe_field *f = &probe_field[i];

        for (unsigned bit = 0; bit < 8u * f->size; bit++) {
            unsigned at = f->stored ? f->where[bit] : 8u * (unsigned)f->fill + bit;

            if ((f->stored ? !(f->stored >> bit & 1) : f->fill == NO_PLACE) || at == NO_BIT)
                continue;
            count.overlaps += owners[at] != 0;
            owners[at] = 1;
        }
    }
}

void probe_say(void)
{
    u64 basic = gt_rdmsr(MSR_VMX_BASIC);

    probe_line("csv: encoding_hex,field_name,width,byte_offset_hex,confidence,source,note");
    for (unsigned i = 0; i < probe_fields; i++)
        row(&probe_field[i]);
    say_absent();
    count_overlaps();
    probe_line("odd: encodings with a reserved bit that read %u, the first %x; high halves of "
               "narrow fields %u",
               probe_odd.reserved, probe_odd.first_reserved, probe_odd.narrow_high);
    probe_line("odd: fields that read and lie nowhere %u", count.odd);
    probe_line("high: halves %u right %u", probe_odd.high_there, probe_odd.high_right);
    probe_line("verdict: revision %x%s fields %u placed %u agree %u differ %u more %u fewer %u "
               "packed %u overlaps %u",
               (u32)basic & 0x7fffffff,
               ((u32)basic & 0x7fffffff) == REVISION_KNOWN ? "" : " (not 12)", probe_fields,
               count.placed, count.agree, count.differ, count.more, count.fewer, count.packed,
               count.overlaps);
}
