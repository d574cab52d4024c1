/* SPDX-License-Identifier: BSD-2-Clause */
/* The forms in which dumps are pasted: with the prefixes of logs, quoted and wrapped by mail, as
 * HTML, on one line, with lines of others in between. The answer stays. And each dump cut at every
 * place: nothing is accused that the whole dump does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/vmcs12/why/why.h"

#define DUMPS "tests/data/vmcs-dumps"
#define ROOM  (1u << 17)

static const char *const names[] = {"04", "06", "13", "20", "26", "31"};

struct text {
    char bytes[ROOM];
    size_t length;
};

static void load(const char *name, struct text *t)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s.txt", DUMPS, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    t->length = fread(t->bytes, 1, sizeof t->bytes - 1, f);
    t->bytes[t->length] = '\0';
    fclose(f);
}

static void put(struct text *t, const char *bytes, size_t n)
{
    assert_true(t->length + n < sizeof t->bytes);
    memcpy(t->bytes + t->length, bytes, n);
    t->length += n;
}

static void put_text(struct text *t, const char *text)
{
    put(t, text, strlen(text));
}

/* Without the prefixes that the file itself has. */
static const char *bare(const char *line)
{
    while (*line == '[')
        line = strchr(line, ']') + 1;
    line += strncmp(line, "(XEN) ", 6) == 0 ? 6 : 0;
    return line;
}

struct form {
    const char *name, *before, *after;
    bool strip;          /* the file's own prefixes go */
    unsigned wrap;       /* columns; 0: none */
    const char *foreign; /* a line of somebody else, behind every third */
    char blank[8];       /* what a blank becomes */
    char equals[4];      /* what an equals sign becomes */
};

static const struct form forms[] = {
    {"syslog", "Jun 24 17:25:51 host kernel: ", "\n", true, 0, NULL, " ", "="},
    {"syslog with time", "Jun 24 17:25:51 host kernel: [ 12.345678] ", "\n", true, 0, NULL, " ",
     "="},
    {"journal", "2023-06-24T17:25:51.123456+0200 host kernel: kvm_intel: ", "\n", true, 0, NULL,
     " ", "="},
    {"dmesg -T", "[Sat Jun 24 17:25:51 2023] ", "\n", true, 0, NULL, " ", "="},
    {"caller", "[ 6026.560893][    T123] ", "\n", true, 0, NULL, " ", "="},
    {"level", "<3>[ 6026.560893] ", "\n", true, 0, NULL, " ", "="},
    {"xen with time", "(XEN) [2019-11-02 14:09:46] ", "\n", true, 0, NULL, " ", "="},
    {"ftrace", " qemu-12  [003] d..1  60.560893: bprint: dump_vmcs: ", "\n", true, 0, NULL, " ",
     "="},
    {"quoted", ">> > ", "\n", false, 0, NULL, " ", "="},
    {"wrapped at 72", "> ", "\n", false, 72, NULL, " ", "="},
    {"wrapped at 50", ">>>> ", "\n", false, 50, NULL, " ", "="},
    {"wrapped, with times", "> ", "\n", true, 60, NULL, " ", "="},
    {"carriage returns", "", "\r\r\n", false, 0, NULL, " ", "="},
    {"HTML", "&gt; ", "\n", false, 0, NULL, "&nbsp;", "="},
    {"no-break spaces", "", "\n", false, 0, NULL, "\xc2\xa0", "="},
    {"tabs", "", "\n", false, 0, NULL, "\t", "="},
    {"colours", "\x1b[32m", "\x1b[0m\n", false, 0, NULL, " ", "="},
    {"quoted-printable", "", "\n", false, 0, NULL, " ", "=3D"},
    {"one line", " ", " ", true, 0, NULL, " ", "="},
    {"lines of others", "", "\n", false, 0,
     "[ 1.0] RIP: 0010:foo+0x1/0x2 RSP: 0018:ffff CR2: 0 CR3: 0000000105e26004 CR4: "
     "0000000000772ef0\n",
     " ", "="},
};

static void put_encoded(struct text *t, const struct form *f, const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (line[i] == ' ')
            put_text(t, f->blank);
        else if (line[i] == '=')
            put_text(t, f->equals);
        else
            put(t, line + i, 1);
}

