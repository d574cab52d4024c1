/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Self-tests: the same programs on the bare machine and under Nidus, compared line by line. The
 * list is \nidus\tests.txt: "off NAME" for those that run with nested=off, "on NAME" for those
 * that use VMX. The report gets counts, checksums, failures and differences; \nidus\TESTS-n.txt
 * gets everything.
 */
#include "boot/menu/compare.h"
#include "boot/menu/files.h"
#include "guest-tests/lib/gt_format.h"
#include "boot/menu/menu.h"
#include "boot/menu/report.h"

enum { TESTS_MAX = 64, NAME_MAX = 32, SHOWN = 24, SECONDS = 120 };
enum { PERMITS_MAX = 8192 };

static struct test {
    char name[NAME_MAX];
    char *bare; /* its transcript on the bare machine; NULL: none */
} test[TESTS_MAX];
static unsigned tests, shown;     /* lines of this test in the report */
static char permits[PERMITS_MAX]; /* globs, one a line */

/* The list of one kind. */
static void read_list(const char *kind)
{
    static char text[4096];
    char *rest = text, *line;

    tests = 0;
    file_read("tests.txt", text, sizeof text);
    while ((line = file_line(&rest)) != NULL && tests < TESTS_MAX) {
        size_t n = strlena((const CHAR8 *)kind);

        if (CompareMem(line, kind, n) == 0 && line[n] == ' ') {
            test[tests].bare = NULL;
            gt_format(test[tests++].name, NAME_MAX, "%s", line + n + 1);
        }
    }
}

static unsigned lines_in(const char *text)
{
    unsigned n = 0;

    for (; *text; text = line_after(text))
        n++;
    return n;
}

static void show(char sign, const char *at)
{
    char line[200];
    size_t n = line_length(at);

    if (shown++ >= SHOWN)
        return;
    if (n > sizeof line - 1)
        n = sizeof line - 1;
    CopyMem(line, at, n);
    line[n] = 0;
    report_line("%c %s", sign, line);
}

static unsigned failures(const char *text)
{
    unsigned failed = 0;

    for (; *text; text = line_after(text)) {
        if (CompareMem(text, "FAIL ", 5) != 0)
            continue;
        show('!', text);
        failed++;
    }
    return failed;
}

/* An exception, or a machine that it is not for, ended it early; the library says so in a line. */
static bool was_stopped(const char *text)
{
    static const char stopped[] = ".stopped: ";

    for (; *text; text = line_after(text))
        for (size_t i = 0;
             CompareMem(text, "FAIL ", 5) == 0 && i + sizeof stopped <= line_length(text); i++)
            if (CompareMem(text + i, stopped, sizeof stopped - 1) == 0)
                return true;
    return false;
}

static void keep_bare(struct test *t, const struct child *c)
{
    VOID *at;

    if (EFI_ERROR(BS->AllocatePool(EfiLoaderData, c->transcript_length + 1, &at)))
        return;
    CopyMem(at, c->transcript, c->transcript_length + 1);
    t->bare = at;
}

static UINT32 crc_of(const struct child *c)
{
    UINT32 v = 0;

    if (c->transcript_length)
        BS->CalculateCrc32(c->transcript, c->transcript_length, &v);
    return v;
}

static const char *where(bool live)
{
    return live ? "nidus" : "bare";
}

/* The section of one program that was run. True when it printed what the bare machine did, as far
 * as that is known. */
static bool report_test(const struct test *t, const struct child *c, bool live)
{
    struct comparison found = {0, 0};
    char text[120];

    gt_format(text, sizeof text, "test %s %s", t->name, where(live));
    report_open(text);
    if (c->refused)
        report_line("not started: %s", c->refused);
    report_line("status %lx lines %u crc %08x lost %lu", (uint64_t)c->status,
                lines_in(c->transcript), crc_of(c), (uint64_t)c->lost);
    shown = 0;
    report_line("failed %u", failures(c->transcript));
    if (live && t->bare) {
        found = compare_transcripts(t->bare, c->transcript, permits, show);
        report_line("differs %u permitted %u", found.differ, found.permitted);
    }
    report_close();
    return found.differ == 0;
}

/* One program; true when it ran and, under Nidus, printed what it printed bare. */
static bool run_one(struct test *t, bool live)
{
    char text[120];
    struct child *c;

    gt_format(text, sizeof text, "%s %s", t->name, where(live));
    report_mark("test begins", text);
    say_part(live ? "  under Nidus: " : "  bare: ");
    say(t->name);
    c = child_run(t->name, "", true, SECONDS);
    gt_format(text, sizeof text, "## %s %s\n", t->name, where(live));
    report_aside(text, strlena((CHAR8 *)text));
    report_aside(c->transcript, c->transcript_length);
    if (!live && !c->refused)
        keep_bare(t, c);
    return report_test(t, c, live) && !c->refused && !EFI_ERROR(c->status) &&
           !was_stopped(c->transcript);
}

static unsigned run_all(bool live)
{
    unsigned good = 0;

    for (unsigned i = 0; i < tests; i++)
        good += run_one(&test[i], live);
    return good;
}

/* The layout probe is no test: bare and under Nidus it must differ. */
static void probe(bool live)
{
    struct child *c;

    say("  the VMCS layout ...");
    report_mark("probe begins", live ? "nidus" : "bare");
    c = child_run("vmcs-probe", "", true, SECONDS);
    report_open(live ? "probe nidus" : "probe bare");
    if (c->refused)
        report_line("not started: %s", c->refused);
    report_text(c->transcript, c->transcript_length);
    report_close();
}

void tests_run(void)
{
    static const char *const options[3] = {"nested=off log=none",
                                           "nested=on profile=host shadow=off log=none",
                                           "nested=on profile=host log=none"};
    char text[120], how;
    unsigned good;
    bool was_live = nidus_is_live();

    say("How much? 1: plain Nidus (begin with this). 2: nested VMX without VMCS shadowing. 3: "
        "all.");
    how = key_wait(0);
    if (how < '1' || how > '3')
        return;
    if (how != '1' && !vmx_is_usable()) {
        verdict('4', false,
                was_live ? "the Nidus that is live shows no VMX: it was launched by choice 1"
                         : "no VMX here, or it is switched off (step 1 says which): only choice 1");
        return;
    }
    file_read("permits.txt", permits, sizeof permits);
    read_list(how == '1' ? "off" : "on");
    if (!was_live) {
        say("On the bare machine first:");
        if (how != '1')
            probe(false);
        good = run_all(false);
        gt_format(text, sizeof text, "bare: %u of %u ran to their end", good, tests);
        verdict('4', good == tests, text);
        if (!nidus_make_live(options[how - '1']))
            return;
    }
    if (how != '1')
        probe(true);
    good = run_all(true);
    report_live();
    gt_format(text, sizeof text,
              was_live ? "under Nidus alone: %u of %u ran"
                       : "under Nidus: %u of %u as on the bare machine",
              good, tests);
    verdict('4', good == tests, text);
}
