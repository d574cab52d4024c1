/* SPDX-License-Identifier: BSD-2-Clause */
/* Host tests of the stick's reading of boot entries: a whole one, each way to be broken alone, and
 * every cut of it; the sanitizer watches the bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/menu/entry.h"

enum { AT_PATHS = 10, PATHS = 42 + 8 + 4, OPTIONS = 3, SIZE = AT_PATHS + PATHS + OPTIONS };

/* "x", a partition, a file "\", the end; three bytes of options. */
static const uint8_t good[SIZE] = {1,
                                   0,
                                   0,
                                   0,
                                   PATHS,
                                   0,
                                   'x',
                                   0,
                                   0,
                                   0,
                                   [AT_PATHS] = 4,
                                   1,
                                   42,
                                   0,
                                   [AT_PATHS + 42] = 4,
                                   4,
                                   8,
                                   0,
                                   '\\',
                                   0,
                                   0,
                                   0,
                                   0x7f,
                                   0xff,
                                   4,
                                   0,
                                   'a',
                                   'b',
                                   'c'};

/* In memory that ends with it. */
static bool parsed(const uint8_t *bytes, size_t size, struct entry_parts *parts)
{
    uint8_t *copy = malloc(size + !size);
    memcpy(copy, bytes, size);
    bool ok = entry_parse(copy, size, parts);
    free(copy);
    return ok;
}

static void test_whole(void **state)
{
    struct entry_parts p;
    (void)state;
    assert_true(parsed(good, SIZE, &p));
    assert_int_equal(p.text, 6);
    assert_int_equal(p.paths, AT_PATHS);
    assert_int_equal(p.options, AT_PATHS + PATHS);
    assert_int_equal(p.options_size, OPTIONS);
    assert_true(parsed(good, SIZE - OPTIONS, &p));
    assert_int_equal(p.options_size, 0);
}

static void test_cut(void **state)
{
    struct entry_parts p;
    (void)state;
    for (size_t size = 0; size < SIZE - OPTIONS; size++)
        assert_false(parsed(good, size, &p));
}

/* One byte changed, in each row another. */
static void test_broken(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } change[] = {
        {0, 0},                   /* switched off */
        {1, 1},                   /* a tool of the firmware's */
        {4, 0},                   /* no path */
        {4, 3},                   /* less than a node */
        {4, PATHS - 4},           /* no end inside the list */
        {4, PATHS + OPTIONS + 1}, /* a list that goes on behind the variable */
        {5, 0xff},                /* the same by far */
        {AT_PATHS, 5},            /* for a BIOS */
        {AT_PATHS, 0x7f},         /* nothing but an end */
        {AT_PATHS + 2, 0},        /* a node of no length */
        {AT_PATHS + 2, 3},        /* of less than its head */
        {AT_PATHS + 2, 4},        /* a partition that says nothing */
        {AT_PATHS + 2, 41},       /* that lacks its last byte */
        {AT_PATHS + 3, 0xff},     /* a node beyond the list */
        {AT_PATHS + 50, 1},       /* no end */
    };
    struct entry_parts p;
    (void)state;
    for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
        uint8_t bytes[SIZE];
        memcpy(bytes, good, SIZE);
        bytes[change[i].at] = change[i].value;
        assert_false(parsed(bytes, SIZE, &p));
    }
}

/* A partition's node that is short, and whole nodes behind it: a reader of its members would read
 * those. */
static void test_short_partition(void **state)
{
    static const uint8_t bytes[] = {1, 0, 0, 0, 8, 0, 'x', 0, 0, 0, 4, 1, 4, 0, 0x7f, 0xff, 4, 0};
    uint8_t other[sizeof bytes];
    struct entry_parts p;
    (void)state;
    assert_false(parsed(bytes, sizeof bytes, &p));
    memcpy(other, bytes, sizeof bytes);
    other[AT_PATHS + 1] = 4; /* a file's */
    assert_true(parsed(other, sizeof other, &p));
}

