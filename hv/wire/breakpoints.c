/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in breakpoints.h. */
#include "hv/wire/breakpoints.h"
#include "hv/arch/cpu.h"

#define DR7_EXECUTE 0u
#define DR7_WRITE   1u
#define DR7_ACCESS  3u

static bool can_break(const struct gdb_command *c)
{
    u64 n = c->length;
    return c->type < 2 || ((n == 1 || n == 2 || n == 4 || n == 8) && !(c->address & (n - 1)));
}

bool breakpoints_change(struct gdb_breakpoint all[GDB_BREAKPOINTS], u32 level,
                        const struct gdb_command *c)
{
    struct gdb_breakpoint *same = NULL, *free = NULL;
    for (u32 i = 0; i < GDB_BREAKPOINTS; i++) {
        struct gdb_breakpoint *b = &all[i];
        if ((b->used || b->away) && b->address == c->address && b->type == c->type)
            same = b;
        else if (!b->used && (!free || (free->away && !b->away)))
            free = b;
    }
    if (c->kind == GDB_REMOVE) {
        if (same && same->used)
            *same = (struct gdb_breakpoint){false, same->level, c->type, 0, c->address, true};
        return true;
    }
    if (!(same || free) || !level || !can_break(c))
        return false;
    if (same && same->away)
        level = same->level;
    *(same ? same : free) =
        (struct gdb_breakpoint){true, level, c->type, (u32)c->length, c->address, false};
    return true;
}

void breakpoints_forget(struct gdb_breakpoint all[GDB_BREAKPOINTS])
{
    for (u32 i = 0; i < GDB_BREAKPOINTS; i++)
        all[i].away = false;
}

static u64 dr7_of(const struct gdb_breakpoint *b, u32 i)
{
    u64 rw = b->type < 2 ? DR7_EXECUTE : b->type == 2 ? DR7_WRITE : DR7_ACCESS;
    u64 len = rw == DR7_EXECUTE || b->length == 1 ? 0 : b->length == 8 ? 2 : b->length - 1;
    return BIT(2 * i + 1) | rw << (16 + 4 * i) | len << (18 + 4 * i);
}

u64 breakpoints_registers(const struct gdb_breakpoint all[GDB_BREAKPOINTS], u32 level, u64 target,
                          u64 dr[GDB_BREAKPOINTS])
{
    static const struct gdb_breakpoint here = {.used = true};
    u64 dr7 = DR7_RESET;
    for (u32 i = 0; i < GDB_BREAKPOINTS; i++) {
        const struct gdb_breakpoint *b = &all[i];
        bool step = target && i == GDB_BREAKPOINTS - 1;
        bool set = b->used && b->level == level;
        dr[i] = step ? target : set ? b->address : 0;
        if (step || set)
            dr7 |= dr7_of(step ? &here : b, i);
    }
    return dr7;
}

bool breakpoints_at(const struct gdb_breakpoint all[GDB_BREAKPOINTS], u64 rip)
{
    for (u32 i = 0; i < GDB_BREAKPOINTS; i++)
        if (all[i].used && all[i].type < 2 && all[i].address == rip)
            return true;
    return false;
}
