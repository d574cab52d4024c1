/* SPDX-License-Identifier: BSD-2-Clause */
/* What boot/ucode.c takes for a whole update, and for this processor's: one test for each sentence
 * of the SDM about the format. SDM 3A 9.11 "Microcode Update Facilities" */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/ucode.h"

#define THIS 0x306d4u
static const struct ucode_cpu here = {THIS, 6}; /* its bit of the flags: 0x40 */

static u8 file[16384];
static u32 size;

static u32 get(u32 at)
{
    return file[at] | (u32)file[at + 1] << 8 | (u32)file[at + 2] << 16 | (u32)file[at + 3] << 24;
}

static void put(u32 at, u32 v)
{
    for (u32 i = 0; i < 4; i++)
        file[at + i] = (u8)(v >> 8 * i);
}

/* Makes the DWORDs of [from, to) sum up to 0 by the one at `at`. */
static void mend(u32 at, u32 from, u32 to)
{
    u32 sum = 0;
    put(at, 0);
    for (u32 i = from; i < to; i += 4)
        sum += get(i);
    put(at, -sum);
}

/* Adds an update at the file's end. data 0: of the old form. Returns where it is. */
static u32 add(u32 revision, u32 signature, u32 flags, u32 data, u32 total)
{
    u32 at = size, all = data ? total : 2048;
    memset(file + at, 0, all);
    put(at, 1);
    put(at + 4, revision);
    put(at + 8, 0x07182015);
    put(at + 12, signature);
    put(at + 20, 1);
    put(at + 24, flags);
    put(at + 28, data);
    put(at + 32, data ? total : 0);
    put(at + 48, 0x12345678);
    mend(at + 16, at, at + all);
    size += all;
    return at;
}

/* Gives the update of 2000 bytes of data and 3072 in all a table of these signatures. */
static void add_table(u32 at, const u32 (*entry)[2], u32 count)
{
    u32 table = at + 2048, end = table + 20 + 12 * count;
    memset(file + table, 0, 1024);
    put(table, count);
    for (u32 i = 0; i < count; i++) {
        put(table + 20 + 12 * i, entry[i][0]);
        put(table + 24 + 12 * i, entry[i][1]);
        put(table + 28 + 12 * i,
            get(at + 12) + get(at + 24) + get(at + 16) - entry[i][0] - entry[i][1]);
    }
    mend(table + 4, table, end);
}

/* Reads a copy of exactly this size, so that the sanitizer sees a read beyond it. */
static const char *find(struct ucode *u)
{
    u8 *copy = malloc(size ? size : 1);
    memcpy(copy, file, size);
    *u = (struct ucode){0};
    const char *why = ucode_find(copy, size, here, u);
    free(copy);
    return why;
}

static void expect(const char *why)
{
    struct ucode u;
    const char *is = find(&u);
    if (why)
        assert_string_equal(is ? is : "nothing is wrong", why);
    else
        assert_null(is);
}

static void test_forms(void **state)
{
    (void)state;
    struct ucode u;
    size = 0;
    expect("is empty");
    add(0x25, THIS, 0x40, 0, 0); /* "If 0, the data is 2000 bytes, the update 2048" */
    assert_null(find(&u));
    assert_int_equal(u.at, 0);
    assert_int_equal(u.size, 2048);
    assert_int_equal(u.revision, 0x25);
    assert_int_equal(u.date, 0x07182015);
    size = 0;
    add(0x26, THIS, 0xc0, 4000, 4096);
    assert_null(find(&u));
    assert_int_equal(u.size, 4096);
}

static void test_header(void **state)
{
    (void)state;
    static const struct {
        u32 at, value;
        const char *why;
    } rows[] = {
        {0, 2, "is no microcode update of header version 1 and loader revision 1"},
        {20, 2, "is no microcode update of header version 1 and loader revision 1"},
        {28, 3998, "has an update whose sizes do not fit"}, /* "a multiple of DWORDs" */
        {28, 4052, "has an update whose sizes do not fit"}, /* data and header beyond the total */
        {28, 0xfffffffc, "has an update whose sizes do not fit"},
        {32, 4092, "has an update whose sizes do not fit"}, /* "a multiple of 1024 bytes" */
        {32, 0, "has an update whose sizes do not fit"},
        {32, 5120, "is cut within an update"},
        {32, 0xfffffc00, "is cut within an update"},
        {12, THIS + 1, "has no update for this processor"}, /* the stepping counts */
        {24, 0x20, "has no update for this processor"},     /* another platform */
        {24, 0, "has no update for this processor"},
    };
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        size = 0;
        add(0x25, THIS, 0x40, 4000, 4096);
        put(rows[i].at, rows[i].value);
        mend(16, 0, 4096);
        expect(rows[i].why);
    }
}

