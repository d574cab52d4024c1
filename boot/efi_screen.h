/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's framebuffer. */
#ifndef BOOT_EFI_SCREEN_H
#define BOOT_EFI_SCREEN_H

#include "hv/screen/screen.h"

/* Fills in *s for the framebuffer that the console is on, or else the first one with 32 bits a
 * pixel. s->pixels is NULL when there is none. @pre boot services are running */
void screen_find(struct screen *s);

#endif
