/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring (hv/ring/ring.h), the stage code (boot/stage.h) and the text on the screen
 * (hv/screen/screen.h): what is written is read again, and garbage is not believed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot/stage.h"
#include "hv/ring/ring.h"
#include "hv/screen/screen.h"
#include "tests/lib/rng.h"

#define AT 0x40000000ull

static struct ring ring;

static void fresh(void)
{
    memset(&ring, 0, sizeof ring);
    ring_init(&ring, AT);
}

static void put(const char *text)
{
    ring_put(&ring, text, (u32)strlen(text));
}

static void text_of(char *to)
{
    u32 n = ring_length(&ring);
    for (u32 i = 0; i < n; i++)
        to[i] = ring_char(&ring, i);
    to[n] = 0;
}

static void test_what_is_put_is_read(void **state)
{
    (void)state;
    char text[RING_TEXT + 1];
    fresh();
    assert_true(ring_is(&ring, AT) && ring_whole(&ring));
    assert_int_equal(ring_length(&ring), 0);
    put("one\n");
    put("two\x01\xff\n");
    text_of(text);
    assert_string_equal(text, "one\ntwo??\n");
    assert_true(ring_is(&ring, AT) && ring_whole(&ring));
    assert_false(ring_is(&ring, AT + PAGE_SIZE));
}

/* More than the ring holds: the last RING_TEXT characters stay, in order. */
static void test_old_text_goes(void **state)
{
    (void)state;
    static char all[3 * RING_TEXT], text[RING_TEXT + 1];
    struct rng r = rng_start("ring");
    u32 n = 0;
    fresh();
    while (n < sizeof all - 600) {
        u32 length = (u32)rng_below(&r, 500);
        for (u32 i = 0; i < length; i++)
            all[n + i] = (char)(' ' + rng_below(&r, 95));
        ring_put(&ring, all + n, length);
        n += length;
        assert_true(ring_is(&ring, AT) && ring_whole(&ring));
    }
    text_of(text);
    assert_int_equal(ring_length(&ring), RING_TEXT);
    assert_memory_equal(text, all + n - RING_TEXT, RING_TEXT);
}

/* Each changed bit of the head or of the text is noticed. */
static void test_damage_shows(void **state)
{
    (void)state;
    struct rng r = rng_start("ring damage");
    fresh();
    put("some text that was here before the reset\n");
    for (u32 i = 0; i < 2000; i++) {
        u64 at = rng_below(&r, 5 * 8 + RING_TEXT);
        u8 *byte = at < 40 ? (u8 *)&ring + at : (u8 *)ring.text + at - 40,
           bit = (u8)(1 << rng_below(&r, 8));
        *byte ^= bit;
        assert_false(ring_is(&ring, AT) && ring_whole(&ring));
        *byte ^= bit;
    }
    assert_true(ring_is(&ring, AT) && ring_whole(&ring));
    char swap = ring.text[0];
    ring.text[0] = ring.text[1];
    ring.text[1] = swap;
    assert_false(ring_whole(&ring));
}

/* Garbage is no ring, and what passes for one has bounds that hold. */
static void test_garbage(void **state)
{
    (void)state;
    struct rng r = rng_start("ring garbage");
    for (u32 i = 0; i < 200; i++) {
        for (u32 n = 0; n < sizeof ring / 8; n++)
            ((u64 *)&ring)[n] = rng_edgy(&r);
        assert_false(ring_is(&ring, AT));
        assert_in_range(ring_length(&ring), 0, RING_TEXT);
        for (u32 n = 0; n < ring_length(&ring); n += 97)
            (void)ring_char(&ring, n);
    }
    fresh();
    ring.cpus = RING_CPUS + 1;
    assert_false(ring_is(&ring, AT));
}

static void test_words(void **state)
{
    (void)state;
    char text[17] = {0};
    fresh();
    put("0123456789abcdefXYZ");
    struct ring_words w = ring_words(&ring, 0);
    assert_int_equal(w.word[0], RING_TEXT);
    assert_int_equal(w.word[2], 19);
    w = ring_words(&ring, 1);
    memcpy(text, &w, 16);
    assert_string_equal(text, "0123456789abcdef");
    w = ring_words(&ring, 2);
    memcpy(text, &w, 16);
    assert_string_equal(text, "XYZ");
    static const u32 beyond[] = {RING_TEXT / 16 + 1, 0x10000001, 0xffffffff};
    for (u32 i = 0; i < ARRAY_LEN(beyond); i++) {
        w = ring_words(&ring, beyond[i]);
        assert_int_equal(w.word[0] | w.word[1] | w.word[2] | w.word[3], 0);
    }
}