/* "The summation of all the DWORDs results in 0": a bit that turns anywhere is found. */
static void test_checksum(void **state)
{
    (void)state;
    size = 0;
    add(0x25, THIS, 0x40, 4000, 4096);
    expect(NULL);
    for (u32 at = 4; at < size; at += 37) {
        if (at >= 20 && at < 36)
            continue; /* those have reasons of their own */
        file[at] ^= 0x10;
        expect("has a wrong checksum");
        file[at] ^= 0x10;
    }
}

static void test_cut(void **state)
{
    (void)state;
    add(0, 0, 0, 0, 0);
    for (u32 cut = 1; cut < 4096; cut++) {
        size = 0;
        add(0x25, THIS, 0x40, 4000, 4096);
        size = cut;
        expect(cut < 48 ? "is cut within a header" : "is cut within an update");
    }
}

static void test_table(void **state)
{
    (void)state;
    static const u32 entries[][2] = {{0x306f2, 0x6f}, {THIS, 0xc0}, {THIS, 0x01}},
                     others[][2] = {{0x306f2, 0x40}, {THIS, 0x80}};
    size = 0;
    u32 at = add(0x1f, 0x306d0, 0x40, 2000, 3072);
    add_table(at, entries, 3);
    expect(NULL);
    add_table(at, others, 2);
    expect("has no update for this processor");
    add_table(at, entries, 3);
    put(2048 + 4, get(2048 + 4) + 1);
    put(2048 + 8, 0u - 1); /* the update's own sum stays 0, and the table's too */
    expect(NULL);
    put(2048 + 8, 0);
    put(3068, 0u - 1); /* now the table's does not */
    expect("has a wrong checksum in a table of signatures");
    put(3068, 0);
    add_table(at, entries, 3);
    put(2048 + 28, get(2048 + 28) + 1); /* an entry's checksum, and the table's to fit */
    mend(2048 + 4, 2048, 2048 + 56);
    expect("has a wrong checksum in a signature");
    add_table(at, entries, 3);
    put(2048, 84); /* (1024 - 20) / 12 = 83 fit */
    mend(16, 0, 3072);
    expect("has a table of signatures that does not fit");
    put(2048, 0x15555556); /* times 12 wraps around */
    mend(16, 0, 3072);
    expect("has a table of signatures that does not fit");
}

/* The newest of several counts, wherever it stands; a broken one spoils the file. */
static void test_several(void **state)
{
    (void)state;
    struct ucode u;
    size = 0;
    add(0x1f, THIS, 0x40, 0, 0);
    add(0xffffffff, THIS, 0x40, 0, 0); /* negative: for debugging */
    add(0x2f, THIS, 0x40, 4000, 4096);
    add(0x3a, 0x306f2, 0x40, 0, 0);
    add(0x25, THIS, 0x40, 0, 0);
    assert_null(find(&u));
    assert_int_equal(u.revision, 0x2f);
    assert_int_equal(u.at, 4096);
    assert_int_equal((u.at + UCODE_HEADER_SIZE) % 16, 0); /* "16-byte boundary", in whole pages */
    for (u32 platform = 0; platform < 8; platform++) {
        struct ucode_cpu cpu = {THIS, platform};
        const char *why = ucode_find(file, size, cpu, &u);
        assert_int_equal(why == NULL, platform == 6);
    }
    file[size - 1] ^= 1;
    expect("has a wrong checksum");
    assert_true(ucode_is_newer(0, 0xffffffff));
    assert_true(ucode_is_newer(2, 1));
    assert_false(ucode_is_newer(1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),    cmocka_unit_test(test_header),
        cmocka_unit_test(test_checksum), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_table),    cmocka_unit_test(test_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
