/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps but for tests and installed systems. Contract in menu.h. */
#include "boot/menu/compare.h"
#include "boot/menu/files.h"
#include "guest-tests/lib/gt_format.h"
#include "boot/menu/menu.h"
#include "boot/menu/report.h"

enum { WORDS = 1000, FILE = 4096, RING_KEPT = 24 * 1024, VERDICT = 240 };

void verdict(char step, bool well, const char *text)
{
    uint32_t r[4];
    char code[60], line[VERDICT + 2];

    menu_cpuid(1, 0, r);
    gt_format(code, sizeof code, "N%c%c-%05x-%08x", step, well ? 'K' : 'X', r[0], report_crc());
    report_open("verdict");
    report_line("step %c %s", step, well ? "well" : "bad");
    report_line("code %s", code);
    report_line("%s", text);
    report_close();
    say("");
    gt_format(line, sizeof line, "  %s", text);
    say(line);
    gt_format(line, sizeof line, "  CODE %s    (a photograph of it is evidence)", code);
    say(line);
}

static bool starts(const char *line, const char *with)
{
    size_t n = strlena((const CHAR8 *)with);

    return line_length(line) >= n && CompareMem(line, with, n) == 0;
}

/* The line of nidus.efi's that tells how it ended; something may be printed behind it. Without such
 * a line the last one. */
static const char *decisive_line(const char *console)
{
    static const char *const words[] = {"nidus: cannot run: ", "nidus: check: Nidus can run",
                                        "nidus: dry: ", "nidus: blink: ", "nidus: launched: "};
    const char *last = "", *found = NULL;

    for (; *console; console = line_after(console)) {
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            found = starts(console, words[i]) ? console : found;
        last = starts(console, "nidus: ") ? console : last;
    }
    return found ? found : last;
}

/* How it ended, without "nidus: ". */
static const char *last_line(const struct child *c)
{
    static char line[VERDICT];
    const char *at = decisive_line(c->console);
    size_t n = line_length(at), own = strlena((const CHAR8 *)"nidus: ");

    if (c->refused)
        return c->refused;
    if (n <= own)
        return "it said nothing";
    n = n - own < sizeof line - 1 ? n - own : sizeof line - 1;
    CopyMem(line, at + own, n);
    line[n] = 0;
    return line;
}

static void report_child(const char *section, const struct child *c, bool transcript)
{
    report_open(section);
    if (c->refused)
        report_line("not started: %s", c->refused);
    report_line("status %lx", (uint64_t)c->status);
    if (c->lost)
        report_line("lost %lu", (uint64_t)c->lost);
    if (transcript)
        report_text(c->transcript, c->transcript_length);
    else
        report_text(c->console, c->console_length);
    report_close();
}

/* nidus.efi with these words and those of \nidus\nidus.txt. */
static struct child *run_nidus(const char *section, const char *words)
{
    static char own[FILE], line[WORDS], all[WORDS];
    char *rest = own, *more;
    struct child *c;

    gt_format(all, sizeof all, "%s", words);
    file_read("nidus.txt", own, sizeof own);
    while ((more = file_line(&rest)) != NULL) {
        gt_format(line, sizeof line, "%s %s", all, more);
        gt_format(all, sizeof all, "%s", line);
    }
    gt_format(line, sizeof line, "%s begins", section);
    report_mark(line, all);
    c = child_run("nidus", all, false, 0);
    report_child(section, c, false);
    return c;
}

static bool went_well(const struct child *c)
{
    return !c->refused && !EFI_ERROR(c->status);
}

/* How many lines of the text begin so. */
static unsigned count_lines(const char *text, const char *with)
{
    unsigned count = 0;

    for (; *text; text = line_after(text))
        count += starts(text, with);
    return count;
}

/* On the screen: what kind of machine this is. The whole is in the report. */
static void say_machine(const char *facts)
{
    static const char *const wanted[] = {"machine.firmware: ", "machine.smbios: ",
                                         "machine.microcode: ", "machine.cpus: ", "machine.vtd: "};
    char line[79];

    for (; *facts; facts = line_after(facts)) {
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            size_t length = line_length(facts);

            if (!starts(facts, wanted[i]))
                continue;
            length = length - 8 < sizeof line - 1 ? length - 8 : sizeof line - 1;
            CopyMem(line, facts + 8, length); /* without "machine." */
            line[length] = 0;
            say(line);
        }
    }
}

