/* SPDX-License-Identifier: BSD-2-Clause */
/* Host tests of the stick's own judgement: which lines of two transcripts differ, and which of
 * those docs/CAVEATS.md permits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "boot/menu/compare.h"

static char shown[1000];

static void note(char sign, const char *line)
{
    size_t n = strlen(shown);

    snprintf(shown + n, sizeof shown - n, "%c%.*s;", sign, (int)line_length(line), line);
}

/* Compares two bodies, in brackets of BEGIN and END. */
static struct comparison compared(const char *bare, const char *nidus, const char *permits)
{
    char a[500], b[500];

    shown[0] = 0;
    snprintf(a, sizeof a, "ALIVE none\nBEGIN t\n%sEND t 1\nmore\n", bare);
    snprintf(b, sizeof b, "ALIVE 1\nBEGIN t\n%sEND t 2\n", nidus);
    return compare_transcripts(a, b, permits, note);
}

static void expect(const char *bare, const char *nidus, const char *permits, unsigned differ,
                   unsigned permitted, const char *lines)
{
    struct comparison c = compared(bare, nidus, permits);

    assert_int_equal(c.differ, differ);
    assert_int_equal(c.permitted, permitted);
    assert_string_equal(shown, lines);
}

static void test_equal(void **state)
{
    (void)state;
    expect("t.a: 1\nt.b: 2\n", "t.a: 1\nt.b: 2\n", "", 0, 0, "");
    expect("", "", "", 0, 0, "");
}

static void test_value_differs(void **state)
{
    (void)state;
    expect("t.a: 1\nt.b: 2\n", "t.a: 1\nt.b: 3\n", "", 1, 0, "-t.b: 2;+t.b: 3;");
}

static void test_line_is_missing_or_more(void **state)
{
    (void)state;
    expect("t.a: 1\nt.b: 2\nt.c: 3\n", "t.a: 1\nt.c: 3\n", "", 1, 0, "-t.b: 2;");
    expect("t.a: 1\nt.c: 3\n", "t.a: 1\nt.b: 2\nt.c: 3\n", "", 1, 0, "+t.b: 2;");
    expect("t.a: 1\n", "", "", 1, 0, "-t.a: 1;");
    expect("", "t.a: 1\n", "", 1, 0, "+t.a: 1;");
    expect("FAIL t.x\n", "t.a: 1\n", "", 2, 0, "-FAIL t.x;+t.a: 1;");
}

static void test_no_bracket(void **state)
{
    char a[] = "nothing", b[] = "";

    (void)state;
    shown[0] = 0;
    assert_int_equal(compare_transcripts(a, b, "", note).differ, 0);
}

/* t_alive says within its brackets who answers CPUID. */
static void test_who_answers(void **state)
{
    (void)state;
    expect("ALIVE none\nt.a: 1\n", "ALIVE NidusNidus 1 0\nt.a: 1\n", "", 0, 0, "");
    expect("ALIVE none\n", "", "", 0, 0, "");
}

static void test_permits(void **state)
{
    static const struct {
        const char *glob;
        unsigned permitted;
    } row[] = {
        {"t.leaf 7", 1},     {"t.*", 1},         {"*", 1},      {"t.leaf?7", 1},
        {"t.leaf [5-8]", 1}, {"t.leaf [57]", 1}, {"t.*7", 1},   {"*f*7", 1},
        {"t.leaf 7~ff", 1},  {"x\nt.leaf 7", 1}, {"t.leaf", 0}, {"t.leaf 77", 0},
        {"t.leaf [0-6]", 0}, {"t.*8", 0},        {"", 0},       {"\n", 0},
        {"~ff", 0},          {"t.leaf [7", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct comparison c = compared("t.leaf 7: 1\n", "t.leaf 7: 2\n", row[i].glob);

        if (c.permitted != row[i].permitted)
            fail_msg("%s: %u", row[i].glob, c.permitted);
        assert_int_equal(c.differ + c.permitted, 1);
    }
}

/* A star that fits too early is tried again. */
static void test_star_again(void **state)
{
    (void)state;
    expect("a.b.b.k: 1\n", "a.b.b.k: 2\n", "a*b.k", 0, 1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_value_differs),
        cmocka_unit_test(test_line_is_missing_or_more),
        cmocka_unit_test(test_no_bracket),
        cmocka_unit_test(test_who_answers),
        cmocka_unit_test(test_permits),
        cmocka_unit_test(test_star_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
