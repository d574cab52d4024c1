/* SPDX-License-Identifier: BSD-2-Clause */
/* The bitmaps, exhaustively: every MSR of both ranges and the numbers around them, every port with
 * every size, every encoding of 15 bits, one bit set at a time. */
#include "hv/vmcs12/bitmap.h"
#include "tests/lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static u8 page_a[4096] __attribute__((aligned(8))), page_b[4096] __attribute__((aligned(8)));
static u64 page_out[512];

/* SDM 3C 25.6.9 "MSR-Bitmap Address": four contiguous 1-KByte maps: read low at 0, read high
 * at 1024, write low at 2048, write high at 3072. */
static u32 expected_byte(u32 msr, bool write)
{
    return (write ? 2048u : 0u) + (msr >= 0xc0000000u ? 1024u : 0u) + (msr & 0x1fff) / 8;
}

static void one_msr(u32 msr, bool write)
{
    u32 byte = expected_byte(msr, write);
    u8 bit = (u8)(1u << (msr & 7));

    memset(page_a, 0, sizeof page_a);
    assert_false(msr_bitmap_hit(page_a, msr, write));
    page_a[byte] = bit;
    assert_true(msr_bitmap_hit(page_a, msr, write));
    assert_false(msr_bitmap_hit(page_a, msr, !write));
    assert_false(msr_bitmap_hit(page_a, msr ^ 1, write));
    assert_false(msr_bitmap_hit(page_a, msr ^ 0xc0000000u, write));
    page_a[byte] = (u8)~bit;
    assert_false(msr_bitmap_hit(page_a, msr, write));
}

static void msrs_in_range(void **state)
{
    (void)state;
    for (u32 i = 0; i < 0x2000; i++)
        for (int write = 0; write < 2; write++) {
            one_msr(i, write);
            one_msr(0xc0000000u + i, write);
        }
}

/* "The value of ECX is in neither range": always an exit. */
static void msrs_outside(void **state)
{
    (void)state;
    static const u32 edges[] = {0x2000,     0x2001,     0x7fffffff, 0xbfffffff,
                                0xc0002000, 0xffffffff, 0x80000000};
    struct rng r = rng_start("h_bitmap");

    memset(page_a, 0, sizeof page_a);
    for (u32 i = 0; i < 100000; i++) {
        u32 msr = i < ARRAY_LEN(edges) ? edges[i] : (u32)rng_next(&r);
        if ((msr & 0x3fffffff) < 0x2000 && (msr >> 30 == 0 || msr >> 30 == 3))
            continue;
        assert_true(msr_bitmap_hit(page_a, msr, i & 1));
        assert_true(msr_bitmap_ref(msr, i & 1).outside);
    }
}

/* An access of `size` at `port` exits exactly for the bits of the ports it touches. */
static void ports(void **state)
{
    (void)state;
    static const u32 sizes[] = {1, 2, 4};

    for (u32 port = 0; port < 0x10000; port++) {
        u8 *page = port < 0x8000 ? page_a : page_b;

        memset(page_a, 0, sizeof page_a);
        memset(page_b, 0, sizeof page_b);
        page[(port & 0x7fff) >> 3] = (u8)(1 << (port & 7));
        for (u32 k = 0; k < 3; k++)
            for (u32 at = port < 5 ? 0 : port - 5; at <= port + 1 && at < 0x10000; at++) {
                bool touches = at <= port && port < at + sizes[k];
                bool wraps = at + sizes[k] - 1 > 0xffff;
                assert_int_equal(io_bitmap_hit(page_a, page_b, at, sizes[k]), touches || wraps);
            }
    }
}

/* "Bits 63:15 of the operand are 0" and "the bit at bits 14:0 is 0", or VMREAD and VMWRITE exit. */
static void fields(void **state)
{
    (void)state;
    for (u32 field = 0; field < 0x8000; field++) {
        memset(page_a, 0, sizeof page_a);
        page_a[field >> 3] = (u8)(1 << (field & 7));
        assert_true(vmcs_bitmap_hit(page_a, field));
        assert_false(vmcs_bitmap_hit(page_a, field ^ 1));
        assert_false(vmcs_bitmap_hit(page_a, field ^ 0x4000));
        page_a[field >> 3] = 0;
        assert_false(vmcs_bitmap_hit(page_a, field));
        for (u32 bit = 15; bit < 64; bit++)
            assert_true(vmcs_bitmap_hit(page_a, field | BIT(bit)));
    }
}