static void say_counts(const char *console)
{
    unsigned needed = count_lines(console, "nidus: check: found   needed"),
             wanted = count_lines(console, "nidus: check: found   wanted");
    char line[100];

    gt_format(line, sizeof line, "Found: %u of %u needed, %u of %u wanted.", needed,
              needed + count_lines(console, "nidus: check: missing needed"), wanted,
              wanted + count_lines(console, "nidus: check: missing wanted"));
    say(line);
}

/* The end of what a Nidus before the last warm reset has logged, if memory still has it. */
static void report_ring(void)
{
    static bool done;
    struct child *c;
    size_t from;

    if (done || nidus_is_live())
        return;
    done = true;
    child_silent(true);
    c = child_run("nidus", "ring wait=off", false, 0);
    child_silent(false);
    if (!went_well(c))
        return;
    say("Nidus ran here before the last restart; its last words are in the report.");
    from = c->console_length > RING_KEPT ? c->console_length - RING_KEPT : 0;
    report_open("ring");
    report_text(c->console + from, c->console_length - from);
    report_close();
}

void step_check(void)
{
    struct child *c;

    report_ring();
    say("Reading the machine's facts ...");
    report_mark("machine begins", nidus_is_live() ? "nidus is live" : "bare");
    c = child_run("machine", "", true, 0);
    report_child("machine", c, true);
    say_machine(c->transcript);
    c = run_nidus("check", "check");
    say_counts(c->console);
    verdict('1', went_well(c), last_line(c));
}

static bool is_bare(const char *what)
{
    if (!nidus_is_live())
        return true;
    say_part(what);
    say(" is for the bare machine, and Nidus is live: switch the machine off and on first.");
    return false;
}

void step_dry(void)
{
    struct child *c;

    if (!is_bare("The dry run"))
        return;
    c = run_nidus("dry", "dry verbose=1");
    verdict('2', went_well(c), last_line(c));
}

void step_blink(void)
{
    struct child *c;

    if (!is_bare("Blink") ||
        !confirm("Blink launches Nidus for one VM exit and takes it out again.", 'y'))
        return;
    c = run_nidus("blink", "blink");
    verdict('3', went_well(c), last_line(c));
}

bool nidus_make_live(const char *options)
{
    struct child *c;

    if (nidus_is_live())
        return true;
    if (!confirm("Nidus will be live, under everything that follows, until the machine is switched "
                 "off.",
                 'L'))
        return false;
    c = run_nidus("launch", options);
    if (went_well(c) && starts(decisive_line(c->console), "nidus: launched: "))
        nidus_was_launched();
    verdict('L', nidus_is_live(), last_line(c));
    report_live();
    return nidus_is_live();
}

void step_tests(void)
{
    tests_run();
}

void step_cycles(void)
{
    struct child *c;
    const char *where = nidus_is_live() ? "cycles nidus" : "cycles bare";

    say("Timing instructions; this takes a minute at most ...");
    report_mark("cycles begins", where);
    c = child_run("cycles", "", true, 0);
    report_child(where, c, true);
    report_live();
    verdict('5', went_well(c), went_well(c) ? where : last_line(c));
}

void step_linux(void)
{
    static CHAR16 wide[FILE];
    static char text[FILE];
    char *rest = text, *line;
    EFI_DEVICE_PATH *path;
    EFI_STATUS s;
    size_t n = 0;

    if (!file_there(child_device(), L"\\nidus\\vmlinuz")) {
        say("There is no Linux on this stick (\\nidus\\vmlinuz).");
        return;
    }
    if (!nidus_make_live("nested=on log=none"))
        return;
    file_read("linux.txt", text, sizeof text);
    line = file_line(&rest);
    for (; line && line[n]; n++)
        wide[n] = (CHAR16)line[n];
    wide[n] = 0;
    report_mark("linux begins", line ? line : "");
    say("Starting Linux; it writes what it saw to \\nidus\\DMESG.txt.");
    path = FileDevicePath(child_device(), L"\\nidus\\vmlinuz");
    s = child_start(path, wide, (n + 1) * sizeof *wide);
    FreePool(path);
    gt_format(text, sizeof text, "Linux came back: status %lx", (uint64_t)s);
    verdict('6', false, text);
}

void step_installed(void)
{
    installed_run();
}
