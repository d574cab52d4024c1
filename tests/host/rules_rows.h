/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of rules_rows.def as a table, for the tests that run all of them. */
#ifndef TESTS_HOST_RULES_ROWS_H
#define TESTS_HOST_RULES_ROWS_H

#include "hv/arch/segment.h"
#include "tests/lib/valid.h"

struct row {
    void (*change)(struct valid *t);
    enum rule_id rule;
    enum valid_base base;
    bool breaks;
    const char *file, *text;
    int line;
};

#define CLEAR(word, bits) ((word) &= ~(u32)(bits)) /* for the 32-bit control words */
/* Turn on a control that no profile allows, on a processor that does. */
#define NEWER(word, ctl, bit) (t->caps.true_##word |= (u64)(bit) << 32, v->ctl |= (bit))
#define NEWER_ENTRY(bit)      NEWER(entry, entry_ctl, bit)
#define NEWER_EXIT(bit)       NEWER(exit, exit_ctl, bit)
#define JOIN_(a, b)           a##b
#define JOIN(a, b)            JOIN_(a, b)
#define ROW_FUNCTION(...)                                  \
    static void JOIN(FILE_TAG, __LINE__)(struct valid * t) \
    {                                                      \
        struct vmcs_image *v = &t->v;                      \
        (void)v;                                           \
        __VA_ARGS__;                                       \
    }
#define BREAKS(rule, base, ...) ROW_FUNCTION(__VA_ARGS__)
#define PASSES(rule, base, ...) ROW_FUNCTION(__VA_ARGS__)
#include "tests/host/rules_rows.def"
#undef BREAKS
#undef PASSES

#define ROW(rule, base, breaks, ...) \
    {JOIN(FILE_TAG, __LINE__), R_##rule, BASE_##base, breaks, __FILE__, #__VA_ARGS__, __LINE__},
#define BREAKS(rule, base, ...) ROW(rule, base, true, __VA_ARGS__)
#define PASSES(rule, base, ...) ROW(rule, base, false, __VA_ARGS__)
static const struct row rows[] = {
#include "tests/host/rules_rows.def"
};

/* A row that breaks the reserved bits of a control word is about processors that do not allow the
 * setting, and every other row is about those that do. */
static bool about_control_word(enum rule_id rule)
{
    return rule == R_pin_ctl || rule == R_cpu1_ctl || rule == R_cpu2_ctl || rule == R_exit_ctl ||
           rule == R_entry_ctl;
}

#endif
