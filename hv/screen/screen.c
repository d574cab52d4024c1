/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in screen.h. A pixel has 32 bits in every format that boot/ accepts, and the two colours
 * are white and black, which are the same in each. */
#include "hv/screen/screen.h"

#define GLYPH_LINES 7u
#define FIRST_GLYPH ' '
#define LAST_GLYPH  '~'
#define WHITE       0xffffffu
#define BLACK       0u

/* clang-format off */
static const u8 font[LAST_GLYPH - FIRST_GLYPH + 1][GLYPH_LINES] = {
#define GLYPH(c, ...) [(c) - FIRST_GLYPH] = {__VA_ARGS__},
#include "hv/screen/font.def"
};
/* clang-format on */

/* The eight dots of one line of the cell, the left one in bit 7. Each line of the font stands
 * twice, below one empty line. */
static u32 dots(char c, u32 line)
{
    u32 from = (line + 1) / 2 - 1;
    if (c < FIRST_GLYPH || c > LAST_GLYPH)
        c = '?';
    return line == 0 || from >= GLYPH_LINES ? 0 : (u32)font[c - FIRST_GLYPH][from] << 2;
}

static void draw(struct screen *s, u32 row, const char *text, u32 ink, u32 paper)
{
    for (u32 column = 0; column < s->width / CELL_WIDTH; column++) {
        char c = *text ? *text++ : ' ';
        for (u32 line = 0; line < CELL_HEIGHT; line++) {
            volatile u32 *at =
                s->pixels + (u64)(row * CELL_HEIGHT + line) * s->stride + column * CELL_WIDTH;
            for (u32 i = 0, d = dots(c, line); i < CELL_WIDTH; i++)
                at[i] = d >> (7 - i) & 1 ? ink : paper;
        }
    }
}

void screen_line(struct screen *s, enum screen_kind kind, const char *text)
{
    u32 rows = s->height / CELL_HEIGHT;
    if (!s->pixels || !rows)
        return;
    if (kind == SCREEN_STATUS) {
        draw(s, rows - 1, text, BLACK, WHITE);
        return;
    }
    if (s->row >= rows && kind == SCREEN_DUMP)
        return;
    draw(s, s->row % rows, text, WHITE, BLACK);
    s->row = s->row % rows + 1;
}
