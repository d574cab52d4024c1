/* SPDX-License-Identifier: BSD-2-Clause */
/* Options as nidus.efi gets them, for the tests of boot/options.c: `o` is what was read, and `why`
 * the words of a refusal. */
#ifndef TESTS_LIB_OPTIONS_GIVEN_H
#define TESTS_LIB_OPTIONS_GIVEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "boot/options.h"

static struct options o;
static struct line why;

static inline struct text utf8(const char *s)
{
    return (struct text){(const u8 *)s, (u32)strlen(s), 0, TEXT_UTF8};
}

static inline bool command(const char *s)
{
    options_default(&o);
    return options_read_command(&o, utf8(s), OPTIONS_NAME_MAY_LEAD, &why);
}

static inline bool config(const char *s)
{
    options_default(&o);
    return options_read_config(&o, text_of_file((const u8 *)s, (u32)strlen(s)), &why);
}

/* A word, and what it stores. */
struct option_row {
    const char *word;
    const u32 *member;
    u32 value;
};

/* The command line and nidus.cfg store the same. */
static inline void check_values(const struct option_row *row, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        assert_true(command(row[i].word));
        assert_int_equal(*row[i].member, row[i].value);
        assert_true(config(row[i].word));
        assert_int_equal(*row[i].member, row[i].value);
    }
}

/* A text that is refused, and the words. */
struct refused_row {
    const char *text, *why;
};

static inline void check_refused(const struct refused_row *row, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        assert_false(command(row[i].text));
        assert_string_equal(why.text, row[i].why);
    }
}

#endif
