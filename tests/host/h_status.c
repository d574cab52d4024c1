/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of UEFI's errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "boot/status.h"

static void expect(u64 status, const char *text)
{
    struct line l;
    line_clear(&l);
    line_add_status(&l, status);
    assert_string_equal(l.text, text);
}

static void test_names(void **state)
{
    (void)state;
    expect(0x800000000000000eull, "EFI_NOT_FOUND (0x800000000000000e)");
    expect(0x8000000000000002ull, "EFI_INVALID_PARAMETER (0x8000000000000002)");
    expect(0x800000000000001aull, "EFI_SECURITY_VIOLATION (0x800000000000001a)");
    expect(0x800000000000001full, "EFI_END_OF_FILE (0x800000000000001f)");
}

/* A number without the error bit is a warning, or the program's own. */
static void test_no_name(void **state)
{
    (void)state;
    expect(14, "status 0xe");
    expect(0, "status 0x0");
    expect(0x800000000000001bull + 1, "status 0x800000000000001c");
    expect(~0ull, "status 0xffffffffffffffff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
