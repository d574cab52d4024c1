/*
 * Cutting lines into words, and the path out of a program's command line. A word ends at a
 * space or a tab; quotes join what spaces would part. Pure.
 */
#ifndef BOOT_WORDS_H
#define BOOT_WORDS_H

#include "hv/arch/types.h"

/* Part of a line; not terminated. */
struct word {
    const u16 *text;
    u32 len;
};

bool word_is(struct word w, const char *name);
struct word word_trim(struct word w); /* without spaces before and behind */

/* Length of the first word of a line that does not begin with a space, quotes included;
 * *closed tells whether every quote in it has its end. */
u32 word_length(struct word line, bool *closed);

/*
 * The path of the program that a command line starts: the first word, quotes removed, '/'
 * turned into '\', zero-terminated. A relative path is put behind folder, which is empty or
 * ends in '\'. False when the result does not fit in size characters.
 */
MUST_CHECK bool words_program_path(const u16 *command, const u16 *folder, u16 *path, u32 size);

#endif
