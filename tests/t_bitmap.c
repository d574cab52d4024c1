/* MSR and I/O bitmaps, exhaustively: every MSR of both ranges and the numbers around them,
 * every port with every size, one bit set at a time. */
#include "hv/vmcs12/bitmap.h"
#include "tests/rng.h"
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
    msr_bitmap_set(page_a, msr, write, true);
    assert_int_equal(page_a[byte], 0xff);
    msr_bitmap_set(page_a, msr, write, false);
    assert_int_equal(page_a[byte], (u8)~bit);
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
    struct rng r = rng_start("t_bitmap");

    memset(page_a, 0, sizeof page_a);
    for (u32 i = 0; i < 100000; i++) {
        u32 msr = i < ARRAY_LEN(edges) ? edges[i] : (u32)rng_next(&r);
        if ((msr & 0x3fffffff) < 0x2000 && (msr >> 30 == 0 || msr >> 30 == 3))
            continue;
        assert_true(msr_bitmap_hit(page_a, msr, i & 1));
        assert_true(msr_bitmap_ref(msr, i & 1).outside);
        msr_bitmap_set(page_a, msr, i & 1, true);
    }
    for (u32 i = 0; i < sizeof page_a; i++)
        assert_int_equal(page_a[i], 0);
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

static void unions(void **state)
{
    (void)state;
    struct rng r = rng_start("t_bitmap");

    for (u32 i = 0; i < sizeof page_a; i++) {
        page_a[i] = (u8)rng_next(&r);
        page_b[i] = (u8)rng_next(&r);
    }
    bitmap_union(page_out, (u64 *)page_a, (u64 *)page_b);
    for (u32 i = 0; i < sizeof page_a; i++)
        assert_int_equal(((u8 *)page_out)[i], page_a[i] | page_b[i]);
    bitmap_union((u64 *)page_a, (u64 *)page_a, (u64 *)page_b);
    assert_memory_equal(page_a, page_out, sizeof page_a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(msrs_in_range), cmocka_unit_test(msrs_outside),
        cmocka_unit_test(ports), cmocka_unit_test(unions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