/* ---- the stage code ---- */

static void test_stage(void **state)
{
    (void)state;
    struct line l;
    u32 known = 0;
    for (u32 stage = 0; stage < 256; stage++) {
        u8 b[4] = {BOOT_CMOS_MARK, (u8)stage, 33, (u8)(BOOT_CMOS_MARK ^ stage ^ 33)};
        line_clear(&l);
        known += stage_explain(b, &l);
        b[3] ^= 1;
        assert_false(stage_explain(b, &l));
    }
    assert_int_equal(known, 12);
    u8 b[4] = {BOOT_CMOS_MARK, 18, 0, BOOT_CMOS_MARK ^ 18};
    line_clear(&l);
    assert_true(stage_explain(b, &l));
    assert_string_equal(l.text, "the last run with cmos=on came to stage 18, the first VM entry "
                                "follows; exit reason 0");
}

/* ---- the screen ---- */

enum { WIDTH = 84, HEIGHT = 70, STRIDE = 100, ROWS = HEIGHT / 16, GUARD = 0x12345678 };
static u32 pixels[STRIDE * HEIGHT];

static struct screen blank(void)
{
    for (u32 i = 0; i < STRIDE * HEIGHT; i++)
        pixels[i] = GUARD;
    return (struct screen){.pixels = pixels, .width = WIDTH, .height = HEIGHT, .stride = STRIDE};
}

/* The cell's dots as text, one line of the cell. */
static const char *cell(u32 row, u32 column, u32 line)
{
    static char text[9];
    for (u32 i = 0; i < 8; i++) {
        u32 p = pixels[(row * 16 + line) * STRIDE + column * 8 + i];
        text[i] = p == 0xffffff ? '#' : p == 0 ? '.' : '?';
    }
    return text;
}

static void test_letters(void **state)
{
    (void)state;
    struct screen s = blank();
    screen_line(&s, SCREEN_LINE, "HL");
    static const char *const h[16] = {"........", ".#...#..", ".#...#..", ".#...#..",
                                      ".#...#..", ".#...#..", ".#...#..", ".#####..",
                                      ".#####..", ".#...#..", ".#...#..", ".#...#..",
                                      ".#...#..", ".#...#..", ".#...#..", "........"};
    for (u32 i = 0; i < 16; i++)
        assert_string_equal(cell(0, 0, i), h[i]);
    assert_string_equal(cell(0, 1, 1), ".#......");
    assert_string_equal(cell(0, 1, 14), ".#####..");
    assert_string_equal(cell(0, 2, 5), "........");
}

/* Nothing is drawn outside the visible part, whatever the text. */
static void test_bounds(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'W', sizeof text - 1);
    text[199] = 0;
    text[3] = (char)0x80;
    struct screen s = blank();
    for (u32 i = 0; i < 3 * ROWS; i++)
        screen_line(&s, SCREEN_LINE, text);
    screen_line(&s, SCREEN_STATUS, text);
    for (u32 y = 0; y < HEIGHT; y++)
        for (u32 x = 0; x < STRIDE; x++)
            if (x >= WIDTH / 8 * 8 || y >= ROWS * 16)
                assert_int_equal(pixels[y * STRIDE + x], GUARD);
    s = (struct screen){0};
    screen_line(&s, SCREEN_LINE, "nowhere");
    s = blank();
    s.height = 15;
    screen_line(&s, SCREEN_LINE, "no row");
    assert_int_equal(pixels[0], GUARD);
}

/* A dump keeps its first lines; other lines begin again at the top. */
static void test_rows(void **state)
{
    (void)state;
    struct screen s = blank();
    for (u32 i = 0; i < ROWS; i++)
        screen_line(&s, SCREEN_DUMP, "H");
    screen_line(&s, SCREEN_DUMP, "L");
    assert_string_equal(cell(0, 0, 7), ".#####..");
    screen_line(&s, SCREEN_LINE, "L");
    assert_string_equal(cell(0, 0, 7), ".#......");
    assert_string_equal(cell(1, 0, 7), ".#####..");
    screen_line(&s, SCREEN_STATUS, "");
    assert_string_equal(cell(ROWS - 1, 0, 7), "########");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_put_is_read),
        cmocka_unit_test(test_old_text_goes),
        cmocka_unit_test(test_damage_shows),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_stage),
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
