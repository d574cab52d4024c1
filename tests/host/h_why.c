/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers to six public dumps, in full; that every digit changed in a healthy one accuses no
 * rule that does not read what was changed; and what is said of damaged and odd inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/vmcs12/why/judge.h"

#define DUMPS "tests/data/vmcs-dumps"

static struct answer a;
static struct reading r;

static char *load(const char *name, size_t *length)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s.txt", DUMPS, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = malloc(1 << 16);
    *length = fread(text, 1, (1 << 16) - 1, f);
    text[*length] = '\0';
    fclose(f);
    return text;
}

/* Reads and judges the first dump of a text. */
static unsigned answer(const char *text, size_t length)
{
    free(r.dump);
    assert_true(why_read(text, length, &r));
    if (r.dumps != 0)
        why_judge(&r.dump[0], &r.cpu, &a);
    return r.dumps;
}

static void expect_field(const struct finding *f, unsigned i, enum vmcs_field field, u64 number)
{
    assert_true(i < f->fields);
    assert_int_equal(f->field[i], field);
    assert_int_equal(r.dump[0].field[field].number, number);
}

static void nothing_else(void)
{
    assert_int_equal(a.broken_ifs, 0);
    assert_int_equal(a.by_codes, 0);
    assert_false(a.implausible);
}

static void open_dump(const char *name, enum why_format format, enum tri failed, unsigned brokens)
{
    size_t length;
    char *text = load(name, &length);
    assert_int_equal(answer(text, length), 1);
    free(text);
    assert_int_equal(r.dump[0].format, format);
    assert_int_equal(a.entry_failed, failed);
    assert_int_equal(a.brokens, brokens);
    nothing_else();
}

static void test_six(void **state)
{
    (void)state;
    open_dump("04", FORMAT_KVM, TRI_NO, 0);
    assert_int_equal(a.undecideds, 0);
    assert_int_equal(why_status(&a), 0);

    open_dump("06", FORMAT_KVM, TRI_YES, 1);
    assert_int_equal(a.broken[0].rule, R_data_accessed);
    assert_int_equal(a.broken[0].fields, 2);
    expect_field(&a.broken[0], 0, F_guest_es_ar, 0xc0f2);
    expect_field(&a.broken[0], 1, F_guest_ds_ar, 0xc0f2);
    assert_string_equal(a.broken[0].mend, "guest_es_ar from 0xc0f2 to 0xc0f3, guest_ds_ar from "
                                          "0xc0f2 to 0xc0f3: the accessed bit");
    assert_int_equal(why_status(&a), 1);

    open_dump("13", FORMAT_KVM, TRI_NO, 0);
    assert_int_equal(r.dump[0].msrs, 2);

    open_dump("20", FORMAT_XEN, TRI_YES, 1);
    assert_int_equal(a.broken[0].rule, R_guest_cr3);
    assert_int_equal(a.broken[0].fields, 1);
    expect_field(&a.broken[0], 0, F_guest_cr3, 0x800000001a02f080);
    assert_true(a.undecideds > 0);

    open_dump("26", FORMAT_XEN, TRI_YES, 1);
    assert_int_equal(a.broken[0].rule, R_msr_access);
    assert_int_equal(a.broken[0].msr->number, 2);
    assert_int_equal(a.broken[0].msr->index, 0x1dd);

    open_dump("31", FORMAT_XMHF, TRI_YES, 1);
    assert_int_equal(a.broken[0].rule, R_guest_cr0);
    expect_field(&a.broken[0], 0, F_guest_cr0, 0x11);
}

static bool reads_change(enum rule_id rule, const struct dump *before, const struct dump *after)
{
    for (const u8 *f = rule_fields(rule); *f != F_COUNT; f++)
        if (memcmp(&before->field[*f], &after->field[*f], sizeof before->field[0]) != 0)
            return true;
    return rule_fields(rule)[0] == F_COUNT;
}

static unsigned flipped, accused;

static void one_flip(const struct dump *before, const char *text, size_t length, size_t at)
{
    if (answer(text, length) == 0)
        return;
    flipped++;
    for (unsigned i = 0; i < a.brokens + a.broken_ifs; i++) {
        const struct finding *f = i < a.brokens ? &a.broken[i] : &a.broken_if[i - a.brokens];
        accused++;
        if (!reads_change(f->rule, before, &r.dump[0]))
            fail_msg("digit at %zu changed to '%c': %s is accused", at, text[at],
                     rule_name(f->rule));
    }
}

/* Every digit of the dump gets other values: all of them with WHY_FLIPS=all, else three. */
static void flip_all(const char *name)
{
    static const char digits[] = "0123456789abcdef";
    const char *const all = getenv("WHY_FLIPS");
    unsigned step = all != NULL && strcmp(all, "all") == 0 ? 1 : 5;
    size_t length;
    char *text = load(name, &length);
    assert_int_equal(answer(text, length), 1);
    struct dump *before = malloc(sizeof *before);
    *before = r.dump[0];
    for (size_t at = 0; at < length; at++) {
        const char *digit = strchr(digits, text[at]);
        if (digit == NULL || text[at] == '\0')
            continue;
        char was = text[at];
        for (unsigned x = step; x < 16; x += step) {
            text[at] = digits[(unsigned)(digit - digits) ^ x];
            one_flip(before, text, length, at);
        }
        text[at] = was;
    }
    free(before);
    free(text);
}

static void test_flips(void **state)
{
    (void)state;
    flip_all("04");
    flip_all("13");
    print_message("%u changes, %u rules named\n", flipped, accused);
    assert_true(accused > 500);
}

static void teardown(void)
{
    free(r.dump);
    r.dump = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_six), cmocka_unit_test(test_flips)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    teardown();
    return failed;
}
