/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * docs/features.md against the code, on a processor that has everything: no bit of a capability
 * word or of a CPUID leaf of the table is shown to L1 by accident, and none that is called hidden
 * is shown.
 */
#include "hv/arch/cpuid_policy.h"
#include "hv/vmcs12/profile.h"
#include "tests/lib/image.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct word {
    const char *name;
    u64 shown;                       /* what L1 gets of it */
    u64 called_shown, called_hidden; /* what the table says */
};

#define WORDS 25
static struct word words[WORDS];

/* Numbers, which no row names: revision and size; the timer's rate, counts, the MSEG revision. */
#define BASIC_NUMBERS 0x1fff7fffffffull
#define MISC_NUMBERS  0xffffffff0fff001full

static void what_l1_gets(void)
{
    struct vmx_implemented impl = profile_implemented();
    const struct cpuid ones = {~0u, ~0u, ~0u, ~0u};
    struct cpuid one = cpuid_shown(1, 0, ones), seven = cpuid_shown(7, 0, ones);
    struct cpuid seven1 = cpuid_shown(7, 1, ones), seven2 = cpuid_shown(7, 2, ones);
    struct cpuid xsave = cpuid_shown(0xd, 1, ones), xcr0 = cpuid_shown(0xd, 0, ones);
    struct vmx_caps s, hw = caps_all;
    hw.cpu2 |= (u64)CPU2_ENABLE_VMFUNC << 32;
    hw.vmfunc = hw.basic = hw.misc = hw.cpu3 = hw.exit2 = ~0ull;
    assert_null(vcaps_derive(PROFILE_HOST, &hw, &impl, &s).why);
    /* clang-format off */
    const struct word all[WORDS] = {
        {"pin", s.true_pin >> 32, 0, 0}, {"cpu1", s.true_cpu1 >> 32, 0, 0},
        {"cpu2", s.cpu2 >> 32, 0, 0}, {"cpu3", s.cpu3, 0, 0},
        {"exit", s.true_exit >> 32, 0, 0}, {"exit2", s.exit2, 0, 0},
        {"entry", s.true_entry >> 32, 0, 0}, {"cr4", s.cr4_fixed1, 0, 0},
        {"basic", s.basic & ~BASIC_NUMBERS, 0, 0}, {"misc", s.misc & ~MISC_NUMBERS, 0, 0},
        {"ept_vpid", s.ept_vpid, 0, 0}, {"vmfunc", s.vmfunc, 0, 0},
        {"1.ecx", one.ecx, 0, 0}, {"1.edx", one.edx, 0, 0},
        {"7.0.ebx", seven.ebx, 0, 0}, {"7.0.ecx", seven.ecx, 0, 0}, {"7.0.edx", seven.edx, 0, 0},
        {"7.1.eax", seven1.eax, 0, 0}, {"7.1.ebx", seven1.ebx, 0, 0},
        {"7.1.ecx", seven1.ecx, 0, 0}, {"7.1.edx", seven1.edx, 0, 0}, {"7.2.edx", seven2.edx, 0, 0},
        {"0xd.0.eax", xcr0.eax, 0, 0}, {"0xd.1.eax", xsave.eax, 0, 0},
        {"0xd.1.ecx", xsave.ecx, 0, 0},
    };
    /* clang-format on */
    memcpy(words, all, sizeof words);
}

static struct word *find(const char *name, size_t n)
{
    for (u32 i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i].name) == n && !strncmp(words[i].name, name, n))
            return &words[i];
    return NULL;
}

/* "3,5-7" as a set; *end is what stops it. */
static u64 bits_of(const char *text, char **end)
{
    u64 set = 0;
    for (*end = (char *)text;; (*end)++) {
        unsigned long first = strtoul(*end, end, 10), last = first;
        if (**end == '-')
            last = strtoul(*end + 1, end, 10);
        for (; first <= last && last < 64; first++)
            set |= BIT(first);
        if (**end != ',')
            return set;
    }
}

/* Every `WORD: BITS` of a row. Nothing else of a row stands between such marks. */
static void read_row(const char *row, bool shown)
{
    char *end;
    for (const char *at = strchr(row, '`'); at; at = strchr(end + 1, '`')) {
        const char *colon = strchr(at, ':');
        struct word *w = colon ? find(at + 1, (size_t)(colon - at - 1)) : NULL;
        if (!w)
            fail_msg("no such word: %s", at);
        *(shown ? &w->called_shown : &w->called_hidden) |= bits_of(colon + 2, &end);
        assert_int_equal(*end, '`');
    }
}

static void read_table(void)
{
    char row[2000];
    u32 rows = 0;
    FILE *f = fopen("docs/features.md", "r");
    assert_non_null(f);
    while (fgets(row, sizeof row, f)) {
        bool shown = strstr(row, "| shown |") || strstr(row, "| passed |");
        if (!shown && !strstr(row, "| hidden |"))
            continue;
        rows++;
        read_row(row, shown);
    }
    fclose(f);
    assert_true(rows > 30);
}

static void nothing_by_accident(void **state)
{
    (void)state;
    bool bad = false;
    what_l1_gets();
    read_table();
    for (u32 i = 0; i < ARRAY_LEN(words); i++) {
        const struct word *w = &words[i];
        u64 accident = w->shown & ~w->called_shown, missing = w->called_shown & ~w->shown;
        u64 told_hidden = w->called_hidden & w->shown;
        if (!(accident | missing | told_hidden))
            continue;
        bad = true;
        printf("%s: shown and not in docs/features.md %llx, called shown and is not %llx, "
               "called hidden and is not %llx\n",
               w->name, (unsigned long long)accident, (unsigned long long)missing,
               (unsigned long long)told_hidden);
    }
    assert_false(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_by_accident),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
