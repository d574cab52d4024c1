/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processors are wanted, and whether they will do. Contract in efi_machine.h. */
#include "boot/efi_machine.h"

u32 machine_wanted(const struct machine *m, const struct options *o)
{
    return o->bsp_only ? 1 : m->cpus.count;
}

/* True when every wanted processor can be reached. */
static bool can_reach(const struct machine *m, const struct options *o, struct line *why)
{
    if (o->bsp_only)
        return true;
    if (m->cpus.refusal.len)
        line_add(why, m->cpus.refusal.text);
    if (m->cpus.count > BOOT_MAX_CPUS) {
        line_add_decimal(why, m->cpus.count);
        line_add(why, " processors (");
        line_add(why, m->cpus.source);
        line_add(why, "); Nidus can have ");
        line_add_decimal(why, BOOT_MAX_CPUS);
    }
    if (why->len)
        line_add(why, "; cpus=bsp runs on this one alone");
    return why->len == 0;
}

static void read_facts(void *facts)
{
    facts_read(facts);
}

bool machine_read(struct machine *m, const struct options *o, struct line *why)
{
    u32 count = machine_wanted(m, o);
    line_clear(why);
    if (!can_reach(m, o, why))
        return false;
    for (u32 i = 0; i < count; i++) {
        const char *no = cpus_call(&m->cpus, i, read_facts, &m->facts[i]);
        if (!no)
            continue;
        cpus_name(&m->cpus, i, why);
        line_add(why, no);
        return false;
    }
    return true;
}

bool machine_can_run(const struct machine *m, const struct options *o, struct line *why)
{
    line_clear(why);
    for (u32 i = 0; i < machine_wanted(m, o); i++) {
        u32 n = require_first_missing(&m->facts[i]);
        if (n == require_count())
            continue;
        if (i)
            cpus_name(&m->cpus, i, why);
        require_explain(&m->facts[i], n, why);
        return false;
    }
    return true;
}

bool machine_can_run_first(const struct machine *m, struct line *why)
{
    static const struct options bsp = {.bsp_only = 1};
    return machine_can_run(m, &bsp, why);
}
