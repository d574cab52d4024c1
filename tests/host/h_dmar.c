/* SPDX-License-Identifier: BSD-2-Clause */
/* The DMAR (boot/dmar.c): tables of public machines, and what a broken table is refused for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/dmar.h"

#define LARGEST 4096

struct machine {
    char name[100], refused[100];
    u32 units, ranges, size;
    struct boot_range unit[8], range[8]; /* of a reserved range: its base, its last byte */
    u8 table[LARGEST];
};

/* The table in memory of exactly its size, so that the sanitizer sees a read beyond it. */
static const char *read_table(const u8 *bytes, u32 size, struct dmar *d)
{
    u8 *copy = malloc(size);
    memcpy(copy, bytes, size);
    const char *why = dmar_read(copy, size, d);
    free(copy);
    return why;
}

static void judge(const struct machine *m)
{
    struct dmar d = {0};
    const char *why = read_table(m->table, m->size, &d);
    u8 sum = 0;
    if (m->refused[0]) {
        assert_string_equal(why, m->refused);
        return;
    }
    for (u32 i = 0; i < m->size; i++)
        sum = (u8)(sum + m->table[i]);
    if (sum) /* it was typed wrong */
        fail_msg("%s: sum %x", m->name, sum);
    assert_null(why);
    assert_int_equal(d.count, m->units);
    assert_memory_equal(d.unit, m->unit, m->units * sizeof *m->unit);
    for (u32 i = 0; i < m->ranges; i++) {
        u64 first = m->range[i].base, last = m->range[i].size;
        assert_true(dmar_reserves(m->table, m->size, last, 1));
        assert_true(dmar_reserves(m->table, m->size, first - 0x1000, 0x1001));
        assert_false(dmar_reserves(m->table, m->size, first - 0x1000, 0x1000));
        assert_false(dmar_reserves(m->table, m->size, last + 1, 1));
    }
    assert_false(dmar_reserves(m->table, m->size, 0x10000000, 0x1000000));
}

static void add_bytes(struct machine *m, const char *line)
{
    int used;
    unsigned byte;
    for (; sscanf(line, " %x%n", &byte, &used) == 1; line += used)
        m->table[m->size++] = (u8)byte;
}

static void test_machines(void **state)
{
    static struct machine m;
    char line[300];
    unsigned long a, b;
    u32 count = 0;
    (void)state;
    FILE *f = fopen("tests/data/dmar_tables.txt", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '\n' && m.size) {
            judge(&m);
            count++;
        }
        if (line[0] == '\n')
            memset(&m, 0, sizeof m);
        else if (sscanf(line, "machine %99[^\n]", m.name) == 1)
            continue;
        else if (sscanf(line, "refused %99[^\n]", m.refused) == 1)
            continue;
        else if (sscanf(line, "unit %lx %lx", &a, &b) == 2)
            m.unit[m.units++] = (struct boot_range){a, b * PAGE_SIZE};
        else if (sscanf(line, "reserved %lx %lx", &a, &b) == 2)
            m.range[m.ranges++] = (struct boot_range){a, b};
        else if (line[0] != '#')
            add_bytes(&m, line);
    }
    judge(&m);
    assert_int_equal(count + 1, 9);
    fclose(f);
}

#define DRHD 48
#define RMRR 64
#define LAST 88
#define SIZE 112

/* A table of our own: a unit, a reserved range from 1 MiB to 2 MiB, and what nobody knows. */
static u8 *fresh(void)
{
    static u8 table[SIZE];
    memset(table, 0, SIZE);
    memcpy(table, "DMAR", 4);
    table[4] = SIZE;
    table[DRHD + 2] = 16;
    table[DRHD + 10] = 0xd9;
    table[DRHD + 11] = 0xfe;
    table[RMRR] = 1;
    table[RMRR + 2] = 24;
    table[RMRR + 10] = 0x10;
    table[RMRR + 18] = 0x1f;
    table[LAST] = 9;
    table[LAST + 2] = 24;
    return table;
}

static const char *with(u32 at, u8 value)
{
    struct dmar d = {0};
    u8 *table = fresh();
    table[at] = value;
    return read_table(table, table[4], &d);
}

static void test_broken(void **state)
{
    static const char length[] = "a structure of the DMAR has a wrong length";
    (void)state;
    assert_null(with(0, 'D'));
    assert_null(with(4, LAST));
    assert_null(with(LAST, 200));
    assert_string_equal(with(0, 'X'), "the DMAR has a wrong length");
    assert_string_equal(with(4, 47), "the DMAR has a wrong length");
    assert_string_equal(with(5, 1), "the DMAR has a wrong length");
    assert_string_equal(with(4, LAST + 2), length);
    assert_string_equal(with(LAST + 2, 25), length);
    assert_string_equal(with(LAST + 2, 0), length);
    assert_string_equal(with(LAST + 2, 3), length);
    assert_string_equal(with(LAST + 3, 1), length);
    assert_string_equal(with(DRHD + 2, 12), "a unit of the DMAR is cut off");
    assert_string_equal(with(RMRR + 2, 20), "a reserved range of the DMAR is cut off");
    assert_string_equal(with(DRHD + 9, 8), "a unit of the DMAR has no address");
    assert_string_equal(with(DRHD + 12, 1), "a unit of the DMAR is not below 4 GiB");
    assert_string_equal(with(DRHD + 15, 0xff), "a unit of the DMAR is not below 4 GiB");
    assert_null(with(DRHD + 5, 12)); /* 16 MiB of registers end below 4 GiB */
    assert_string_equal(with(DRHD + 5, 15), "a unit of the DMAR is not below 4 GiB");
}

static void test_units(void **state)
{
    static u8 many[DRHD + 33 * 16];
    struct dmar d = {0};
    (void)state;
    u8 *table = fresh();
    table[DRHD + 5] = 1;
    assert_null(read_table(table, SIZE, &d));
    assert_int_equal(d.unit[0].size, 2 * PAGE_SIZE);
    assert_string_equal(read_table(table, SIZE, &d), "two units of the DMAR have one address");
    memcpy(many, "DMAR", 4);
    for (u32 i = 0; i < 33; i++) {
        u8 *unit = many + DRHD + 16 * i;
        memcpy(unit, table + DRHD, 16);
        unit[9] = (u8)(i << 4); /* one page apart */
        unit[10] = (u8)(i >> 4);
        unit[5] = 0;
    }
    d.count = 0;
    many[4] = (u8)(DRHD + 32 * 16);
    many[5] = (u8)((DRHD + 32 * 16) >> 8);
    assert_null(read_table(many, DRHD + 32 * 16, &d));
    assert_int_equal(d.count, 32);
    d.count = 0;
    many[4] = (u8)sizeof many;
    many[5] = (u8)(sizeof many >> 8);
    assert_string_equal(read_table(many, sizeof many, &d), "the DMAR has too many units");
}

/* The sum of the bytes stays, whatever it was, and each byte comes back. */
static void test_hide(void **state)
{
    (void)state;
    for (u32 checksum = 0; checksum < 256; checksum++) {
        u8 before[SIZE], *table = fresh(), sum = 0;
        table[9] = (u8)checksum;
        memcpy(before, table, SIZE);
        dmar_hide(table);
        assert_false(dmar_is_dmar(table));
        assert_memory_equal(table, "OEMR", 4);
        for (u32 i = 0; i < SIZE; i++)
            sum = (u8)(sum + table[i] - before[i]);
        assert_int_equal(sum, 0);
        dmar_show(table);
        assert_memory_equal(table, before, SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machines),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_hide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