static struct msr_open open_words;

static void random_pages(struct rng *r)
{
    for (u32 i = 0; i < sizeof page_a; i++) {
        page_a[i] = (u8)rng_next(r);
        page_b[i] = (u8)rng_next(r);
    }
}

static bool is_open(u32 word)
{
    for (u32 i = 0; i < open_words.count; i++)
        if (open_words.word[i] == word)
            return true;
    return false;
}

/* An open word is the union of both maps', every other word is all ones. */
static void expect_merged(void)
{
    const u64 *a = (u64 *)page_a, *b = (u64 *)page_b;

    for (u32 i = 0; i < 512; i++)
        assert_int_equal(page_out[i], is_open(i) ? a[i] | b[i] : ~0ull);
    assert_true(msr_bitmap_covers(page_out, a, b));
}

static void start_merged(void)
{
    memset(&open_words, 0, sizeof open_words);
    memset(page_out, 0xff, sizeof page_out);
}

/* Any order of accesses and edits: what was opened is the union after the next merge. */
static void merged_maps(void **state)
{
    (void)state;
    const u64 *a = (u64 *)page_a, *b = (u64 *)page_b;
    struct rng r = rng_start("h_bitmap");

    start_merged();
    for (u32 i = 0; i < 3000; i++) {
        u32 msr = (u32)(rng_next(&r) & 0x1fff) | (i & 4 ? 0xc0000000u : 0);
        random_pages(&r);
        msr_bitmap_merge(&open_words, page_out, a, b);
        expect_merged();
        msr_bitmap_open(&open_words, page_out, a, b, msr, i & 1);
        assert_true(is_open(expected_byte(msr, i & 1) / 8));
        expect_merged();
    }
    assert_int_equal(open_words.count, MSR_OPEN_WORDS);
    msr_bitmap_open(&open_words, page_out, a, b, 0x2000, false);
    expect_merged();
}

/* A word takes one slot however often it is opened; the oldest gives way. */
static void open_words_give_way(void **state)
{
    (void)state;
    const u64 *a = (u64 *)page_a, *b = (u64 *)page_b;

    memset(page_a, 0, sizeof page_a);
    memset(page_b, 0, sizeof page_b);
    start_merged();
    for (u32 i = 0; i < MSR_OPEN_WORDS; i++) {
        msr_bitmap_open(&open_words, page_out, a, b, i * 64, false);
        msr_bitmap_open(&open_words, page_out, a, b, i * 64 + 63, false);
        assert_int_equal(open_words.count, i + 1);
    }
    for (u32 i = 0; i < MSR_OPEN_WORDS; i++) {
        assert_int_equal(page_out[i], 0);
        msr_bitmap_open(&open_words, page_out, a, b, i * 64, true);
        assert_int_equal(page_out[i], ~0ull);
        assert_int_equal(page_out[256 + i], 0);
        assert_int_equal(open_words.count, MSR_OPEN_WORDS);
        expect_merged();
    }
}

/* One bit that either map has and the merged one has not is seen, in every word. */
static void covered(void **state)
{
    (void)state;
    for (u32 bit = 0; bit < 8 * sizeof page_a; bit += 37) {
        u8 *page = bit & 1 ? page_a : page_b;
        memset(page_a, 0, sizeof page_a);
        memset(page_b, 0, sizeof page_b);
        memset(page_out, 0xff, sizeof page_out);
        ((u8 *)page_out)[bit / 8] = (u8) ~(1u << (bit % 8));
        assert_true(msr_bitmap_covers(page_out, (u64 *)page_a, (u64 *)page_b));
        page[bit / 8] = (u8)(1u << (bit % 8));
        assert_false(msr_bitmap_covers(page_out, (u64 *)page_a, (u64 *)page_b));
    }
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(msrs_in_range), cmocka_unit_test(msrs_outside),
        cmocka_unit_test(ports), cmocka_unit_test(fields), cmocka_unit_test(merged_maps),
        cmocka_unit_test(open_words_give_way), cmocka_unit_test(covered),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
