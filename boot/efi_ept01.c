/* SPDX-License-Identifier: BSD-2-Clause */
/* The dry run's words on memory. Contract in efi_ept01.h. */
#include "boot/efi_ept01.h"

#include "boot/efi_console.h"
#include "boot/ept01.h"

enum { WIDE = 60 /* characters, behind which a line ends */ };

static void say_ram(const struct boot_info *info)
{
    struct line l;
    line_clear(&l);
    for (u32 i = 0; i < info->range_count; i++) {
        line_add(&l, l.len ? " " : "RAM: ");
        line_add_hex(&l, info->range[i].base);
        line_add_char(&l, '-');
        line_add_hex(&l, info->range[i].base + info->range[i].size);
        if (l.len < WIDE && i + 1 < info->range_count)
            continue;
        console_say_line(&l);
        line_clear(&l);
    }
}

static void begin(struct line *l, u32 cpu)
{
    line_clear(l);
    line_add(l, "EPT01 of processor ");
    line_add_decimal(l, cpu);
    line_add(l, ": ");
}

static void say_tree(const struct handoff *h)
{
    struct ept01_sum s = {0};
    struct line l;
    ept01_add(&s, h->eptp);
    for (u32 type = 0; type < EPT01_TYPES; type++) {
        begin(&l, h->cpu);
        if (ept01_describe(&s, type, &l))
            console_say_line(&l);
    }
    begin(&l, h->cpu);
    line_add_decimal(&l, s.tables);
    line_add(&l, " tables, ");
    line_add_decimal(&l, s.elsewhere);
    line_add(&l, " leaves lead elsewhere");
    console_say_line(&l);
}

void ept01_say(const struct region *r)
{
    const struct handoff *h = r->handoff;
    say_ram(h->info);
    for (u32 i = 0; i < h->info->cpu_count; i++) {
        bool known = !h[i].eptp;
        for (u32 k = 0; k < i; k++)
            known |= h[k].eptp == h[i].eptp;
        if (!known)
            say_tree(&h[i]);
    }
}
