/*
 * Bytes to characters: load options and nidus.cfg come as UTF-8 (ASCII) or UCS-2, or are no
 * text at all. Characters are UCS-2 code units, as UEFI has them. Pure.
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

/* A file: UCS-2 behind the bytes FF FE, else UTF-8, with or without its own mark. */
struct text text_of_file(const u8 *bytes, u32 size);

/*
 * Load options: UCS-2, else UTF-8, or TEXT_BINARY: a boot entry's data can be anything (the
 * firmware marks entries of its own with a GUID). Text begins with a printable ASCII character,
 * holds no control characters but TAB, CR and LF, and may end in zeroes, which are cut off.
 */
struct text text_of_load_options(const u8 *bytes, u32 size);

/*
 * The next character, or TEXT_END, or TEXT_BAD: a control character (but TAB, CR, LF), a
 * broken sequence, a surrogate or a character that one UCS-2 unit does not hold. After
 * TEXT_BAD, t->at is where the offending bytes begin.
 */
int text_next(struct text *t);

#endif
