/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns bytes into characters. Load options and nidus.cfg are UTF-8 (ASCII) or UCS-2, or no text at
 * all. A character is a UCS-2 code unit, as in UEFI. Pure.
 */
#ifndef BOOT_TEXT_H
#define BOOT_TEXT_H

#include "hv/arch/types.h"

enum text_form { TEXT_UTF8, TEXT_UCS2, TEXT_BINARY };
enum { TEXT_END = -1, TEXT_BAD = -2 };

struct text {
    const u8 *bytes;
    u32 size, at;
    enum text_form form;
};

/* The text of a file: UCS-2 when the file begins with the bytes FF FE, else UTF-8, with or without
 * a byte-order mark. size: in bytes. */
struct text text_of_file(const u8 *bytes, u32 size);

/*
 * The text of load options: UCS-2 if the bytes are UCS-2 text, else UTF-8 if they are UTF-8 text,
 * else TEXT_BINARY. A boot entry's data can be anything; firmware marks its own ones with a GUID.
 * Text begins with a printable ASCII character and has no control characters apart from TAB, CR and
 * LF. Text may end in zeroes, which are cut off. size: in bytes.
 */
struct text text_of_load_options(const u8 *bytes, u32 size);

/*
 * The next character, or TEXT_END, or TEXT_BAD. Bad are a control character (apart from TAB, CR and
 * LF), a broken sequence, a surrogate, and a character that needs more than one UCS-2 unit. After
 * TEXT_BAD, t->at is the offset of the bad bytes.
 */
int text_next(struct text *t);

#endif