/* One line, broken at blanks. */
static void put_line(struct text *t, const struct form *f, const char *line, size_t n)
{
    while (f->wrap != 0 && n > f->wrap) {
        size_t cut = f->wrap;
        while (cut > 0 && line[cut] != ' ')
            cut--;
        if (cut == 0)
            break;
        put_text(t, f->before);
        put_encoded(t, f, line, cut);
        put_text(t, f->after);
        line += cut + 1;
        n -= cut + 1;
    }
    put_text(t, f->before);
    put_encoded(t, f, line, n);
    put_text(t, f->after);
}

static void give_form(struct text *out, const struct form *f, const struct text *in)
{
    unsigned number = 0;
    out->length = 0;
    for (const char *line = in->bytes; *line != '\0'; number++) {
        size_t n = strcspn(line, "\n");
        const char *start = f->strip ? bare(line) : line;
        put_line(out, f, start, n - (size_t)(start - line));
        line += n + (line[n] == '\n');
        if (f->foreign != NULL && number % 3 == 2)
            put_text(out, f->foreign);
    }
}

static bool same_findings(const struct finding *a, unsigned as, const struct finding *b,
                          unsigned bs)
{
    if (as != bs)
        return false;
    for (unsigned i = 0; i < as; i++)
        if (a[i].rule != b[i].rule || a[i].fields != b[i].fields ||
            memcmp(a[i].field, b[i].field, sizeof a[i].field) != 0)
            return false;
    return true;
}

static struct answer whole, now;

static void first_answer(const struct text *t, struct reading *r, struct answer *a)
{
    assert_true(why_read(t->bytes, t->length, r));
    assert_true(r->dumps >= 1);
    why_judge(&r->dump[0], &r->cpu, a);
}

static void test_forms(void **state)
{
    static struct text in, out;
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        for (unsigned k = 0; k < ARRAY_LEN(forms); k++) {
            struct reading r, q;
            load(names[i], &in);
            first_answer(&in, &r, &whole);
            give_form(&out, &forms[k], &in);
            first_answer(&out, &q, &now);
            bool same =
                same_findings(whole.broken, whole.brokens, now.broken, now.brokens) &&
                same_findings(whole.broken_if, whole.broken_ifs, now.broken_if, now.broken_ifs) &&
                whole.entry_failed == now.entry_failed && whole.by_codes == now.by_codes &&
                r.dump[0].format == q.dump[0].format;
            if (!same)
                fail_msg("%s, %s: another answer\n%s", names[i], forms[k].name, now.notes);
            free(r.dump);
            free(q.dump);
        }
}

static bool names_rule(const struct answer *a, enum rule_id rule)
{
    for (unsigned i = 0; i < a->brokens; i++)
        if (a->broken[i].rule == rule)
            return true;
    return false;
}

static void test_cuts(void **state)
{
    static struct text in;
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        struct reading r;
        load(names[i], &in);
        first_answer(&in, &r, &whole);
        free(r.dump);
        for (size_t n = in.length; n-- > 0;) {
            assert_true(why_read(in.bytes, n, &r));
            if (r.dumps != 0) {
                why_judge(&r.dump[0], &r.cpu, &now);
                for (unsigned k = 0; k < now.brokens; k++)
                    if (!names_rule(&whole, now.broken[k].rule))
                        fail_msg("%s cut at %zu: %s", names[i], n, rule_name(now.broken[k].rule));
                assert_int_equal(now.broken_ifs, 0);
            }
            free(r.dump);
        }
    }
}

/* Twice the same is one dump; two in one file are two. */
static void test_several(void **state)
{
    static struct text in, more;
    struct reading r;
    (void)state;
    load("06", &in);
    load("06", &more);
    put(&in, more.bytes, more.length);
    assert_true(why_read(in.bytes, in.length, &r));
    assert_int_equal(r.dumps, 1);
    assert_int_equal(r.dump[0].repeated, 1);
    free(r.dump);
    load("26", &more);
    put(&in, more.bytes, more.length);
    assert_true(why_read(in.bytes, in.length, &r));
    assert_int_equal(r.dumps, 2);
    assert_int_equal(r.dump[1].format, FORMAT_XEN);
    free(r.dump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_cuts),
                                       cmocka_unit_test(test_several)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
