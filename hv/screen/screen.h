/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text on the firmware's framebuffer, for what must be seen on a machine without a serial port:
 * lines that begin with "bug: ", and panics. The framebuffer is where the firmware had it at the
 * launch; an operating system may have moved it since (CAVEATS, screen-moved). Pure but for the
 * pixels.
 */
#ifndef HV_SCREEN_SCREEN_H
#define HV_SCREEN_SCREEN_H

#include "hv/arch/types.h"

struct screen {
    u64 hpa;                   /* where the pixels are, of 32 bits each */
    u32 *pixels;               /* where L0 maps them; NULL: L0 is to draw on no framebuffer */
    u32 width, height, stride; /* in pixels */
    u32 status;                /* 1: the last line of the log stands at the bottom */
    u32 row;                   /* the next line goes there */
};

#define CELL_WIDTH  8u
#define CELL_HEIGHT 16u

enum screen_kind {
    SCREEN_LINE,   /* below the last one; behind the bottom follows the top */
    SCREEN_DUMP,   /* the same, but what does not fit is left out */
    SCREEN_STATUS, /* at the bottom, in the other colours */
};

/* Draws one line, cut at the right edge. */
void screen_line(struct screen *s, enum screen_kind kind, const char *text);

#endif