/* Whatever the bytes: what is taken lies inside. */
static void test_any(void **state)
{
    uint32_t r = 1;
    unsigned taken = 0;
    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t bytes[SIZE];
        struct entry_parts p;
        memcpy(bytes, good, SIZE);
        for (unsigned n = 0; n < 1 + round % 3; n++) {
            r = r * 1664525 + 1013904223;
            bytes[(r >> 8) % SIZE] = (uint8_t)(r >> 24);
        }
        if (!parsed(bytes, SIZE, &p))
            continue;
        taken++;
        assert_true(p.paths < p.options && p.options + p.options_size == SIZE);
    }
    assert_true(taken > 1000);
}

/* A path in the making: nodes of four bytes and more, then the end. */
struct path {
    uint8_t at[160];
    size_t size;
};

static struct path with(struct path p, uint8_t type, uint8_t sub, uint8_t fill, uint8_t size)
{
    memset(p.at + p.size, fill, size);
    memcpy(p.at + p.size, (uint8_t[]){type, sub, size, 0}, 4);
    p.size += size;
    memcpy(p.at + p.size, (uint8_t[]){0x7f, 0xff, 4, 0}, 4);
    return p;
}

enum { SIGNED = 2 /* what with() fills a partition's type of signature with */ };

static bool on(struct path p, struct path own)
{
    uint8_t *a = malloc(p.size + 4), *b = malloc(own.size + 4);
    memcpy(a, p.at, p.size + 4);
    memcpy(b, own.at, own.size + 4);
    bool is = path_is_on(a, b);
    free(a);
    free(b);
    return is;
}

/* Which boot entries lie on the stick: its disk alone, its volume, a file there, the same behind
 * another port or in the short form that begins with the partition. */
static void test_on_the_stick(void **state)
{
    struct path none = {.at = {0x7f, 0xff, 4}}, root = with(none, 2, 1, 0, 12),
                disk = with(root, 3, 5, 1, 6), volume = with(disk, 4, 1, SIGNED, 42),
                other = with(root, 3, 5, 9, 6);
    (void)state;
    assert_true(on(volume, volume));
    assert_true(on(disk, volume));
    assert_true(on(with(volume, 4, 4, 'f', 20), volume));
    assert_true(on(with(none, 4, 1, SIGNED, 42), volume));
    assert_true(on(with(with(none, 4, 1, SIGNED, 42), 4, 4, 'f', 20), volume));
    assert_true(on(with(other, 4, 1, SIGNED, 42), volume));
    assert_false(on(other, volume));
    assert_false(on(with(disk, 4, 1, 7, 42), volume)); /* another partition of the same disk */
    assert_false(on(with(none, 4, 1, 7, 42), volume));
    assert_false(on(with(none, 4, 4, 'f', 20), volume));
    assert_false(on(none, volume));
    assert_false(on(volume, none));
    assert_true(on(with(disk, 4, 4, 'f', 20), disk)); /* a stick without partitions */
    assert_false(on(with(other, 4, 4, 'f', 20), disk));
    /* Without a signature, the place alone tells. */
    assert_true(on(with(disk, 4, 1, 0, 42), with(disk, 4, 1, 0, 42)));
    assert_false(on(with(other, 4, 1, 0, 42), with(disk, 4, 1, 0, 42)));
}

/* Each member of a partition's node that tells partitions apart, and those that do not. */
static void test_same_partition(void **state)
{
    struct path none = {.at = {0x7f, 0xff, 4}}, own = with(none, 4, 1, SIGNED, 42),
                volume = with(with(none, 2, 1, 0, 12), 4, 1, SIGNED, 42);
    (void)state;
    for (size_t i = 4; i < 42; i++) {
        struct path p = own;
        p.at[i] ^= 1;
        assert_int_equal(on(p, volume), (i >= 16 && i < 24) || i == 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_short_partition),
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_on_the_stick),
        cmocka_unit_test(test_same_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
