/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes the options: any bytes as a configuration and as load options, in every form. What is
 * accepted must describe itself, and read back the same. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "boot/options.h"
#include "boot/words.h"

static void use(const struct options *o)
{
    static struct options again;
    static const u16 folder[] = {'\\', 0};
    u16 path[OPTIONS_LINE_MAX + 2];
    struct line l, why;
    line_clear(&l);
    options_describe(o, &l);
    options_default(&again);
    struct text t = {(const u8 *)l.text, l.len, 0, TEXT_UTF8};
    demand(options_read_command(&again, t, OPTIONS_NAME_MAY_LEAD, &why));
    demand(!memcmp(&again, o, offsetof(struct options, check)));
    demand(words_program_path(o->chain, folder, path, ARRAY_LEN(path)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct options o;
    struct line why;
    options_default(&o);
    if (options_read_config(&o, text_of_file(data, (u32)size), &why))
        use(&o);
    else
        demand(why.len > sizeof "line 1: " - 1);
    struct text t = text_of_load_options(data, (u32)size);
    if (t.form == TEXT_BINARY)
        return 0;
    for (u32 name = 0; name < 2; name++)
        if (options_read_command(&o, t, name ? OPTIONS_NAME_LEADS : OPTIONS_NAME_MAY_LEAD, &why))
            use(&o);
    return 0;
}
