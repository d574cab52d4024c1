/* SPDX-License-Identifier: BSD-2-Clause */
/* The stage code that a run with cmos=on leaves in CMOS, in words. Pure. */
#ifndef BOOT_STAGE_H
#define BOOT_STAGE_H

#include "boot/line.h"
#include "hv/core/boot_info.h"

/* Adds to the line how far the run came. False, and nothing added, when the four bytes are no
 * stage. */
bool stage_explain(const u8 bytes[4], struct line *l);

#endif
