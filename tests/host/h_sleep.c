/* SPDX-License-Identifier: BSD-2-Clause */
/* How S3 is found in the ACPI tables (boot/sleep.h): the ports of the FADT, the packages of AML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/sleep.h"

static u8 fadt[244];

static void put(u32 at, u64 v, u32 bytes)
{
    for (u32 i = 0; i < bytes; i++)
        fadt[at + i] = (u8)(v >> 8 * i);
}

/* A FADT as of ACPI 1: PM1a at 0x400 and 0x404. */
static void plain(void)
{
    memset(fadt, 0, sizeof fadt);
    memcpy(fadt, "FACP", 4);
    put(40, 0x1000, 4);
    put(56, 0x400, 4);
    put(64, 0x404, 4);
}

/* Reads a copy of exactly this size, so that the sanitizer sees a read beyond it. */
static u64 ports(u32 size, struct sleep_found *s)
{
    u8 *copy = malloc(size ? size : 1);
    memcpy(copy, fadt, size);
    *s = (struct sleep_found){0};
    u64 dsdt = sleep_ports(copy, size, s);
    free(copy);
    return dsdt;
}

static void test_ports(void **state)
{
    (void)state;
    struct sleep_found s;
    plain();
    assert_int_equal(ports(116, &s), 0x1000);
    assert_true(s.fadt && !s.unreachable);
    assert_int_equal(s.at.status, 0x400);
    assert_int_equal(s.at.control[0], 0x404);
    assert_int_equal(s.at.control[1], 0);
    put(68, 0x504, 4);
    put(140, 0x200000000, 8); /* the long forms win */
    put(172, 1, 1);
    put(176, 0x604, 8);
    assert_int_equal(ports(244, &s), 0x200000000);
    assert_int_equal(s.at.control[0], 0x604);
    assert_int_equal(s.at.control[1], 0x504);
    assert_false(s.unreachable);
    assert_int_equal(ports(183, &s), 0x200000000);
    assert_int_equal(s.at.control[0], 0x404); /* half a long form is none */
}

static void test_no_ports(void **state)
{
    (void)state;
    struct sleep_found s;
    plain();
    assert_int_equal(ports(115, &s), 0);
    assert_false(s.fadt);
    put(176, 0x604, 8); /* space 0: memory */
    assert_int_equal(ports(244, &s), 0x1000);
    assert_true(s.unreachable);
    put(172, 1, 1);
    put(176, 0xfed00004, 8); /* no port */
    (void)ports(244, &s);
    assert_true(s.unreachable);
    plain();
    put(112, 1 << 20, 4); /* hardware-reduced */
    (void)ports(244, &s);
    assert_true(s.unreachable);
    plain();
    put(64, 0xffff, 4); /* its upper byte would be no port */
    (void)ports(244, &s);
    assert_true(s.unreachable);
    plain();
    fadt[3] = 'S';
    assert_int_equal(ports(244, &s), 0);
    assert_false(s.fadt);
}

static struct sleep_found types(const char *aml, u32 size)
{
    struct sleep_found s = {0};
    u8 *copy = malloc(size ? size : 1);
    memcpy(copy, aml, size);
    sleep_types(copy, size, &s);
    free(copy);
    return s;
}
#define TYPES(aml) types(aml, sizeof(aml) - 1)

static void test_types(void **state)
{
    (void)state;
    struct sleep_found s = TYPES("xx\x08_S3_\x12\x08\x04\x0a\x05\x0a\x06\x00\x00");
    assert_int_equal(s.lost[0], 1 << 5);
    assert_int_equal(s.lost[1], 1 << 6);
    assert_int_equal(s.kept[0], 0);
    s = TYPES("xx\x08\\_S3_\x12\x06\x04\x01\x00\x00\x00"); /* One, Zero; the root's name */
    assert_int_equal(s.lost[0], 1 << 1);
    assert_int_equal(s.lost[1], 1 << 0);
    s = TYPES("xx\x08_S5_\x12\x47\x00\x04\x0b\x07\x00\x0c\x07\x00\x00\x00"); /* a longer length */
    assert_int_equal(s.kept[0], 1 << 7);
    assert_int_equal(s.kept[1], 1 << 7);
    s = TYPES("xx\x08_S2_\x12\x05\x01\x0b\x05\x03"); /* both in one number */
    assert_int_equal(s.lost[0], 1 << 5);
    assert_int_equal(s.lost[1], 1 << 3);
    s = TYPES("xx\x08_S3_\x12\x06\x02\x01\x01\x08_S4_\x12\x06\x02\x0a\x02\x0a\x02");
    assert_int_equal(s.lost[0], 1 << 1);
    assert_int_equal(s.kept[0], 1 << 2);
}

/* What is no such package, or cut anywhere, adds nothing. */
static void test_no_types(void **state)
{
    (void)state;
    static const char *const none[] = {
        "xx\x10_S3_\x12\x06\x02\x01\x01", "xx\x08_S6_\x12\x06\x02\x01\x01",
        "xx\x08_S3_\x11\x06\x02\x01\x01", "xx\x08_S3_\x12\x06\x02\x70\x01",
        "xx\x08_S3_\x12\x06\x02\x01\x70", "xx\x08_SB_\x12\x06\x02\x01\x01",
    };
    static const char whole[] = "xx\x08_S3_\x12\x48\x08\x04\x0c\x05\x01\x01\x01\x0b\x06\x01";
    for (u32 i = 0; i < ARRAY_LEN(none); i++) {
        struct sleep_found s = types(none[i], (u32)strlen(none[i]));
        assert_int_equal(s.lost[0] | s.lost[1] | s.kept[0] | s.kept[1], 0);
    }
    for (u32 size = 0; size < sizeof whole - 1; size++)
        assert_int_equal(types(whole, size).lost[0], 0);
    assert_int_equal(types(whole, sizeof whole - 1).lost[0], 1 << 5);
}

static void test_settle(void **state)
{
    (void)state;
    bool needless;
    struct sleep_found s = {0};
    assert_string_equal(sleep_settle(&s, &needless), "no FADT");
    assert_true(needless);
    s.fadt = true;
    assert_string_equal(sleep_settle(&s, &needless), "the machine has none");
    assert_true(needless);
    s.lost[0] = s.lost[1] = 1 << 5 | 1 << 1;
    assert_string_equal(sleep_settle(&s, &needless), "its registers are no ports");
    assert_false(needless);
    s.at.status = 0x400;
    s.at.control[0] = 0x404;
    s.kept[0] = 1 << 1 | 1 << 7;
    assert_null(sleep_settle(&s, &needless));
    assert_int_equal(s.at.types[0], 1 << 5); /* what is another state's as well must pass */
    assert_int_equal(s.at.types[1], 0);      /* no such port */
    s.at.control[1] = 0x504;
    assert_null(sleep_settle(&s, &needless));
    assert_int_equal(s.at.types[1], 1 << 5 | 1 << 1);
    s.unreachable = true;
    assert_string_equal(sleep_settle(&s, &needless), "its registers are no ports");
    s.unreachable = false;
    s.kept[0] = 0xff;
    assert_string_equal(sleep_settle(&s, &needless), "its type is another state's as well");
    assert_false(needless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),  cmocka_unit_test(test_no_ports),
        cmocka_unit_test(test_types),  cmocka_unit_test(test_no_types),
        cmocka_unit_test(test_settle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
